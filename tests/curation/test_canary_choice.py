from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from curation.canaries import SAME_LANDMARK, SCRAMBLED, TRANSFORMED, CanaryKind
from curation.canary_choice import ID_PREFIX, CanarySettings, choose_canaries, group_landmarks
from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from manifests.gldv2_csv import is_image_id

SETTINGS = CanarySettings(per_kind=3, same_landmark_per_kind=3, controls_per_kind=2)


def _queries(count, **lists):
    return tuple(EvaluationQuery(f"q{n}", f"q{n}.jpg", **lists) for n in range(count))


def _set(queries, database=()):
    return EvaluationSet("world", tuple(database), tuple(queries))


def _choose(evaluation_set, settings=SETTINGS, missing=()):
    return choose_canaries(evaluation_set, settings, lambda name: name not in missing)


def _of(canaries, kind):
    return [canary for canary in canaries if canary.kind is kind]


@given(st.integers(1, 9), st.integers(1, 7))
def test_every_kind_has_its_number_however_few_queries_there_are(num_queries, per_kind):
    settings = SETTINGS.model_copy(update={"per_kind": per_kind})
    canaries = _choose(_set(_queries(num_queries)), settings)
    counts = Counter(canary.kind for canary in canaries)
    assert counts == dict.fromkeys(TRANSFORMED, per_kind) | dict.fromkeys(SCRAMBLED, 2)
    for kind in TRANSFORMED:
        used = Counter(canary.query_id for canary in _of(canaries, kind))
        assert max(used.values()) - (min(used.values()) if len(used) == num_queries else 0) <= 1


def test_ids_are_distinct_and_none_is_of_gldv2():
    ids = [canary.canary_id for canary in _choose(_set(_queries(2)))]
    assert len(set(ids)) == len(ids)
    assert all(i.startswith(ID_PREFIX) and not is_image_id(i) for i in ids)


def test_the_order_of_the_queries_does_not_matter():
    queries = _queries(5, easy=(0, 1), hard=(2,))
    database = [f"d{n}" for n in range(3)]
    assert _choose(_set(queries, database)) == _choose(_set(queries[::-1], database))


def test_sets_of_other_names_have_other_canaries():
    ours, theirs = _set(_queries(2)), replace(_set(_queries(2)), name="other")
    ids = [{canary.canary_id for canary in _choose(s)} for s in (ours, theirs)]
    assert not ids[0] & ids[1]


def test_photographs_of_the_landmark_are_easy_or_hard_but_not_both():
    queries = [
        EvaluationQuery("q0", "q0", easy=(0,), hard=(1,)),
        EvaluationQuery("q1", "q1", easy=(1,), hard=(2,)),
    ]
    canaries = _choose(_set(queries, ["d0", "d1", "d2"]))
    names = [sorted(c.image_name for c in _of(canaries, kind)) for kind in SAME_LANDMARK]
    assert names == [["d0", "d1"], ["d2"]]


def test_a_query_and_a_missing_photograph_are_no_other_photographs():
    queries = [EvaluationQuery("q0", "d0", easy=(0, 1, 2))]
    canaries = _choose(_set(queries, ["d0", "d1", "d2"]), missing=["d1"])
    easy = _of(canaries, CanaryKind.SAME_LANDMARK_EASY)
    assert [canary.image_name for canary in easy] == ["d2"]


def test_landmarks_take_turns():
    queries = [
        EvaluationQuery("q0", "q0", easy=tuple(range(8))),
        EvaluationQuery("q1", "q1", easy=(8, 9)),
    ]
    canaries = _choose(_set(queries, [f"d{n}" for n in range(10)]))
    easy = _of(canaries, CanaryKind.SAME_LANDMARK_EASY)
    assert sorted(canary.query_id for canary in easy) == ["q0", "q0", "q1"]


def test_queries_that_share_a_photograph_show_one_landmark():
    queries = [
        EvaluationQuery("q3", "x", easy=(0,)),
        EvaluationQuery("q1", "x", hard=(0,), junk=(1,)),
        EvaluationQuery("q2", "x", easy=(1,)),
        EvaluationQuery("q4", "x", easy=(5,)),
        EvaluationQuery("q5", "x"),
    ]
    assert group_landmarks(queries) == {"q1": "q1", "q2": "q1", "q3": "q1", "q4": "q4"}
