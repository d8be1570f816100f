"""Products of small integers in registers, written as LLVM instructions.

Compilers spill the sums of a register tile into memory when they are left to vectorise the loops;
a tile written down instruction by instruction stays in registers (Goto and van de Geijn 2008 give
the scheme). A tile of columns stays in the first cache while a block of rows passes over it.

Every sum is packed with its position before it is compared: v * 1024 + code. Best value and its
place are then one maximum, and equal values are settled by the code, without any branch.

The products of a tile are written between the comparisons of the tile before it. Products keep two
units of a processor busy and comparisons the others; but it looks ahead only so far, and would do
one after the other if they came so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

import llvmlite.binding as llvm
from llvmlite import ir

from curation.kernels.processor import AVX2, DotProductKernel
from curation.kernels.vector_ir import (
    I1,
    I8,
    I16,
    I32,
    I64,
    Builder,
    CountingLoop,
    Value,
    advance,
    call,
    compile_function,
    load,
    maximum,
    minimum,
    reduce_max,
    splat,
    splat_constant,
    store,
)

CODE_BITS = 10
"""Bits for the position: values of seven bits and 128 dimensions leave that many of 32."""
LOWEST = -(2**31)
"""Below every packed value."""

_GROUP = 4
"""Bytes that are multiplied and added per lane."""
_RESULTS_PER_ROW = 3
_LLVM_WITH_BYTE_OPERANDS = 22


@cache
def compile_comparison(kernel: DotProductKernel, num_bytes: int) -> int:
    """The address of a function that compares a block of rows with all columns.

    Descriptors have `num_bytes` bytes, a multiple of 16, at most 128.

    It takes ten int64; all but the numbers of tiles are addresses:

    - of the rows' descriptors: int64 (num_row_tiles * num_rows,), an address each;
    - num_row_tiles, at least 2;
    - of the packed columns: uint8 (num_tiles, num_bytes / 4, num_columns, 4), less the kernel's
      column bias;
    - num_tiles;
    - of the columns' codes: int32 (num_tiles * num_columns,), -|b|^2 * 1024 + code, or `LOWEST`
      where there is no column;
    - of the rows' codes: int32 (num_row_tiles * num_rows,), -|a|^2 * 1024 + code;
    - of the rows' first sums, likewise: what the column bias takes from a.b;
    - of working space: int32 (num_row_tiles * num_rows, 2, num_lanes), filled with `LOWEST`;
    - of the columns' best so far, int32 (num_tiles * num_columns,), which is updated with
      -|a - b|^2 * 1024 + code of the row + code of the column;
    - of the result, int32 (num_row_tiles * num_rows, 3): the largest (2 a.b - |b|^2) * 1024 + code
      of the column, its lane, and the second largest.
    """
    return compile_function(partial(_emit_comparison, kernel, num_bytes), num_arguments=10)


def _emit_comparison(
    kernel: DotProductKernel, num_bytes: int, builder: Builder, arguments: list[Value]
) -> None:
    rows, num_row_tiles, columns, num_tiles, codes, row_codes, starts, space, best, result = (
        arguments
    )
    last_row_tile = builder.sub(num_row_tiles, ir.Constant(I64, 1))
    with CountingLoop(builder, num_tiles) as tile:
        column_tile = _ColumnTile(
            kernel,
            builder,
            num_bytes,
            rows,
            starts,
            row_codes,
            space,
            columns=advance(builder, columns, tile.number, kernel.num_columns * num_bytes),
            codes=advance(builder, codes, tile.number, 4 * kernel.num_columns),
        )
        tile_best = advance(builder, best, tile.number, 4 * kernel.num_columns)
        _emit_row_tiles(column_tile, last_row_tile, tile_best)
    with CountingLoop(builder, num_row_tiles) as row_tile:
        tile_space = advance(builder, space, row_tile.number, _count_space_bytes(kernel))
        result_bytes = 4 * _RESULTS_PER_ROW * kernel.num_rows
        tile_result = advance(builder, result, row_tile.number, result_bytes)
        _emit_row_reductions(kernel, builder, tile_space, tile_result)


def _emit_row_tiles(tile: "_ColumnTile", last: Value, columns_best: Value) -> None:
    """Compare all rows, up to the tile of number `last`, with a tile of columns."""
    builder, kernel = tile.builder, tile.kernel
    num_sums = kernel.num_rows * kernel.num_registers
    first_sums: list[Value] = []
    _write_mixed(tile.multiply(ir.Constant(I64, 0), first_sums), iter(()), 0)
    state = [*first_sums, *tile.load_registers(columns_best)]
    with CountingLoop(builder, last, state) as row_tile:
        sums, best = row_tile.state[:num_sums], row_tile.state[num_sums:]
        next_sums: list[Value] = []
        following = builder.add(row_tile.number, ir.Constant(I64, 1))
        _write_mixed(
            tile.multiply(following, next_sums), tile.compare(row_tile.number, sums, best), num_sums
        )
        row_tile.carry([*next_sums, *best])
    sums, best = row_tile.carried[:num_sums], row_tile.carried[num_sums:]
    _write_mixed(iter(()), tile.compare(last, sums, best), num_sums)
    for v, value in enumerate(best):
        store(builder, value, columns_best, v)


def _write_mixed(
    products: Iterator[int], comparisons: Iterator[None], num_comparisons: int
) -> None:
    """Write two pieces of code that do not depend on each other, the second spread over the first.

    Args:
        products: writes some of its instructions each time, and says how many times are left.
        comparisons: likewise, without saying so.
        num_comparisons: how many times.
    """
    num_written = 0
    for number, num_left in enumerate(products, 1):
        while (num_written + 1) * (number + num_left) <= number * num_comparisons:
            next(comparisons)
            num_written += 1
    for _ in comparisons:
        pass


@dataclass(frozen=True)
class _ColumnTile:
    """Writes what happens to a tile of columns, whose addresses are the last two; see above."""

    kernel: DotProductKernel
    builder: Builder
    num_bytes: int
    rows: Value
    starts: Value
    row_codes: Value
    space: Value
    columns: Value
    codes: Value

    def load_registers(self, address: Value) -> list[Value]:
        """A value for each column, in registers."""
        vector = ir.VectorType(I32, self.kernel.num_lanes)
        return [load(self.builder, vector, address, v) for v in range(self.kernel.num_registers)]

    def multiply(self, row_tile: Value, sums: list[Value]) -> Iterator[int]:
        """The sums of a tile of rows, row by row, each `num_registers` vectors, into `sums`."""
        kernel, builder = self.kernel, self.builder
        addresses = advance(builder, self.rows, row_tile, 8 * kernel.num_rows)
        rows = [load(builder, I64, addresses, r) for r in range(kernel.num_rows)]
        starts = advance(builder, self.starts, row_tile, 4 * kernel.num_rows)
        for r in range(kernel.num_rows):
            sums += [self._load_start(starts, r)] * kernel.num_registers
        groups = range(0, self.num_bytes // _GROUP, kernel.groups_per_dot)
        num_left = len(groups) * len(rows)
        for first in groups:
            together = range(first, first + kernel.groups_per_dot)
            columns = self._load_columns(together)
            for r, row in enumerate(rows):
                row_bytes = [
                    splat(builder, load(builder, I32, row, group), kernel.num_lanes)
                    for group in together
                ]
                for v, column_bytes in enumerate(columns):
                    place = r * kernel.num_registers + v
                    sums[place] = emit_dot(kernel, builder, sums[place], row_bytes, column_bytes)
                num_left -= 1
                yield num_left

    def compare(
        self, row_tile: Value, sums: list[Value], columns_best: list[Value]
    ) -> Iterator[None]:
        """Bring the best two of every row and the best of every column up to date."""
        kernel, builder = self.kernel, self.builder
        vector = ir.VectorType(I32, kernel.num_lanes)
        shift = splat_constant(vector, CODE_BITS + 1)  # one bit more, for 2 a.b
        space = advance(builder, self.space, row_tile, _count_space_bytes(kernel))
        row_codes = advance(builder, self.row_codes, row_tile, 4 * kernel.num_rows)
        codes = self.load_registers(self.codes)
        for r in range(kernel.num_rows):
            best = load(builder, vector, space, 2 * r)
            second = load(builder, vector, space, 2 * r + 1)
            row_code = splat(builder, load(builder, I32, row_codes, r), kernel.num_lanes)
            for v, code in enumerate(codes):
                total = sums[r * kernel.num_registers + v]
                # No shift that takes in other bits: products need the unit that it runs on.
                seen_by_row = builder.add(builder.shl(total, shift), code)
                second = maximum(builder, second, minimum(builder, best, seen_by_row))
                best = maximum(builder, best, seen_by_row)
                # The column's own code is the same for all rows, and taken off in the end.
                seen_by_column = builder.add(seen_by_row, row_code)
                columns_best[v] = maximum(builder, columns_best[v], seen_by_column)
                if v == kernel.num_registers - 1:
                    store(builder, best, space, 2 * r)
                    store(builder, second, space, 2 * r + 1)
                yield

    def _load_start(self, starts: Value, row: int) -> Value:
        vector = ir.VectorType(I32, self.kernel.num_lanes)
        if self.kernel.column_bias == 0:
            return splat_constant(vector, 0)
        return splat(self.builder, load(self.builder, I32, starts, row), self.kernel.num_lanes)

    def _load_columns(self, groups: Sequence[int]) -> list[list[Value]]:
        """For each register the bytes of its columns, group by group."""
        lines = [
            self.load_registers(
                self.builder.add(
                    self.columns, ir.Constant(I64, group * self.kernel.num_columns * _GROUP)
                )
            )
            for group in groups
        ]
        return [list(column_bytes) for column_bytes in zip(*lines, strict=True)]


def _count_space_bytes(kernel: DotProductKernel) -> int:
    """Of the best two of a tile of rows."""
    return 2 * 4 * kernel.num_lanes * kernel.num_rows


def emit_dot(
    kernel: DotProductKernel,
    builder: Builder,
    total: Value,
    rows: Sequence[Value],
    columns: Sequence[Value],
) -> Value:
    """`total` plus the products of bytes, added up in groups of four.

    Args:
        kernel: the instructions to use.
        builder: where they are written.
        total: int32 lanes.
        rows: `groups_per_dot` registers of bytes, unsigned, at most 127.
        columns: as many, signed, less the kernel's column bias.
    """
    num_bytes = kernel.num_lanes * _GROUP
    byte_vector = ir.VectorType(I8, num_bytes)
    if kernel.name == AVX2.name:
        words = ir.VectorType(I16, num_bytes // 2)
        pairs = [
            call(
                builder,
                "llvm.x86.avx2.pmadd.ub.sw",
                words,
                builder.bitcast(row, byte_vector),
                builder.bitcast(column, byte_vector),
            )
            for row, column in zip(rows, columns, strict=True)
        ]
        # The bias makes room for four products in sixteen bits.
        fours = builder.add(*pairs)
        ones = splat_constant(words, 1)
        return builder.add(total, call(builder, "llvm.x86.avx2.pmadd.wd", total.type, fours, ones))
    name = f"llvm.x86.avx512.vpdpbusd.{num_bytes * 8}"
    operands = [*rows, *columns]
    if llvm.llvm_version_info[0] >= _LLVM_WITH_BYTE_OPERANDS:
        operands = [builder.bitcast(operand, byte_vector) for operand in operands]
    return call(builder, name, total.type, total, *operands)


def _emit_row_reductions(
    kernel: DotProductKernel, builder: Builder, space: Value, result: Value
) -> None:
    vector = ir.VectorType(I32, kernel.num_lanes)
    for r in range(kernel.num_rows):
        best = load(builder, vector, space, 2 * r)
        second = load(builder, vector, space, 2 * r + 1)
        for number, value in enumerate(_emit_row_reduction(builder, best, second)):
            store(builder, value, result, _RESULTS_PER_ROW * r + number)


def _emit_row_reduction(builder: Builder, best: Value, second: Value) -> tuple[Value, ...]:
    """The best of all lanes, its lane, and the second best of all."""
    count = best.type.count
    top = reduce_max(builder, best)
    is_top = builder.icmp_signed("==", best, splat(builder, top, count))
    mask = builder.zext(builder.bitcast(is_top, ir.IntType(count)), I32)
    # Where several lanes hold the same packed value, the first of them is the first column.
    lane = call(builder, "llvm.cttz.i32", I32, mask, ir.Constant(I1, 1))
    numbers = ir.Constant(best.type, [ir.Constant(I32, i) for i in range(count)])
    is_winner = builder.icmp_signed("==", numbers, splat(builder, lane, count))
    losers = builder.select(is_winner, second, best)
    return top, lane, reduce_max(builder, maximum(builder, losers, second))
