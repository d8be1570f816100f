import numpy as np
import pytest
from planted_features import make_descriptors
from slow_verification import square_distances

torch = pytest.importorskip("torch")
from networks.matching import find_neighbours_batched  # noqa: E402

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
