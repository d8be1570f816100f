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

from curation.kernels import aligned_memory, dot_products
from curation.kernels.aligned_memory import allocate_lines
from curation.kernels.compilation import compile_on_first_call, compile_with
from curation.kernels.dot_products import CODE_BITS, LOWEST

Descriptors = NDArray[np.uint8]
Integers = NDArray[np.int32]
Words = NDArray[np.uint32]
Codes = NDArray[np.uint16]
Indices = NDArray[np.intp]
Ratios = NDArray[np.float64]
Rows = tuple[Descriptors, Integers, Integers]
Columns = tuple[Words, Integers, Integers]
Found = Integers
"""For each of n rows its nearest column, the squared distance to it, and that to the second
nearest; for each of m columns its nearest row, and the squared distance to it: int32 (3 n + 2 m,),
one after the other."""
FAR = np.iinfo(np.int32).max
"""The distance of what nothing was compared with."""

# What numba hands to those who extend it is not typed.
Context = Any
Type = Any
Builder = Any
Value = Any

_NUM_CODES = 1 << CODE_BITS
_ROWS_PER_BLOCK = 96
"""A multiple of all rows per tile. Rows of a block, their best so far and a tile of columns fill 32
kB, a small first cache."""
_MIN_TILES = 2
"""The kernel compares one tile of rows while it multiplies the next."""


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
def split(found: Found, num_rows: int) -> tuple[Integers, Integers, Integers, Integers, Integers]:
    """The five parts of what was found; views."""
    of_rows, of_columns = found[: 3 * num_rows], found[3 * num_rows :]
    num_columns = len(of_columns) // 2
    return (
        of_rows[:num_rows],
        of_rows[num_rows : 2 * num_rows],
        of_rows[2 * num_rows :],
        of_columns[:num_columns],
        of_columns[num_columns:],
    )


@compile_with(aligned_memory, dot_products)
def search(
    rows: Rows,
    first_row: int,
    end_row: int,
    columns: Columns,
    first_column: int,
    found: Found,
    comparison: int,
    rows_per_tile: int,
    num_lanes: int,
    column_bias: int,
) -> None:
    """Bring nearest neighbours both ways up to date with some rows and some columns.

    Args:
        rows: descriptors uint8 (n, d), their squared lengths, and the sums of their values.
        first_row: the rows to compare begin here.
        end_row: and end before this one.
        columns: as `pack` arranges them for the kernel, their codes, and their squared lengths.
        first_column: number of the first of them in `found`.
        found: what is known so far; rows and columns with smaller numbers were compared before.
        comparison: address of the kernel's machine code.
        rows_per_tile: as the kernel has it, and so the next two.
        num_lanes: likewise.
        column_bias: likewise.
    """
    values, row_norms, row_sums = rows
    words, codes, column_norms = columns
    nearest, squared, second_squared, nearest_row, columns_squared = split(found, len(row_norms))
    columns_best = allocate_lines(len(codes))
    addresses = np.empty(_ROWS_PER_BLOCK, np.int64)
    row_codes, starts = np.empty(_ROWS_PER_BLOCK, np.int32), np.empty(_ROWS_PER_BLOCK, np.int32)
    space = allocate_lines(2 * _ROWS_PER_BLOCK * num_lanes)
    result = np.empty((_ROWS_PER_BLOCK, 3), np.int32)
    # Numba's addresses have no sign, and would turn sums into floats.
    first_address = np.int64(values.ctypes.data)
    # Rows are told apart by their codes within a panel.
    for start in range(first_row, end_row, _NUM_CODES):
        end = min(start + _NUM_CODES, end_row)
        columns_best[:] = LOWEST
        for first in range(start, end, _ROWS_PER_BLOCK):
            num_rows = min(_ROWS_PER_BLOCK, end - first)
            num_tiles = max(_MIN_TILES, (num_rows + rows_per_tile - 1) // rows_per_tile)
            for r in range(num_tiles * rows_per_tile):
                # Rows missing from the last tiles repeat the last row, and lose by their codes.
                i = min(first + r, end - 1)
                addresses[r] = first_address + i * values.shape[1]
                code = _NUM_CODES - 1 - (first + r - start)
                row_codes[r] = code - row_norms[i] * _NUM_CODES
                starts[r] = row_sums[i] * column_bias
            space[: 2 * num_tiles * rows_per_tile * num_lanes] = LOWEST
            _compare_rows(
                comparison,
                addresses.ctypes.data,
                num_tiles,
                words.ctypes.data,
                len(words),
                codes.ctypes.data,
                row_codes.ctypes.data,
                starts.ctypes.data,
                space.ctypes.data,
                columns_best.ctypes.data,
                result.ctypes.data,
            )
            _update_rows(
                nearest[first:end],
                squared[first:end],
                second_squared[first:end],
                result[:num_rows],
                row_norms[first:end],
                first_column,
                num_lanes,
            )
        _update_columns(
            nearest_row[first_column:],
            columns_squared[first_column:],
            columns_best,
            codes,
            column_norms,
            start,
        )


@compile_with(dot_products)
def _update_rows(
    nearest: Integers,
    squared: Integers,
    second_squared: Integers,
    result: Integers,
    row_norms: Integers,
    first_column: int,
    num_lanes: int,
) -> None:
    """Bring some rows up to date with the kernel's result of them, (k, 3)."""
    for r in range(len(result)):
        best, next_best = row_norms[r] - (result[r, 0] >> CODE_BITS), squared[r]
        second = row_norms[r] - (result[r, 2] >> CODE_BITS)
        # Of equally near ones the first, which was found before.
        if best < next_best:
            group = _NUM_CODES - 1 - (result[r, 0] & (_NUM_CODES - 1))
            nearest[r] = first_column + group * num_lanes + result[r, 1]
            squared[r] = best
            second_squared[r] = min(second, next_best)
        else:
            second_squared[r] = min(second_squared[r], best)


@compile_with(dot_products)
def _update_columns(
    nearest_row: Integers,
    squared: Integers,
    best: Integers,
    codes: Integers,
    norms: Integers,
    first_row: int,
) -> None:
    """Bring columns up to date with the kernel's best of a panel of rows, which begins there."""
    for j in range(len(norms)):
        packed = best[j] - (codes[j] + norms[j] * _NUM_CODES)
        distance = -(packed >> CODE_BITS)
        if distance < squared[j]:
            squared[j] = distance
            nearest_row[j] = first_row + _NUM_CODES - 1 - (packed & (_NUM_CODES - 1))


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
        nearest: as `search` finds it, and so the next three.
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


@compile_with(aligned_memory, dot_products)
def match_packed(
    rows: Rows,
    first_row: int,
    end_row: int,
    geometry_a: Codes,
    columns: Columns,
    first_column: int,
    geometry_b: Codes,
    found: Found,
    max_squared_ratio: float,
    comparison: int,
    rows_per_tile: int,
    num_lanes: int,
    column_bias: int,
) -> tuple[Indices, Indices, Ratios]:
    """`search`, then `select_matches` of all rows before `end_row`."""
    search(
        rows,
        first_row,
        end_row,
        columns,
        first_column,
        found,
        comparison,
        rows_per_tile,
        num_lanes,
        column_bias,
    )
    nearest, squared, second_squared, nearest_row, _ = split(found, len(rows[0]))
    return select_matches(
        nearest[:end_row],
        squared[:end_row],
        second_squared[:end_row],
        nearest_row,
        geometry_a,
        geometry_b,
        max_squared_ratio,
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
