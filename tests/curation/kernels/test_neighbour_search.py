import llvmlite.binding as llvm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_features import make_descriptors
from slow_verification import square_distances

from curation.kernels import packed_columns, vector_ir
from curation.kernels.dot_products import compile_comparison
from curation.kernels.packed_columns import MeasuredDescriptors, Neighbours, PackedColumns
from curation.kernels.portable_search import PortableColumns
from curation.kernels.processor import AVX2, available_kernels
from curation.matchable_features import index_descriptors

KERNELS = [*available_kernels(), None]
names = pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name if k else "portable")


def index(descriptors, kernel):
    measured = MeasuredDescriptors.of(descriptors)
    return PackedColumns(measured, kernel) if kernel else PortableColumns(measured)


def find_neighbours(a, b, kernel):
    return index(b, kernel).find_neighbours(MeasuredDescriptors.of(a))


def draw_words(seed, count, num_words, low=0, num_bytes=128):
    """Descriptors drawn from few different ones, so that distances tie and rows repeat."""
    rng = np.random.default_rng((seed, num_words))
    words = rng.choice(np.array([low, 1, 126, 127], np.uint8), (num_words, num_bytes))
    return words[rng.integers(0, num_words, count)]


def assert_exact(found, a, b):
    squared = square_distances(a, b)
    assert np.array_equal(found.nearest, squared.argmin(axis=1))
    best_two = np.sort(squared, axis=1)[:, :2]
    assert np.array_equal(found.squared, best_two[:, 0])
    assert np.array_equal(found.second_squared, best_two[:, 1])
    assert np.array_equal(found.nearest_row, squared.argmin(axis=0))


@names
@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(1, 300),
    st.integers(2, 300),
    st.integers(1, 400),
    st.sampled_from([32, 128]),
)
def test_neighbours_are_those_of_the_definition(
    kernel, seed, num_rows, num_columns, num_words, num_bytes
):
    both = draw_words(seed, num_rows + num_columns, num_words, num_bytes=num_bytes)
    a, b = both[:num_rows], both[num_rows:]
    assert_exact(find_neighbours(a, b, kernel), a, b)


@pytest.mark.parametrize("kernel", available_kernels(), ids=lambda kernel: kernel.name)
def test_processors_that_cannot_shift_two_words_at_once_find_the_same(kernel, monkeypatch):
    features = llvm.get_host_cpu_features()
    features["avx512vbmi2"] = False
    monkeypatch.setattr(vector_ir.llvm, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(packed_columns, "compile_comparison", compile_comparison.__wrapped__)
    a, b = draw_words(3, 70, 60), draw_words(4, 90, 60)
    assert_exact(find_neighbours(a, b, kernel), a, b)


@names
@pytest.mark.parametrize("num_rows", [959, 960, 961, 1007, 1008, 1023, 1024, 2100])
def test_ties_are_settled_alike_across_the_panels_of_rows(kernel, num_rows):
    a, b = draw_words(1, num_rows, 30), draw_words(1, 100, 30)
    assert_exact(find_neighbours(a, b, kernel), a, b)


@names
def test_the_longest_and_the_farthest_descriptors_fit(kernel):
    zeros, full = np.zeros((9, 128), np.uint8), np.full((9, 128), 127, np.uint8)
    for a, b in ((zeros, full), (full, zeros), (full, full), (zeros, zeros)):
        assert_exact(find_neighbours(a, b, kernel), a, b)


@names
def test_mapped_files_are_searched_where_they_lie(kernel, tmp_path):
    a, b = make_descriptors(1, 50), make_descriptors(2, 70)
    path = tmp_path / "features.bin"
    path.write_bytes(b"odd" + a.tobytes() + b.tobytes())
    mapped = np.memmap(path, np.uint8, mode="r")[3:].reshape(-1, 128)
    assert_exact(find_neighbours(mapped[:50], mapped[50:], kernel), a, b)


@pytest.mark.parametrize("place", [(0, 0), (3, 100), (4, 127)])
def test_values_of_eight_bits_are_refused(place):
    bad = make_descriptors(0, 5)
    bad[place] = 128
    with pytest.raises(ValueError, match="above 127"):
        MeasuredDescriptors.of(bad)


def test_lengths_and_sums_are_whole():
    descriptors = draw_words(0, 20, 20)
    measured = MeasuredDescriptors.of(descriptors)
    assert measured.squared_norms.tolist() == (descriptors.astype(int) ** 2).sum(axis=1).tolist()
    assert measured.sums.tolist() == descriptors.astype(int).sum(axis=1).tolist()


@names
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 200), st.integers(1, 200))
def test_the_first_of_many_columns_are_searched_as_if_there_were_no_others(
    kernel, seed, num_columns, num_rows
):
    """Also where they end within a tile, whose other columns must not be found."""
    a, b = draw_words(seed, num_rows, 50), draw_words(seed, 200, 50, low=127)
    first = index(b[:num_columns], kernel)
    assert len(first) == num_columns
    assert_exact(first.find_neighbours(MeasuredDescriptors.of(a)), a, b[:num_columns])


@names
def test_all_kernels_select_the_same_matches(kernel):
    """Ratios to the last bit, with repeats of places and of descriptors."""
    rng = np.random.default_rng(3)
    both = draw_words(5, 320, 400)
    a, b = both[:150], both[150:]
    places = [rng.integers(0, 40, (len(side), 4)).astype(np.uint16) for side in (a, b)]
    measured = MeasuredDescriptors.of(a)
    found, expected = (
        index(b, k).find_matches(measured, (0, 150), 0, Neighbours(150, 170), places, 0.81)
        for k in (kernel, None)
    )
    assert len(found[0]) > 0
    assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


def test_the_best_kernel_of_the_processor_is_used():
    columns = index_descriptors(MeasuredDescriptors.of(make_descriptors(0, 5)))
    assert isinstance(columns, PackedColumns if available_kernels() else PortableColumns)


@pytest.mark.skipif(AVX2 not in KERNELS, reason="needs a processor with AVX2")
@pytest.mark.parametrize(("count", "kind"), [(8192, PackedColumns), (8193, PortableColumns)])
def test_more_columns_than_codes_go_the_portable_way(count, kind):
    a, b = draw_words(2, 5, 300), draw_words(2, count, 300)
    columns = index_descriptors(MeasuredDescriptors.of(b), AVX2)
    assert isinstance(columns, kind)
    assert_exact(columns.find_neighbours(MeasuredDescriptors.of(a)), a, b)
