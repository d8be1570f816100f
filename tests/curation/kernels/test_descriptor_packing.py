import numpy as np
import pytest
from planted_features import make_descriptors

from curation.kernels.descriptor_packing import measure, pack
from curation.kernels.dot_products import LOWEST
from curation.kernels.processor import available_kernels

kernels = pytest.mark.parametrize("kernel", available_kernels(), ids=lambda kernel: kernel.name)


@kernels
@pytest.mark.parametrize("num_bytes", [32, 128])
@pytest.mark.parametrize("count", [2, 7, 8, 16, 63, 64, 65, 200])
def test_a_column_of_a_tile_is_a_descriptor_less_the_bias(kernel, count, num_bytes):
    descriptors = np.ascontiguousarray(make_descriptors(count, count)[:, :num_bytes])
    data, codes = pack(descriptors, measure(descriptors)[0], kernel)
    width = kernel.num_columns
    num_tiles = -(-count // width)
    expected = np.zeros((num_tiles * width, num_bytes), np.int16)
    expected[:count] = descriptors
    assert data.shape == (num_tiles, num_bytes // 4, width)
    # Tiles, groups of four bytes, columns, bytes: columns first makes descriptors of them again.
    columns = data.view(np.int8).reshape(num_tiles, -1, width, 4).transpose(0, 2, 1, 3)
    assert np.array_equal(columns.reshape(-1, num_bytes), expected - kernel.column_bias)
    assert (codes[:count] > LOWEST).all()
    assert (codes[count:] == LOWEST).all()


@kernels
def test_no_value_borrows_from_its_neighbour(kernel):
    descriptors = np.tile(np.array([0, 127, 0, 0, 127, 127, 1, 64], np.uint8), (20, 16))
    data, _ = pack(descriptors, measure(descriptors)[0], kernel)
    first = data[0, :, 0].copy().view(np.int8)
    assert np.array_equal(first, descriptors[0].astype(np.int16) - kernel.column_bias)


@kernels
def test_a_code_holds_the_length_and_falls_from_group_to_group(kernel):
    descriptors = make_descriptors(3, 70)
    _, codes = pack(descriptors, measure(descriptors)[0], kernel)
    squared = (descriptors.astype(np.int64) ** 2).sum(axis=1)
    groups = np.arange(70) // kernel.num_lanes
    assert np.array_equal(codes[:70] + squared * 1024, 1023 - groups)
