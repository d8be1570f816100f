"""Products of small integers in registers, written as LLVM instructions.

Compilers spill the sums of a register tile into memory when they are left to vectorise the loops;
a tile written down instruction by instruction stays in registers (Goto and van de Geijn 2008 give
the scheme). A tile of columns stays in the first cache while a block of rows passes over it.

Every sum is packed with its position before it is compared: v * 1024 + code. Best value and its
place are then one maximum, and equal values are settled by the code, without any branch. Sums begin
with the high bits of what is added to them in the end, so that a shift that takes in the low bits
packs them in one instruction.
"""

from collections.abc import Sequence
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
    shift_in,
    splat,
    splat_constant,
    store,
)

CODE_BITS = 10
"""Bits for the position: values of seven bits and 128 dimensions leave that many of 32."""
LOWEST = -(2**31)
"""Below every packed value."""

_SUM_SHIFT = CODE_BITS + 1
"""One bit more, for 2 a.b."""
_GROUP = 4
"""Bytes that are multiplied and added per lane."""
_UNROLL = 4
_RESULTS_PER_ROW = 3
_LLVM_WITH_BYTE_OPERANDS = 22


@cache
def compile_comparison(kernel: DotProductKernel, num_bytes: int) -> int:
    """The address of a function that compares a block of rows with all columns.

    Descriptors have `num_bytes` bytes, a multiple of 16, at most 128.

    It takes ten int64; all but the numbers of tiles are addresses:

    - of the rows' descriptors: int64 (num_row_tiles * num_rows,), an address each;
    - num_row_tiles;
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
    space_bytes = 2 * 4 * kernel.num_lanes * kernel.num_rows
    with CountingLoop(builder, num_tiles) as tile:
        tile_columns = advance(builder, columns, tile.number, kernel.num_columns * num_bytes)
        tile_codes = advance(builder, codes, tile.number, 4 * kernel.num_columns)
        parts = _emit_code_parts(kernel, builder, tile_codes)
        with CountingLoop(builder, num_row_tiles) as row_tile:
            sums = _emit_products(
                kernel,
                builder,
                advance(builder, rows, row_tile.number, 8 * kernel.num_rows),
                advance(builder, starts, row_tile.number, 4 * kernel.num_rows),
                tile_columns,
                [high for high, _ in parts],
                num_bytes // _GROUP,
            )
            _emit_update(
                kernel,
                builder,
                sums,
                low_bits=[low for _, low in parts],
                row_codes=advance(builder, row_codes, row_tile.number, 4 * kernel.num_rows),
                space=advance(builder, space, row_tile.number, space_bytes),
                columns_best=advance(builder, best, tile.number, 4 * kernel.num_columns),
            )
    with CountingLoop(builder, num_row_tiles) as row_tile:
        tile_space = advance(builder, space, row_tile.number, space_bytes)
        result_bytes = 4 * _RESULTS_PER_ROW * kernel.num_rows
        tile_result = advance(builder, result, row_tile.number, result_bytes)
        _emit_row_reductions(kernel, builder, tile_space, tile_result)


def _emit_products(
    kernel: DotProductKernel,
    builder: Builder,
    rows: Value,
    starts: Value,
    columns: Value,
    column_starts: list[Value],
    num_groups: int,
) -> list[Value]:
    """The sums of a tile, row by row, each `num_registers` vectors."""
    addresses = [load(builder, I64, rows, r) for r in range(kernel.num_rows)]
    first_sums: list[Value] = []
    for r in range(kernel.num_rows):
        first_sums += _emit_first_sums(kernel, builder, starts, r, column_starts)
    with CountingLoop(builder, ir.Constant(I64, num_groups // _UNROLL), first_sums) as loop:
        sums = list(loop.state)
        first = builder.mul(loop.number, ir.Constant(I64, _UNROLL))
        groups = [builder.add(first, ir.Constant(I64, number)) for number in range(_UNROLL)]
        for start in range(0, _UNROLL, kernel.groups_per_dot):
            together = groups[start : start + kernel.groups_per_dot]
            _emit_dots(kernel, builder, addresses, columns, together, sums)
        loop.carry(sums)
    return sums


def _emit_first_sums(
    kernel: DotProductKernel, builder: Builder, starts: Value, row: int, column_starts: list[Value]
) -> list[Value]:
    if kernel.column_bias == 0:
        return column_starts
    of_row = splat(builder, load(builder, I32, starts, row), kernel.num_lanes)
    return [builder.add(start, of_row) for start in column_starts]


def _emit_code_parts(
    kernel: DotProductKernel, builder: Builder, codes: Value
) -> list[tuple[Value, Value]]:
    """The codes of a tile of columns: what sums begin with, and the bits that follow a sum."""
    vector = ir.VectorType(I32, kernel.num_lanes)
    shift, mask = splat_constant(vector, _SUM_SHIFT), splat_constant(vector, (1 << _SUM_SHIFT) - 1)
    loaded = [load(builder, vector, codes, v) for v in range(kernel.num_registers)]
    return [(builder.ashr(code, shift), builder.and_(code, mask)) for code in loaded]


def _emit_dots(
    kernel: DotProductKernel,
    builder: Builder,
    addresses: list[Value],
    columns: Value,
    groups: list[Value],
    sums: list[Value],
) -> None:
    """Add the products of some bytes of every row with those of every column to `sums`."""
    vector = ir.VectorType(I32, kernel.num_lanes)
    lines = [advance(builder, columns, group, kernel.num_columns * _GROUP) for group in groups]
    registers = range(kernel.num_registers)
    column_bytes = [[load(builder, vector, line, v) for line in lines] for v in registers]
    for r, address in enumerate(addresses):
        row_bytes = [
            splat(builder, load(builder, I32, address, group), kernel.num_lanes) for group in groups
        ]
        for v in registers:
            place = r * kernel.num_registers + v
            sums[place] = emit_dot(kernel, builder, sums[place], row_bytes, column_bytes[v])


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
    if kernel is AVX2:
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


def _emit_update(
    kernel: DotProductKernel,
    builder: Builder,
    sums: list[Value],
    *,
    low_bits: list[Value],
    row_codes: Value,
    space: Value,
    columns_best: Value,
) -> None:
    """Bring the best two of every row and the best of every column up to date with a tile."""
    registers = range(kernel.num_registers)
    vector = ir.VectorType(I32, kernel.num_lanes)
    best_of_columns = [load(builder, vector, columns_best, v) for v in registers]
    for r in range(kernel.num_rows):
        best = load(builder, vector, space, 2 * r)
        second = load(builder, vector, space, 2 * r + 1)
        row_code = splat(builder, load(builder, I32, row_codes, r), kernel.num_lanes)
        for v in registers:
            total = sums[r * kernel.num_registers + v]
            seen_by_row = shift_in(builder, total, low_bits[v], _SUM_SHIFT)
            second = maximum(builder, second, minimum(builder, best, seen_by_row))
            best = maximum(builder, best, seen_by_row)
            # The column's own code is the same for all rows, and taken off in the end.
            seen_by_column = builder.add(seen_by_row, row_code)
            best_of_columns[v] = maximum(builder, best_of_columns[v], seen_by_column)
        store(builder, best, space, 2 * r)
        store(builder, second, space, 2 * r + 1)
    for v in registers:
        store(builder, best_of_columns[v], columns_best, v)


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
