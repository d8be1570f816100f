import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from training.revisited_metrics import Protocol, QueryRanks, score_queries, score_rankings
from training.search import rank_listed, search_top_k, stream_descriptors

_SEEDS = st.integers(0, 1000)


def make_descriptors(seed, num_rows, dimensions=4):
    """Small integers, so that many similarities are equal; some rows are no descriptor."""
    generator = np.random.default_rng(seed)
    rows = generator.integers(-2, 3, size=(num_rows, dimensions)).astype(np.float16)
    rows[generator.random(num_rows) < 0.1] = np.nan
    return rows


def make_queries(seed, num_rows=3, dimensions=4):
    return np.nan_to_num(make_descriptors(seed + 5000, num_rows, dimensions))


def sort_all(queries, database):
    """Positions by falling similarity, then by position; without a descriptor comes last."""
    rankings = []
    for query in queries.tolist():
        keys = []
        for position, row in enumerate(database.tolist()):
            similarity = sum(a * b for a, b in zip(query, row, strict=True))
            keys.append((-similarity if similarity == similarity else np.inf, position))
        rankings.append([position for _, position in sorted(keys)])
    return rankings


@given(_SEEDS, st.integers(1, 40), st.integers(1, 50), st.integers(1, 9), st.integers(1, 9))
def test_top_k_is_the_head_of_the_whole_ranking(seed, num_rows, k, rows_given, chunk_rows):
    queries, database = make_queries(seed), make_descriptors(seed, num_rows)
    parts = [database[start : start + rows_given] for start in range(0, num_rows, rows_given)]
    found = search_top_k(queries, parts, k, chunk_rows)
    assert found.positions.tolist() == [ranking[:k] for ranking in sort_all(queries, database)]
    sorted_down = np.sort(found.similarities, axis=1)[:, ::-1]
    assert np.array_equal(found.similarities, sorted_down)


@given(_SEEDS, st.integers(1, 30), st.integers(0, 30), st.integers(1, 9))
def test_listed_ranks_are_those_of_the_whole_ranking(seed, num_rows, num_distractors, chunk_rows):
    queries = make_queries(seed)
    database = make_descriptors(seed, num_rows)
    distractors = make_descriptors(seed + 1, num_distractors)
    generator = np.random.default_rng(seed)
    listed = [generator.permutation(num_rows)[: generator.integers(0, 6)] for _ in queries]
    found = rank_listed(queries, database, listed, [distractors[:7], distractors[7:]], chunk_rows)
    rankings = sort_all(queries, np.concatenate([database, distractors]))
    expected = [
        [ranking.index(position) for position in positions]
        for ranking, positions in zip(rankings, listed, strict=True)
    ]
    assert [ranks.tolist() for ranks in found] == expected


def test_equal_similarities_give_the_order_of_the_database():
    same = np.ones((9, 4), np.float32)
    assert search_top_k(same[:1], [same[:4], same[4:]], 9, 2).positions[0].tolist() == [*range(9)]


@given(_SEEDS)
def test_copies_of_half_precision_descriptors_tie_wherever_they_lie(seed):
    generator = np.random.default_rng(seed)
    unit = generator.normal(size=(33, 67))
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float16)
    database = np.concatenate([unit[3:], unit[3:], unit[3:]])
    whole = search_top_k(unit[:3], [database], 90)
    cut = search_top_k(unit[:3], [database], 90, chunk_rows=7)
    assert np.array_equal(whole.positions, cut.positions)
    assert np.array_equal(whole.similarities, cut.similarities)
    groups = whole.positions.reshape(3, 30, 3)
    assert (np.diff(groups, axis=2) == 30).all()


def test_distractors_lower_the_score_as_if_they_were_sorted():
    queries, database = make_queries(3, dimensions=8), make_descriptors(3, 20, 8)
    distractors = make_descriptors(4, 50, 8)
    truths = [
        EvaluationQuery(f"q{i}", f"q{i}", easy=(i, 7), hard=(11,), junk=(15,)) for i in range(3)
    ]
    listed = [np.array([*truth.easy, *truth.hard, *truth.junk]) for truth in truths]
    ranks = rank_listed(queries, database, listed, [distractors])
    split = [QueryRanks(row[:2], row[2:3], row[3:]) for row in ranks]
    whole = search_top_k(queries, [database, distractors], 70).positions
    evaluation_set = EvaluationSet("set", tuple(map(str, range(20))), tuple(truths))
    for protocol in Protocol:
        expected = score_rankings(whole, evaluation_set, protocol)
        assert np.array_equal(
            score_queries(split, protocol).average_precisions, expected.average_precisions
        )


def test_an_empty_database_gives_empty_rankings():
    assert search_top_k(np.ones((2, 4)), [], 5).positions.shape == (2, 0)


def test_wrong_descriptors_are_refused():
    good, infinite = np.ones((2, 4)), np.array([[1.0, 2, 3, 4], [1, np.nan, 0, 0]])
    with pytest.raises(ValueError, match="query 1 has no descriptor"):
        search_top_k(infinite, [good], 1)
    with pytest.raises(ValueError, match="database row 3"):
        search_top_k(good, [good, infinite], 1)
    with pytest.raises(ValueError, match="same network"):
        search_top_k(good, [np.ones((2, 5))], 1)
    with pytest.raises(ValueError, match="at least one"):
        search_top_k(good, [good], 0)
    with pytest.raises(ValueError, match="1 lists for 2 queries"):
        rank_listed(good, good, [np.array([0])])


def test_files_are_streamed_in_chunks(tmp_path):
    first, second = make_descriptors(1, 5), make_descriptors(2, 3)
    np.save(tmp_path / "a.npy", first)
    np.save(tmp_path / "b.npy", second)
    chunks = list(stream_descriptors([tmp_path / "a.npy", tmp_path / "b.npy"], chunk_rows=2))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1, 2, 1]
    assert np.array_equal(np.concatenate(chunks), np.concatenate([first, second]), equal_nan=True)


@pytest.mark.parametrize("array", [np.zeros(4), np.zeros((2, 4), np.int64)])
def test_files_of_something_else_are_refused(tmp_path, array):
    np.save(tmp_path / "other.npy", array)
    with pytest.raises(ValueError, match=r"other\.npy"):
        list(stream_descriptors([tmp_path / "other.npy"]))
