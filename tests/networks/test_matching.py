import numpy as np
import pytest
from planted_features import make_descriptors
from slow_verification import square_distances

torch = pytest.importorskip("torch")
from curation.correspondences import match_descriptors  # noqa: E402
from networks.matching import find_neighbours_batched, match_batched  # noqa: E402

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
        ],
    ),
]


def draw(seed, count):
    """Descriptors of which many repeat, so that distances tie."""
    return make_descriptors(1, 40)[np.random.default_rng(seed).integers(0, 40, count)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_neighbours_are_those_of_the_definition(device, precision):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        query = draw(0, 70)
        candidates = [draw(seed, count) for seed, count in ((1, 2), (2, 130), (3, 64), (4, 31))]
        found = find_neighbours_batched(
            torch.from_numpy(query).to(device),
            [torch.from_numpy(candidate).to(device) for candidate in candidates],
        )
    finally:
        torch.set_float32_matmul_precision(before)
    for number, candidate in enumerate(candidates):
        squared = square_distances(query, candidate)
        best_two = np.sort(squared, axis=1)[:, :2]
        nearest_row = found.nearest_row[number].cpu().numpy()[: len(candidate)]
        assert np.array_equal(found.nearest[number].cpu().numpy(), squared.argmin(axis=1))
        assert np.array_equal(found.squared[number].cpu().numpy(), best_two[:, 0])
        assert np.array_equal(found.second_squared[number].cpu().numpy(), best_two[:, 1])
        assert np.array_equal(nearest_row, squared.argmin(axis=0))


def test_the_longest_descriptors_are_compared_without_rounding():
    full, zeros = (torch.full((3, 128), value, dtype=torch.uint8) for value in (127, 0))
    found = find_neighbours_batched(full, [zeros, full])
    assert found.squared[:, 0].tolist() == [128 * 127**2, 0]


def test_a_candidate_without_a_second_neighbour_is_refused():
    query = torch.from_numpy(draw(0, 5))
    with pytest.raises(ValueError, match="no second neighbour"):
        find_neighbours_batched(query, [query, query[:1]])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("max_ratio", [0.8, 1.0])
@pytest.mark.parametrize("memory_bytes", [1, 60_000, 2**30])
def test_matches_are_those_of_the_compiled_search_to_the_last_bit(device, max_ratio, memory_bytes):
    noise = np.random.default_rng(8)
    query = draw(0, 70) ^ (noise.uniform(size=(70, 128)) < 0.1)
    counts = (2, 130, 0, 64, 1, 31)
    candidates = [
        draw(seed, count) ^ (noise.uniform(size=(count, 128)) < 0.1)
        for seed, count in enumerate(counts)
    ]
    tensors = [torch.from_numpy(candidate.astype(np.uint8)) for candidate in candidates]
    rows = torch.from_numpy(query.astype(np.uint8)).to(device)
    found = list(match_batched(rows, tensors, max_ratio, memory_bytes))
    assert len(found) == len(candidates)
    assert max(len(matches.rows) for matches in found) > 10
    for matches, candidate in zip(found, candidates, strict=True):
        expected = match_descriptors(query, candidate, max_ratio)
        assert matches.rows.tolist() == expected.index_a.tolist()
        assert matches.columns.tolist() == expected.index_b.tolist()
        assert matches.ratio.tobytes() == expected.ratio.tobytes()


def test_no_more_candidates_are_taken_than_the_memory_allows():
    taken = []
    query = torch.from_numpy(draw(0, 50))
    candidates = (taken.append(number) or query for number in range(40))
    three = 3 * 50 * 50 * 4 * 2
    next(match_batched(query, candidates, 0.9, memory_bytes=three))
    assert len(taken) == 4  # the fourth is the one that no longer fits


@pytest.mark.parametrize("count", [0, 5])
def test_an_image_without_features_or_candidates_matches_nothing(count):
    query = torch.from_numpy(draw(0, count))
    assert list(match_batched(query, [], 0.9)) == []
    assert [len(found.rows) for found in match_batched(query, [query[:0]], 0.9)] == [0]
