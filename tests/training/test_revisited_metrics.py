import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.evaluation_sets import EvaluationQuery, EvaluationSet, read_ground_truth
from training.revisited_metrics import (
    Protocol,
    compute_average_precision,
    compute_precision,
    find_ranks,
    score_rankings,
)

_REVISITED = (Protocol.EASY, Protocol.MEDIUM, Protocol.HARD)
_TOY = EvaluationQuery("toy", "toy", easy=(3, 5), hard=(1,), junk=(7, 2))
_TOY_RANKING = np.array([7, 3, 0, 1, 2, 5, 4, 6])


def make_set(*queries, num_database=8):
    return EvaluationSet("toy", tuple(f"image{i}" for i in range(num_database)), queries)


@st.composite
def rankings_of_queries(draw):
    """A complete ranking, and a query whose ground truth is a part of it."""
    labels = draw(st.lists(st.sampled_from(("easy", "hard", "junk", "")), min_size=1, max_size=30))
    ranking = draw(st.permutations(range(len(labels))))
    lists = {
        name: tuple(i for i, label in enumerate(labels) if label == name)
        for name in ("easy", "hard", "junk")
    }
    return np.array(ranking), EvaluationQuery("q", "q", **lists)


def walk_the_curve(ranking, positives, junk):
    """The area under the curve, image by image, as Philbin et al. (2007) plot it."""
    recall, precision, area, num_seen, num_right = 0.0, 1.0, 0.0, 0, 0
    for image in ranking:
        if image in junk:
            continue
        num_seen += 1
        num_right += image in positives
        new_recall, new_precision = num_right / len(positives), num_right / num_seen
        area += (new_recall - recall) * (precision + new_precision) / 2
        recall, precision = new_recall, new_precision
    return area


def count_precision(ranking, positives, junk, cutoff):
    kept = [image in positives for image in ranking if image not in junk]
    last = max(place for place, right in enumerate(kept, start=1) if right)
    length = min(last, cutoff)
    return sum(kept[:length]) / length


def split_lists(query, protocol):
    easy, hard, junk = set(query.easy), set(query.hard), set(query.junk)
    return {
        Protocol.EASY: (easy, junk | hard),
        Protocol.MEDIUM: (easy | hard, junk),
        Protocol.HARD: (hard, junk | easy),
        Protocol.ORIGINAL: (easy | hard, junk),
    }[protocol]


@pytest.mark.parametrize(
    ("ranks", "num_positives", "expected"),
    [
        ([0, 1, 2], 3, 1.0),
        ([0, 2], 2, 0.7916667),
        ([1], 1, 0.25),
        ([1, 3, 5], 3, 0.3722222),
        ([0], 2, 0.5),
        ([4], 1, 0.1),
        ([9], 1, 0.05),
        ([], 2, 0.0),
    ],
)
def test_average_precision_of_known_ranks(ranks, num_positives, expected):
    assert compute_average_precision(np.array(ranks), num_positives) == pytest.approx(
        expected, abs=1e-7
    )


@pytest.mark.parametrize(("ranks", "num_positives"), [([], 0), ([0, 1], 1)])
def test_average_precision_refuses_impossible_counts(ranks, num_positives):
    with pytest.raises(ValueError, match="positives found"):
        compute_average_precision(np.array(ranks), num_positives)


@pytest.mark.parametrize(
    ("protocol", "average_precision", "precisions"),
    [
        (Protocol.EASY, 0.7916667, [1, 2 / 3, 2 / 3]),
        (Protocol.MEDIUM, 0.7638889, [1, 0.75, 0.75]),
        (Protocol.HARD, 0.25, [0, 0.5, 0.5]),
        (Protocol.ORIGINAL, 0.7638889, [1, 0.75, 0.75]),
    ],
)
def test_toy_query(protocol, average_precision, precisions):
    scores = score_rankings(_TOY_RANKING[None], make_set(_TOY), protocol)
    assert scores.mean_average_precision == pytest.approx(average_precision, abs=1e-7)
    assert scores.mean_precisions == pytest.approx(precisions)


@given(rankings_of_queries(), st.sampled_from(Protocol), st.integers(1, 12))
def test_scores_are_those_of_a_walk_along_the_ranking(ranked, protocol, cutoff):
    ranking, query = ranked
    evaluation_set = make_set(query, num_database=len(ranking))
    scores = score_rankings(ranking[None], evaluation_set, protocol, (cutoff,))
    positives, junk = split_lists(query, protocol)
    if not positives:
        assert np.isnan(scores.average_precisions).all()
        assert np.isnan(scores.mean_average_precision)
        assert scores.num_without_positives == 1
        return
    expected = walk_the_curve(ranking, positives, junk)
    assert scores.average_precisions[0] == pytest.approx(expected, abs=1e-12)
    expected = count_precision(ranking, positives, junk, cutoff)
    assert scores.precisions[0, 0] == pytest.approx(expected, abs=1e-12)


@given(rankings_of_queries(), st.integers(1, 9), st.sampled_from(_REVISITED))
def test_distractors_behind_everything_change_nothing(ranked, num_distractors, protocol):
    ranking, query = ranked
    num_database = len(ranking)
    longer = np.concatenate([ranking, num_database + np.arange(num_distractors)])
    evaluation_set = make_set(query, num_database=num_database)
    alone = score_rankings(ranking[None], evaluation_set, protocol)
    among = score_rankings(longer[None], evaluation_set, protocol)
    assert np.array_equal(among.average_precisions, alone.average_precisions, equal_nan=True)
    assert np.array_equal(among.precisions, alone.precisions, equal_nan=True)


