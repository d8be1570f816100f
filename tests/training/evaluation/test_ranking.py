"""Rankings of whole sets: exact with distractors in chunks and with re-ranked first results."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from training.evaluate import score_set
from training.evaluation.ranking import rank_set, search_set
from training.evaluation.reranking import NOT_VERIFIED, Reranked, rerank
from training.recall_at_n import NO_IMAGE
from training.revisited_metrics import Protocol, score_rankings
from training.search import search_top_k

_SEEDS = st.integers(0, 500)
_NUM_DATABASE = 12


def make_set(seed, num_queries=3):
    generator = np.random.default_rng(seed)
    queries = []
    for number in range(num_queries):
        order = generator.permutation(_NUM_DATABASE).tolist()
        queries.append(
            EvaluationQuery(
                f"q{number}", f"q{number}", easy=tuple(order[:2]), hard=tuple(order[2:4]),
                junk=tuple(order[4:6]),
            )
        )  # fmt: skip
    return EvaluationSet("set", tuple(f"d{i}" for i in range(_NUM_DATABASE)), tuple(queries))


def make_descriptors(seed, num_rows):
    """Small integers, so that many similarities are equal."""
    return np.random.default_rng(seed).integers(-2, 3, (num_rows, 4)).astype(np.float16)


def cut(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


@given(_SEEDS, st.integers(0, 30), st.integers(1, 7), st.integers(0, 12))
def test_chunks_of_distractors_score_as_one_whole_ranking(seed, num_distractors, size, top_k):
    evaluation_set = make_set(seed)
    queries, database = make_descriptors(seed + 1, 3), make_descriptors(seed + 2, _NUM_DATABASE)
    distractors = make_descriptors(seed + 3, num_distractors)
    ranking = rank_set(
        evaluation_set, queries, database, distractors=cut(distractors, size), top_k=top_k
    )
    whole = search_top_k(queries, [database, distractors], _NUM_DATABASE + num_distractors)
    assert ranking.num_distractors == num_distractors
    assert np.array_equal(ranking.positions, whole.positions[:, :top_k])
    for found in score_set(evaluation_set, ranking).protocols:
        expected = score_rankings(whole.positions, evaluation_set, found.protocol)
        assert list(found.average_precisions.values()) == expected.average_precisions.tolist()


@given(_SEEDS, st.integers(1, 20))
def test_reranked_scores_are_those_of_the_reordered_ranking(seed, top_k):
    evaluation_set = make_set(seed)
    queries, database = make_descriptors(seed + 1, 3), make_descriptors(seed + 2, _NUM_DATABASE)
    distractors = make_descriptors(seed + 3, 8)
    generator = np.random.default_rng(seed)
    inliers = generator.choice([NOT_VERIFIED, 20, 30], (3, _NUM_DATABASE + 8))

    def reorder(row, positions):
        return rerank(positions, inliers[row, positions])

    ranking = rank_set(
        evaluation_set, queries, database, distractors=[distractors], top_k=top_k, rerank=reorder
    )
    whole = search_top_k(queries, [database, distractors], _NUM_DATABASE + 8).positions
    for row in range(3):
        whole[row, :top_k] = reorder(row, whole[row, :top_k].copy()).positions
    assert np.array_equal(ranking.positions, whole[:, :top_k])
    for found in score_set(evaluation_set, ranking).protocols:
        expected = score_rankings(whole, evaluation_set, found.protocol)
        assert list(found.average_precisions.values()) == expected.average_precisions.tolist()


def test_similarities_travel_with_their_images():
    evaluation_set = make_set(0, num_queries=1)
    database = np.linspace(1, 0.1, _NUM_DATABASE)[:, None]

    def swap(row, positions):
        return Reranked(positions[::-1], np.arange(len(positions)))

    ranking = rank_set(evaluation_set, np.ones((1, 1)), database, top_k=3, rerank=swap)
    assert ranking.positions.tolist() == [[2, 1, 0]]
    assert np.allclose(ranking.similarities[0], database[[2, 1, 0], 0])
    assert ranking.num_inliers.tolist() == [[0, 1, 2]]


def test_a_query_without_descriptor_scores_nothing_and_shows_nothing():
    evaluation_set = make_set(1)
    queries = make_descriptors(2, 3)
    queries[1] = np.nan
    ranking = rank_set(evaluation_set, queries, make_descriptors(3, _NUM_DATABASE), top_k=4)
    result = score_set(evaluation_set, ranking)
    assert result.num_unanswered == 1
    assert (ranking.positions[1] == NO_IMAGE).all()
    for found in result.protocols:
        assert found.average_precisions["q1"] == 0.0
        # It stays in the divisor: leaving it out would flatter.
        values = list(found.average_precisions.values())
        assert np.isclose(found.all_queries.mean_average_precision, sum(values) / 3)


def test_an_unanswered_query_without_positives_is_left_out_as_ever():
    query = EvaluationQuery("q", "q", hard=(0,))
    evaluation_set = EvaluationSet("set", ("d0",), (query,))
    ranking = rank_set(evaluation_set, np.full((1, 2), np.nan), np.ones((1, 2)))
    easy, _, hard = score_set(evaluation_set, ranking).protocols
    assert easy.protocol is Protocol.EASY
    assert (easy.average_precisions["q"], hard.average_precisions["q"]) == (None, 0.0)


def test_streamed_results_are_the_first_of_the_whole_ranking():
    queries, database = make_descriptors(5, 3), make_descriptors(6, 40)
    queries[0] = np.nan
    found = search_set(queries, cut(database, 7), 10)
    assert (found.positions[0] == NO_IMAGE).all()
    assert np.array_equal(found.positions[1:], search_top_k(queries[1:], [database], 10).positions)
