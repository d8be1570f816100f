"""Exact nearest neighbours among descriptors of small integers, by products in registers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call, freeze
from curation.kernels.dot_products import (
    CODE_BITS,
    DESCRIPTOR_BYTES,
    LOWEST,
    compile_row_comparison,
)
from curation.kernels.processor import DotProductKernel

Descriptors = NDArray[np.uint8]
Integers = NDArray[np.int32]

# What numba hands to those who extend it is not typed.
Context = Any
Type = Any
Builder = Any
Value = Any

LARGEST_VALUE = 127
"""The largest value of a descriptor: seven bits never saturate in any product."""

_NUM_CODES = 1 << CODE_BITS


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Nearest neighbours both ways between n rows and m columns; of equally near the first.

    Attributes:
        nearest: for every row its nearest column, int32 (n,).
        squared: squared distance to it, int32 (n,).
        second_squared: squared distance to the second nearest, int32 (n,).
        nearest_row: for every column its nearest row, int32 (m,).
    """

    nearest: Integers
    squared: Integers
    second_squared: Integers
    nearest_row: Integers


class PackedColumns:
    """Descriptors rearranged for one kernel, to be compared with any number of others.

    Args:
        descriptors: uint8 (m, 128), contiguous; `can_pack` must hold.
        kernel: the kernel to rearrange them for.

    Raises:
        ValueError: a value is above 127.
    """

    def __init__(self, descriptors: Descriptors, kernel: DotProductKernel) -> None:
        self._kernel = kernel
        self._squared_norms = square_norms(descriptors)
        words = freeze(descriptors.view(np.uint32))
        packed = _pack(words, self._squared_norms, kernel.num_lanes, kernel.num_columns)
        self._data, self._codes = packed

    @staticmethod
    def can_pack(kernel: DotProductKernel, count: int) -> bool:
        """Whether so many columns can be told apart by their codes."""
        return count <= _NUM_CODES * kernel.num_lanes

    def __len__(self) -> int:
        return len(self._squared_norms)

    def find_neighbours(self, rows: Descriptors) -> Neighbours:
        """Compare descriptors, uint8 (n, 128), n >= 1, contiguous, with at least two columns.

        Raises:
            ValueError: a value is above 127.
        """
        found = _search(
            freeze(rows),
            square_norms(rows),
            self._data,
            self._codes,
            self._squared_norms,
            compile_row_comparison(self._kernel),
            self._kernel.num_rows,
            self._kernel.num_lanes,
        )
        return Neighbours(*found)


def square_norms(descriptors: Descriptors) -> Integers:
    """Squared lengths of descriptors, int32 (n,).

    Raises:
        ValueError: a value is above 127.
    """
    squared, bits = _square_norms(freeze(descriptors))
    if bits > LARGEST_VALUE:
        raise ValueError(
            f"a descriptor has values above {LARGEST_VALUE}: quantise to seven bits before matching"
        )
    return squared


@compile_on_first_call
def _square_norms(descriptors: Descriptors) -> tuple[Integers, int]:
    """Squared lengths, and all values or-ed together."""
    squared = np.empty(len(descriptors), np.int32)
    bits = np.uint8(0)
    for i in range(len(descriptors)):
        total = np.int32(0)
        for k in range(descriptors.shape[1]):
            value = np.int32(descriptors[i, k])
            total += value * value
            bits |= descriptors[i, k]
        squared[i] = total
    return squared, int(bits)


@compile_on_first_call
def _pack(
    words: NDArray[np.uint32], squared_norms: Integers, num_lanes: int, width: int
) -> tuple[NDArray[np.uint32], Integers]:
    """Words of four bytes (m, 32) as tiles (num_tiles, 32, width), and the columns' codes."""
    count, num_words = words.shape
    num_tiles = (count + width - 1) // width
    data = np.zeros((num_tiles, num_words, width), np.uint32)
    codes = np.full(num_tiles * width, LOWEST, np.int32)
    for j in range(count):
        tile = j // width
        for k in range(num_words):
            data[tile, k, j - tile * width] = words[j, k]
        # A lane meets its columns in ascending order; codes fall, so that the first one wins.
        codes[j] = _NUM_CODES - 1 - j // num_lanes - squared_norms[j] * _NUM_CODES
    return data, codes


