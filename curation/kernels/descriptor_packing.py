"""What the search derives from the descriptors of one image: lengths, and the packed layout."""

import numpy as np
from numpy.typing import NDArray

from curation.kernels import aligned_memory, dot_products, transposition
from curation.kernels.aligned_memory import allocate_lines
from curation.kernels.compilation import compile_on_first_call, compile_with, freeze
from curation.kernels.dot_products import CODE_BITS, LOWEST
from curation.kernels.processor import DotProductKernel
from curation.kernels.transposition import compile_transposition, transpose

Descriptors = NDArray[np.uint8]
Integers = NDArray[np.int32]
Words = NDArray[np.uint32]

LARGEST_VALUE = 127
"""The largest value of a descriptor: seven bits never saturate in any product."""

_NUM_CODES = 1 << CODE_BITS
_HIGH_BITS_OF_EIGHT = 0x8080808080808080
_WORD_BYTES = 4


def measure(descriptors: Descriptors) -> tuple[Integers, Integers]:
    """Squared lengths and sums of descriptors (n, d), both int32 (n,).

    Raises:
        ValueError: a value is above 127.
    """
    squared, sums, has_seven_bits = _measure(freeze(descriptors))
    _check(has_seven_bits)
    return squared, sums


def check_values(descriptors: Descriptors) -> None:
    """Refuse contiguous descriptors (n, d) that no kernel can multiply.

    Raises:
        ValueError: a value is above 127.
    """
    _check(_has_seven_bits(freeze(descriptors.ravel())))


def _check(has_seven_bits: bool) -> None:  # noqa: FBT001  (as compiled code returns it)
    if not has_seven_bits:
        raise ValueError(
            f"a descriptor has values above {LARGEST_VALUE}: quantise to seven bits before matching"
        )


def pack(
    descriptors: Descriptors, squared_norms: Integers, kernel: DotProductKernel
) -> tuple[Words, Integers]:
    """Arrange descriptors (m, d) as columns of a kernel.

    Returns:
        Words of four values each, uint32 (num_tiles, d / 4, num_columns), and the columns' codes,
        int32 (num_tiles * num_columns,), as `compile_comparison` takes them.
    """
    return _pack(
        freeze(descriptors),
        squared_norms,
        kernel.num_lanes,
        kernel.num_columns,
        compile_transposition(kernel, descriptors.shape[1]),
    )


@compile_on_first_call
def _measure(descriptors: Descriptors) -> tuple[Integers, Integers, bool]:
    """Squared lengths, sums, and whether all values have seven bits."""
    squared = np.empty(len(descriptors), np.int32)
    sums = np.empty(len(descriptors), np.int32)
    for i in range(len(descriptors)):
        row = descriptors[i]
        # Numba counts in 64 bits unless told at every step; 32 make use of whole registers.
        total, total_squared = np.int32(0), np.int32(0)
        for k in range(len(row)):
            total = np.int32(total + np.int32(row[k]))
        for k in range(len(row)):
            value = np.int32(row[k])
            total_squared = np.int32(total_squared + np.int32(value * value))
        squared[i], sums[i] = total_squared, total
    return squared, sums, _has_seven_bits(descriptors.ravel())


@compile_on_first_call
def _has_seven_bits(values: Descriptors) -> bool:
    bits = np.uint64(0)
    words = values.view(np.uint64)
    for k in range(len(words)):
        bits |= words[k]
    return bool(bits & np.uint64(_HIGH_BITS_OF_EIGHT) == 0)


@compile_with(aligned_memory, dot_products, transposition)
def _pack(
    descriptors: Descriptors,
    squared_norms: Integers,
    num_lanes: int,
    width: int,
    transposition: int,
) -> tuple[Words, Integers]:
    count, num_bytes = descriptors.shape
    num_words = num_bytes // _WORD_BYTES
    num_tiles = (count + width - 1) // width
    data = allocate_lines(num_tiles * num_words * width).view(np.uint32)
    codes = allocate_lines(num_tiles * width)
    codes[:] = LOWEST
    group_bytes = num_lanes * num_bytes
    # Numba's addresses have no sign, and would turn sums into floats.
    start, end = np.int64(descriptors.ctypes.data), np.int64(data.ctypes.data)
    # Columns that are not there are zeros.
    last = np.zeros((num_lanes, num_bytes), np.uint8)
    for group in range(num_tiles * width // num_lanes):
        first = group * num_lanes
        tile = first // width
        source = start + group * group_bytes
        if first + num_lanes > count:
            last[:] = 0
            for j in range(first, count):
                last[j - first] = descriptors[j]
            source = np.int64(last.ctypes.data)
        target = end + _WORD_BYTES * (tile * num_words * width + first - tile * width)
        transpose(transposition, source, target)
        for j in range(first, min(first + num_lanes, count)):
            # A lane meets its columns in ascending order; codes fall, so that the first one wins.
            codes[j] = _NUM_CODES - 1 - group - squared_norms[j] * _NUM_CODES
    return data.reshape((num_tiles, num_words, width)), codes