def test_a_query_without_positives_is_left_out_of_the_means():
    empty = EvaluationQuery("empty", "empty", easy=(), hard=(1,), junk=())
    rankings = np.stack([_TOY_RANKING, _TOY_RANKING])
    scores = score_rankings(rankings, make_set(empty, _TOY), Protocol.EASY)
    assert scores.mean_average_precision == pytest.approx(0.7916667, abs=1e-7)
    assert scores.mean_precisions[0] == 1
    assert scores.num_without_positives == 1


def test_few_positives_do_not_punish_precision_at_ten():
    assert compute_precision(np.array([0, 1, 2, 3]), 10) == 1
    assert compute_precision(np.array([0, 4]), 10) == 0.4
    assert compute_precision(np.array([11]), 10) == 0


def test_a_query_image_in_the_database_starts_with_precision_one():
    # In Oxford5k the query's whole photograph is in the database and in its own list of good.
    query = EvaluationQuery("own", "own", easy=(0, 4), hard=(), junk=())
    ranking = np.array([0, 1, 2, 3, 4])
    scores = score_rankings(ranking[None], make_set(query, num_database=5), Protocol.ORIGINAL)
    assert scores.mean_precisions[0] == 1
    assert scores.mean_average_precision == pytest.approx((1 + (1 / 4 + 2 / 5) / 2) / 2)


@pytest.mark.parametrize(
    "ranking",
    [_TOY_RANKING[:-1], np.array([7, 3, 0, 1, 2, 5, 4, 4]), np.array([7, 3, 0, 1, 2, 5, 4, -2])],
)
def test_incomplete_rankings_are_refused(ranking):
    with pytest.raises(ValueError, match="exactly once"):
        find_ranks(ranking, _TOY)


def test_the_benchmarks_own_orientation_is_refused():
    with pytest.raises(ValueError, match="one row for each"):
        score_rankings(np.stack([_TOY_RANKING] * 2, axis=1), make_set(_TOY, _TOY), Protocol.EASY)


@pytest.fixture(scope="module", params=["roxford5k", "rparis6k"])
def evaluation_set(request, groundtruth_root):
    return read_ground_truth(groundtruth_root / f"gnd_{request.param}.pkl", request.param)


def hash_scores(evaluation_set):
    image = np.arange(len(evaluation_set.database), dtype=np.int64)
    query = np.arange(len(evaluation_set.queries), dtype=np.int64)[:, None]
    return ((image * 2654435761 + query * 40503) % 2**32) / 2**32


def rank_by_recipe(recipe, evaluation_set):
    if recipe == "identity":
        shape = len(evaluation_set.queries), len(evaluation_set.database)
        return np.broadcast_to(np.arange(shape[1]), shape)
    scores = hash_scores(evaluation_set)
    if recipe == "hash_oracle":
        for row, query in zip(scores, evaluation_set.queries, strict=True):
            row[list(query.easy)] += 0.6
            row[list(query.hard)] += 0.3
            row[list(query.junk)] += 0.2
    return np.argsort(-scores, axis=1, kind="stable")


@pytest.mark.parametrize("recipe", ["identity", "hash", "hash_oracle"])
@pytest.mark.parametrize("protocol", _REVISITED)
def test_the_official_code_gives_the_same(groundtruth_root, evaluation_set, recipe, protocol):
    all_expected = json.loads((groundtruth_root / "expected_revisited_metrics.json").read_text())
    expected = all_expected[f"{evaluation_set.name}/{recipe}/{protocol}"]
    scores = score_rankings(rank_by_recipe(recipe, evaluation_set), evaluation_set, protocol)
    assert scores.mean_average_precision == pytest.approx(expected["mAP"], abs=1e-7)
    assert scores.mean_precisions == pytest.approx(expected["mP@1,5,10"], abs=1e-7)
    assert scores.num_without_positives == expected["n_queries_without_positives"]


_MEAN_AP_PERCENT = {
    ("roxford5k", "reverse"): (0.94, 1.6564, 0.904),
    ("rparis6k", "reverse"): (1.6333, 3.9536, 2.4805),
    ("roxford5k", "random"): (1.005, 1.6535, 0.7712),
    ("rparis6k", "random"): (1.6787, 4.0234, 2.4874),
}


@pytest.mark.parametrize("recipe", ["reverse", "random"])
def test_more_lists_of_the_official_code(evaluation_set, recipe):
    num_queries, num_database = len(evaluation_set.queries), len(evaluation_set.database)
    if recipe == "reverse":
        rankings = np.tile(np.arange(num_database)[::-1], (num_queries, 1))
    else:
        state = np.random.RandomState(0)
        rankings = np.stack([state.permutation(num_database) for _ in range(num_queries)])
    found = [
        100 * score_rankings(rankings, evaluation_set, protocol).mean_average_precision
        for protocol in _REVISITED
    ]
    assert found == pytest.approx(_MEAN_AP_PERCENT[evaluation_set.name, recipe], abs=5e-5)


@pytest.mark.parametrize("order", [("easy", "hard", "junk"), ("junk", "hard", "easy")])
@pytest.mark.parametrize("protocol", _REVISITED)
def test_all_listed_images_first_is_perfect(evaluation_set, order, protocol):
    num_database = len(evaluation_set.database)
    rankings = []
    for query in evaluation_set.queries:
        first = [index for name in order for index in getattr(query, name)]
        rankings.append(first + sorted(set(range(num_database)) - set(first)))
    scores = score_rankings(np.array(rankings), evaluation_set, protocol)
    assert scores.mean_average_precision == pytest.approx(1, abs=1e-12)
    assert (scores.mean_precisions == 1).all()
