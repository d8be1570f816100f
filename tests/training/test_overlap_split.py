from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.decisions import DecisionRow
from manifests.rows import Decision
from training.overlap_split import find_overlapping_queries, split_scores
from training.revisited_metrics import ProtocolScores

_START = datetime(2024, 5, 1, tzinfo=UTC)
_CANDIDATES = pa.Table.from_pylist(
    [
        {
            "eval_set": eval_set,
            "query_id": query_id,
            "image_id": image_id,
            "landmark_id": landmark_id,
            "source": source,
        }
        for eval_set, query_id, image_id, landmark_id, source in [
            ("roxford5k", "q1", "a" * 16, 7, "visual"),
            ("roxford5k", "q2", "b" * 16, 8, "visual"),
            ("roxford5k", "q3", "a" * 16, 7, "visual"),
            ("roxford5k", "text:oxford", "c" * 16, 7, "text"),
            ("rparis6k", "q3", "a" * 16, 7, "visual"),
        ]
    ]
)


def decide(query_id, image, decision=Decision.SAME, *, who="ann", minute=0, eval_set="roxford5k"):
    time = _START + timedelta(minutes=minute)
    return DecisionRow(eval_set, query_id, image * 16, who, decision, time, None)


def find(*decisions, removed=(7,), **options):
    return find_overlapping_queries("roxford5k", _CANDIDATES, decisions, removed, **options)


def make_scores(average_precisions):
    values = np.array(average_precisions, np.float64)
    return ProtocolScores(values, values[:, None], (1,))


def test_a_confirmed_photograph_of_a_removed_class_overlaps():
    decisions = decide("q1", "a"), decide("q2", "b")
    assert find(*decisions) == {"q1"}
    assert find(*decisions, removed=(7, 8)) == {"q1", "q2"}
    assert find(*decisions, removed=()) == frozenset()


def test_what_is_no_confirmation_does_not_overlap():
    assert find() == frozenset()
    assert find(decide("q1", "a", Decision.UNSURE)) == frozenset()
    assert find(decide("text:oxford", "c")) == frozenset()
    assert find(decide("q1", "b")) == frozenset()
    assert find(decide("q3", "a", eval_set="rparis6k")) == frozenset()


def test_the_last_word_counts():
    changed = decide("q1", "a", Decision.DIFFERENT, minute=1)
    assert find(changed, decide("q1", "a")) == frozenset()


def test_as_many_people_as_the_removal_asks():
    once = decide("q1", "a"), decide("q1", "a", minute=1)
    assert find(*once, min_confirmations=2) == frozenset()
    assert find(*once, decide("q1", "a", who="bob"), min_confirmations=2) == {"q1"}


@given(st.lists(st.tuples(st.one_of(st.just(np.nan), st.floats(0, 1)), st.booleans()), max_size=20))
def test_the_parts_weigh_up_to_the_whole(queries):
    scores = make_scores([value for value, _ in queries])
    query_ids = [f"q{i}" for i in range(len(queries))]
    chosen = {name for name, (_, flag) in zip(query_ids, queries, strict=True) if flag}
    split = split_scores(scores, query_ids, chosen)
    assert split.overlapping.num_queries == len(chosen)
    parts = [split.overlapping, split.others]
    counts = [part.num_queries - part.num_without_positives for part in parts]
    total = sum(
        part.mean_average_precision * count
        for part, count in zip(parts, counts, strict=True)
        if count
    )
    if sum(counts):
        assert total / sum(counts) == pytest.approx(scores.mean_average_precision)
    assert sum(part.num_queries for part in parts) == scores.num_queries


def test_queries_of_another_set_are_refused():
    with pytest.raises(ValueError, match="'q9'"):
        split_scores(make_scores([0.5]), ["q1"], {"q9"})
    with pytest.raises(ValueError, match="2 query ids"):
        split_scores(make_scores([0.5]), ["q1", "q2"], set())
