import numpy as np
import pytest
from planted_features import make_descriptors
from slow_verification import square_distances

torch = pytest.importorskip("torch")
from networks.matching import find_neighbours_of_pairs  # noqa: E402

CPU = torch.device("cpu")
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
@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_neighbours_are_those_of_the_definition(device, precision):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    sizes = [(1, 2), (70, 130), (64, 3), (31, 40)]
    pairs = [(draw(2 * n, rows), draw(2 * n + 1, cols)) for n, (rows, cols) in enumerate(sizes)]
    try:
        found = find_neighbours_of_pairs(pairs, torch.device(device))
    finally:
        torch.set_float32_matmul_precision(before)
    for (rows, columns), neighbours in zip(pairs, found, strict=True):
        squared = square_distances(rows, columns)
        best_two = np.sort(squared, axis=1)[:, :2]
        assert np.array_equal(neighbours.nearest, squared.argmin(axis=1))
        assert np.array_equal(neighbours.squared, best_two[:, 0])
        assert np.array_equal(neighbours.second_squared, best_two[:, 1])
        assert np.array_equal(neighbours.nearest_row, squared.argmin(axis=0))


def test_the_longest_descriptors_are_compared_without_rounding():
    full, zeros = (np.full((3, 128), value, np.uint8) for value in (127, 0))
    (found,) = find_neighbours_of_pairs([(full, zeros)], CPU)
    assert found.squared.tolist() == [128 * 127**2] * 3


def test_a_pair_alone_and_among_larger_ones_gives_the_same():
    pairs = [(draw(0, 9), draw(1, 12)), (draw(2, 90), draw(3, 70))]
    together = find_neighbours_of_pairs(pairs, CPU)
    for pair, found in zip(pairs, together, strict=True):
        (alone,) = find_neighbours_of_pairs([pair], CPU)
        for name in ("nearest", "squared", "second_squared", "nearest_row"):
            assert np.array_equal(getattr(alone, name), getattr(found, name))


@pytest.mark.parametrize(("num_rows", "num_columns"), [(0, 5), (5, 0), (5, 1)])
def test_a_pair_without_a_second_neighbour_is_refused(num_rows, num_columns):
    pairs = [(draw(0, 9), draw(1, 12)), (draw(2, num_rows), draw(3, num_columns))]
    with pytest.raises(ValueError, match="second neighbour"):
        find_neighbours_of_pairs(pairs, CPU)


def test_a_value_of_eight_bits_is_refused():
    with pytest.raises(ValueError, match="above 127"):
        find_neighbours_of_pairs([(np.full((2, 128), 128, np.uint8), draw(0, 5))], CPU)
