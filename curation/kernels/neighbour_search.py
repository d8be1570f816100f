"""Exact nearest neighbours of descriptors, and which of them become correspondences.

All of it is one compiled call per pair of images.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call
from curation.kernels.dot_products import CODE_BITS, DESCRIPTOR_BYTES, LOWEST

Descriptors = NDArray[np.uint8]
Integers = NDArray[np.int32]
Words = NDArray[np.uint32]
Codes = NDArray[np.uint16]
Indices = NDArray[np.intp]
Ratios = NDArray[np.float64]

# What numba hands to those who extend it is not typed.
Context = Any
Type = Any
Builder = Any
Value = Any

_NUM_CODES = 1 << CODE_BITS
_ROW_TILES_PER_BLOCK = 16
"""Rows of a block, their best so far and a tile of columns fill 32 kB, a small first cache."""


def _emit_call(
    _: Context,
    comparison: Type,
    rows: Type,
    num_row_tiles: Type,
    columns: Type,
    num_tiles: Type,
    codes: Type,
    row_codes: Type,
    starts: Type,
    space: Type,
    columns_best: Type,
    result: Type,
) -> tuple[Type, Type]:
    """Call the machine code of `compile_comparison` with its ten arguments."""
    arguments = (
        rows,
        num_row_tiles,
        columns,
        num_tiles,
        codes,
        row_codes,
        starts,
        space,
        columns_best,
        result,
    )

    def generate(context: Context, builder: Builder, _: Type, values: list[Value]) -> Value:
        function = ir.FunctionType(ir.VoidType(), [value.type for value in values[1:]])
        builder.call(builder.inttoptr(values[0], function.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(comparison, *arguments), generate


_compare_rows: Callable[..., None] = intrinsic(_emit_call)


@compile_on_first_call
def search(
    rows: Descriptors,
    row_norms: Integers,
    row_sums: Integers,
    columns: Words,
    codes: Integers,
    column_norms: Integers,
    comparison: int,
    rows_per_tile: int,
    num_lanes: int,
    column_bias: int,
) -> tuple[Integers, Integers, Integers, Integers]:
    """The nearest neighbours both ways between n >= 1 rows and m >= 2 columns.

    Args:
        rows: uint8 (n, 128).
        row_norms: their squared lengths.
        row_sums: the sums of their values.
        columns: as `pack` arranges them for the kernel.
        codes: likewise.
        column_norms: squared lengths of the columns, int32 (m,).
        comparison: address of the kernel's machine code.
        rows_per_tile: as the kernel has it, and so the next two.
        num_lanes: likewise.
        column_bias: likewise.

    Returns:
        For every row its nearest column, the squared distance to it, and that to the second
        nearest, int32 (n,) each; for every column its nearest row, int32 (m,). Of equally near
        ones the first.
    """
    num_rows = len(rows)
    nearest, squared = np.empty(num_rows, np.int32), np.empty(num_rows, np.int32)
    second_squared = np.empty(num_rows, np.int32)
    nearest_row = np.zeros(len(column_norms), np.int32)
    columns_squared = np.empty(len(column_norms), np.int32)
    columns_best = np.empty(len(codes), np.int32)
    block = _ROW_TILES_PER_BLOCK * rows_per_tile
    addresses = np.empty(block, np.int64)
    row_codes, starts = np.empty(block, np.int32), np.empty(block, np.int32)
    space = np.empty(2 * block * num_lanes, np.int32)
    result = np.empty((block, 3), np.int32)
    # Rows are told apart by their codes within a panel.
    panel = _NUM_CODES // block * block
    for start in range(0, num_rows, panel):
        columns_best[:] = LOWEST
        for first in range(start, min(start + panel, num_rows), block):
            num_tiles = min(block, num_rows - first + rows_per_tile - 1) // rows_per_tile
            for r in range(num_tiles * rows_per_tile):
                # Rows missing from the last tile repeat the last row, and lose by their codes.
                i = min(first + r, num_rows - 1)
                addresses[r] = rows.ctypes.data + i * DESCRIPTOR_BYTES
                code = _NUM_CODES - 1 - (first + r - start)
                row_codes[r] = code - row_norms[i] * _NUM_CODES
                starts[r] = row_sums[i] * column_bias
            space[:] = LOWEST
            _compare_rows(
                comparison,
                addresses.ctypes.data,
                num_tiles,
                columns.ctypes.data,
                len(columns),
                codes.ctypes.data,
                row_codes.ctypes.data,
                starts.ctypes.data,
                space.ctypes.data,
                columns_best.ctypes.data,
                result.ctypes.data,
            )
            for r in range(min(block, num_rows - first)):
                best, lane, second = result[r, 0], result[r, 1], result[r, 2]
                group = _NUM_CODES - 1 - (best & (_NUM_CODES - 1))
                nearest[first + r] = group * num_lanes + lane
                squared[first + r] = row_norms[first + r] - (best >> CODE_BITS)
                second_squared[first + r] = row_norms[first + r] - (second >> CODE_BITS)
        for j in range(len(nearest_row)):
            distance = column_norms[j] - (columns_best[j] >> CODE_BITS)
            if start == 0 or distance < columns_squared[j]:
                columns_squared[j] = distance
                code = columns_best[j] & (_NUM_CODES - 1)
                nearest_row[j] = start + _NUM_CODES - 1 - code
    return nearest, squared, second_squared, nearest_row


@compile_on_first_call
def select_matches(
    nearest: Integers,
    squared: Integers,
    second_squared: Integers,
    nearest_row: Integers,
    geometry_a: Codes,
    geometry_b: Codes,
    max_squared_ratio: float,
) -> tuple[Indices, Indices, Ratios]:
    """Mutual neighbours that pass the ratio test, the best of each place in both images.

    Args:
        nearest: as `search` returns it, and so the next three.
        squared: likewise.
        second_squared: likewise.
        nearest_row: likewise.
        geometry_a: stored geometry of the rows, uint16 (n, 4), x and y first; no rows at all to
            keep every match of a place.
        geometry_b: likewise of the columns.
        max_squared_ratio: largest squared distance in units of that to the second nearest.

    Returns:
        Rows, ascending; their columns; their ratios of distances.
    """
    rows, columns = np.empty(len(nearest), np.intp), np.empty(len(nearest), np.intp)
    ratios = np.empty(len(nearest), np.float64)
    count = 0
    for i in range(len(nearest)):
        j = nearest[i]
        best, second = float(squared[i]), float(second_squared[i])
        # Two identical neighbours at distance 0 are ambiguous, although 0 <= r * 0 holds.
        if nearest_row[j] == i and second > 0 and best <= max_squared_ratio * second:
            rows[count], columns[count] = i, j
            ratios[count] = math.sqrt(best / second)
            count += 1
    rows, columns, ratios = rows[:count], columns[:count], ratios[:count]
    if len(geometry_a) == 0:
        return rows, columns, ratios
    chosen = np.ones(count, np.bool_)
    _keep_best_of_places(geometry_a, rows, ratios, chosen)
    _keep_best_of_places(geometry_b, columns, ratios, chosen)
    return rows[chosen], columns[chosen], ratios[chosen]


@compile_on_first_call
def match_packed(
    rows: Descriptors,
    row_norms: Integers,
    row_sums: Integers,
    geometry_a: Codes,
    columns: Words,
    codes: Integers,
    column_norms: Integers,
    geometry_b: Codes,
    max_squared_ratio: float,
    comparison: int,
    rows_per_tile: int,
    num_lanes: int,
    column_bias: int,
) -> tuple[Indices, Indices, Ratios]:
    """`select_matches` of what `search` finds."""
    nearest, squared, second_squared, nearest_row = search(
        rows,
        row_norms,
        row_sums,
        columns,
        codes,
        column_norms,
        comparison,
        rows_per_tile,
        num_lanes,
        column_bias,
    )
    return select_matches(
        nearest, squared, second_squared, nearest_row, geometry_a, geometry_b, max_squared_ratio
    )


@compile_on_first_call
def _keep_best_of_places(
    codes: Codes, index: Indices, ratios: Ratios, chosen: NDArray[np.bool_]
) -> None:
    """Unset `chosen` where a better chosen one has the same place; a hash table of places."""
    size = 16
    while size < 2 * len(index):
        size *= 2
    holders = np.full(size, -1, np.int64)
    for i in range(len(index)):
        if not chosen[i]:
            continue
        x, y = int(codes[index[i], 0]), int(codes[index[i], 1])
        slot = (x * 40503 + y * 30011) & (size - 1)
        while holders[slot] >= 0 and not _is_at(codes, index[holders[slot]], x, y):
            slot = (slot + 1) & (size - 1)
        holder = holders[slot]
        if holder >= 0 and ratios[holder] <= ratios[i]:
            chosen[i] = False
            continue
        if holder >= 0:
            chosen[holder] = False
        holders[slot] = i


@compile_on_first_call
def _is_at(codes: Codes, feature: int, x: int, y: int) -> bool:
    return bool(codes[feature, 0] == x and codes[feature, 1] == y)