def _emit_call(
    _: Context,
    comparison: Type,
    rows: Type,
    columns: Type,
    num_tiles: Type,
    codes: Type,
    row_codes: Type,
    space: Type,
    columns_best: Type,
    result: Type,
) -> tuple[Type, Type]:
    """Call the machine code of `compile_row_comparison` with its eight arguments."""
    arguments = (rows, columns, num_tiles, codes, row_codes, space, columns_best, result)

    def generate(context: Context, builder: Builder, _: Type, values: list[Value]) -> Value:
        function = ir.FunctionType(ir.VoidType(), [value.type for value in values[1:]])
        builder.call(builder.inttoptr(values[0], function.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(comparison, *arguments), generate


_compare_rows: Callable[..., None] = intrinsic(_emit_call)


@compile_on_first_call
def _search(
    rows: Descriptors,
    squared_norms: Integers,
    columns: NDArray[np.uint32],
    codes: Integers,
    column_squared_norms: Integers,
    comparison: int,
    rows_per_tile: int,
    num_lanes: int,
) -> tuple[Integers, Integers, Integers, Integers]:
    """The fields of `Neighbours`."""
    num_rows = len(rows)
    nearest, squared = np.empty(num_rows, np.int32), np.empty(num_rows, np.int32)
    second_squared = np.empty(num_rows, np.int32)
    nearest_row = np.zeros(len(column_squared_norms), np.int32)
    columns_squared = np.empty(len(column_squared_norms), np.int32)
    columns_best = np.empty(len(codes), np.int32)
    addresses = np.empty(rows_per_tile, np.int64)
    row_codes = np.empty(rows_per_tile, np.int32)
    space = np.empty(2 * rows_per_tile * num_lanes, np.int32)
    result = np.empty((rows_per_tile, 3), np.int32)
    # Rows are told apart by their codes within a panel.
    panel = _NUM_CODES // rows_per_tile * rows_per_tile
    for start in range(0, num_rows, panel):
        for j in range(len(columns_best)):
            columns_best[j] = LOWEST
        for first in range(start, min(start + panel, num_rows), rows_per_tile):
            for r in range(rows_per_tile):
                # Rows missing from the last tile repeat the last row, and lose by their codes.
                i = min(first + r, num_rows - 1)
                addresses[r] = rows.ctypes.data + i * DESCRIPTOR_BYTES
                code = _NUM_CODES - 1 - (first + r - start)
                row_codes[r] = code - squared_norms[i] * _NUM_CODES
            _compare_rows(
                comparison,
                addresses.ctypes.data,
                columns.ctypes.data,
                len(columns),
                codes.ctypes.data,
                row_codes.ctypes.data,
                space.ctypes.data,
                columns_best.ctypes.data,
                result.ctypes.data,
            )
            for r in range(min(rows_per_tile, num_rows - first)):
                best, lane, second = result[r, 0], result[r, 1], result[r, 2]
                group = _NUM_CODES - 1 - (best & (_NUM_CODES - 1))
                nearest[first + r] = group * num_lanes + lane
                squared[first + r] = squared_norms[first + r] - (best >> CODE_BITS)
                second_squared[first + r] = squared_norms[first + r] - (second >> CODE_BITS)
        for j in range(len(nearest_row)):
            distance = column_squared_norms[j] - (columns_best[j] >> CODE_BITS)
            if start == 0 or distance < columns_squared[j]:
                columns_squared[j] = distance
                code = columns_best[j] & (_NUM_CODES - 1)
                nearest_row[j] = start + _NUM_CODES - 1 - code
    return nearest, squared, second_squared, nearest_row
