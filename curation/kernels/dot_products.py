"""Products of small integers in registers, written as LLVM instructions.

Compilers spill the sums of a register tile into memory when they are left to vectorise the loops;
a tile written down instruction by instruction stays in registers (Goto and van de Geijn 2008 give
the scheme). LLVM comes with numba, so that no C compiler is needed.

Every sum is packed with its position before it is compared: v * 1024 + code. Best value and its
place are then one maximum, and equal values are settled by the code, without any branch.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Self

import llvmlite.binding as llvm
from llvmlite import ir

from curation.kernels.processor import AVX2, DotProductKernel

DESCRIPTOR_BYTES = 128
CODE_BITS = 10
"""Bits for the position: values of seven bits and 128 dimensions leave that many of 32."""
LOWEST = -(2**31)
"""Below every packed value."""

_GROUP = 4
"""Bytes that one instruction multiplies and adds per lane."""
_NUM_GROUPS = DESCRIPTOR_BYTES // _GROUP
_UNROLL = 4
_I1, _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
_LLVM_WITH_BYTE_OPERANDS = 22

# llvmlite is not typed.
Builder = Any
Value = Any
IrType = Any
Engine = Any


@cache
def compile_row_comparison(kernel: DotProductKernel) -> int:
    """The address of a function that compares `num_rows` rows with all columns.

    It takes eight int64; all but the third are addresses:

    - of the rows' descriptors: int64 (num_rows,), an address each;
    - of the packed columns: uint8 (num_tiles, 32, num_columns, 4);
    - num_tiles;
    - of the columns' codes: int32 (num_tiles * num_columns,), -|b|^2 * 1024 + code, or `LOWEST`
      where there is no column;
    - of the rows' codes: int32 (num_rows,), -|a|^2 * 1024 + code;
    - of working space: int32 (2, num_rows, num_lanes);
    - of the columns' best so far, int32 (num_tiles * num_columns,), which is updated with
      (2 a.b - |a|^2) * 1024 + code of the row;
    - of the result, int32 (num_rows, 3): the largest (2 a.b - |b|^2) * 1024 + code of the column,
      its lane, and the second largest.
    """
    return compile_function(partial(_emit_comparison, kernel), num_arguments=8)


def compile_function(emit: Callable[[Builder, list[Value]], None], num_arguments: int) -> int:
    """Compile for this processor what `emit` writes, given the arguments, all int64.

    Returns:
        The address of the function, which returns nothing.
    """
    module = ir.Module()
    module.triple = llvm.get_process_triple()
    signature = ir.FunctionType(ir.VoidType(), [_I64] * num_arguments)
    function = ir.Function(module, signature, "compiled")
    builder = ir.IRBuilder(function.append_basic_block())
    emit(builder, list(function.args))
    builder.ret_void()
    return int(_engine_of(module).get_function_address(function.name))


_ENGINES: list[Engine] = []
"""Compiled code lives as long as its engine."""


def _engine_of(module: Value) -> Engine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), machine)
    engine.finalize_object()
    _ENGINES.append(engine)
    return engine


def _emit_comparison(kernel: DotProductKernel, builder: Builder, arguments: list[Value]) -> None:
    rows, columns, num_tiles, codes, row_codes, space, columns_best, result = arguments
    vector = ir.VectorType(_I32, kernel.num_lanes)
    lowest = _splat_constant(vector, LOWEST)
    for number in range(2 * kernel.num_rows):
        store(builder, lowest, space, number)
    with CountingLoop(builder, num_tiles) as tile:
        tile_bytes = ir.Constant(_I64, kernel.num_columns * DESCRIPTOR_BYTES)
        tile_codes = builder.mul(tile.number, ir.Constant(_I64, kernel.num_columns * 4))
        sums = _emit_products(
            kernel, builder, rows, builder.add(columns, builder.mul(tile.number, tile_bytes))
        )
        _emit_update(
            kernel,
            builder,
            sums,
            codes=builder.add(codes, tile_codes),
            row_codes=row_codes,
            space=space,
            columns_best=builder.add(columns_best, tile_codes),
        )
    for r in range(kernel.num_rows):
        best = load(builder, vector, space, r)
        second = load(builder, vector, space, kernel.num_rows + r)
        for number, value in enumerate(_emit_row_reduction(builder, best, second)):
            store(builder, value, result, 3 * r + number)


class CountingLoop:
    """A counting loop; further state can be carried from round to round.

    Attributes:
        number: the count, int64, from 0.
        state: the state's values at the start of the round.
    """

    def __init__(self, builder: Builder, count: Value, state: list[Value] | None = None) -> None:
        self._builder = builder
        self._count = count
        self._first = [ir.Constant(_I64, 0), *(state or [])]
        self._next: list[Value] = []

    def __enter__(self) -> Self:
        builder, before = self._builder, self._builder.block
        self._body = builder.append_basic_block()
        builder.branch(self._body)
        builder.position_at_end(self._body)
        self._phis = [builder.phi(value.type) for value in self._first]
        for phi, value in zip(self._phis, self._first, strict=True):
            phi.add_incoming(value, before)
        self.number, *self.state = self._phis
        return self

    def carry(self, state: list[Value]) -> None:
        """Say what the state is at the end of the round."""
        self._next = state

    def __exit__(self, *_: object) -> None:
        builder = self._builder
        following = builder.add(self.number, ir.Constant(_I64, 1))
        for phi, value in zip(self._phis, [following, *self._next], strict=True):
            phi.add_incoming(value, builder.block)
        after = builder.append_basic_block()
        builder.cbranch(builder.icmp_signed("<", following, self._count), self._body, after)
        builder.position_at_end(after)


def _emit_products(
    kernel: DotProductKernel, builder: Builder, rows: Value, columns: Value
) -> list[Value]:
    """The sums of a tile, row by row, each `num_registers` vectors."""
    vector = ir.VectorType(_I32, kernel.num_lanes)
    starts = [load(builder, _I64, rows, r) for r in range(kernel.num_rows)]
    zeros = [ir.Constant(vector, None)] * (kernel.num_rows * kernel.num_registers)
    with CountingLoop(builder, ir.Constant(_I64, _NUM_GROUPS // _UNROLL), zeros) as loop:
        sums = list(loop.state)
        first = builder.mul(loop.number, ir.Constant(_I64, _UNROLL))
        for step in range(_UNROLL):
            group = builder.add(first, ir.Constant(_I64, step))
            _emit_group(kernel, builder, starts, columns, group, sums)
        loop.carry(sums)
    return sums


def _emit_group(
    kernel: DotProductKernel,
    builder: Builder,
    starts: list[Value],
    columns: Value,
    group: Value,
    sums: list[Value],
) -> None:
    """Add the products of four bytes of every row with four bytes of every column to `sums`."""
    vector = ir.VectorType(_I32, kernel.num_lanes)
    registers = range(kernel.num_registers)
    line_bytes = ir.Constant(_I64, kernel.num_columns * _GROUP)
    line = builder.add(columns, builder.mul(group, line_bytes))
    column_bytes = [load(builder, vector, line, v) for v in registers]
    for r, start in enumerate(starts):
        row_bytes = _splat(builder, load(builder, _I32, start, group), kernel.num_lanes)
        for v in registers:
            place = r * kernel.num_registers + v
            sums[place] = emit_dot(kernel, builder, sums[place], column_bytes[v], row_bytes)


def emit_dot(
    kernel: DotProductKernel, builder: Builder, total: Value, left: Value, right: Value
) -> Value:
    """`total` plus the products of bytes, added up in groups of four. Seven bits never saturate."""
    num_bytes = kernel.num_lanes * _GROUP
    byte_vector = ir.VectorType(_I8, num_bytes)
    if kernel is AVX2:
        words = ir.VectorType(_I16, num_bytes // 2)
        left, right = (builder.bitcast(value, byte_vector) for value in (left, right))
        pairs = _call(builder, "llvm.x86.avx2.pmadd.ub.sw", words, left, right)
        ones = _splat_constant(words, 1)
        return builder.add(total, _call(builder, "llvm.x86.avx2.pmadd.wd", total.type, pairs, ones))
    if llvm.llvm_version_info[0] >= _LLVM_WITH_BYTE_OPERANDS:
        left, right = (builder.bitcast(value, byte_vector) for value in (left, right))
    name = f"llvm.x86.avx512.vpdpbusd.{num_bytes * 8}"
    return _call(builder, name, total.type, total, left, right)


def _emit_update(
    kernel: DotProductKernel,
    builder: Builder,
    sums: list[Value],
    *,
    codes: Value,
    row_codes: Value,
    space: Value,
    columns_best: Value,
) -> None:
    """Bring the best two of every row and the best of every column up to date with a tile."""
    registers = range(kernel.num_registers)
    vector = ir.VectorType(_I32, kernel.num_lanes)
    shift = _splat_constant(vector, CODE_BITS + 1)  # one more, for 2 a.b
    column_codes = [load(builder, vector, codes, v) for v in registers]
    best_of_columns = [load(builder, vector, columns_best, v) for v in registers]
    for r in range(kernel.num_rows):
        best = load(builder, vector, space, r)
        second = load(builder, vector, space, kernel.num_rows + r)
        row_code = _splat(builder, load(builder, _I32, row_codes, r), kernel.num_lanes)
        for v in registers:
            doubled = builder.shl(sums[r * kernel.num_registers + v], shift)
            seen_by_row = builder.add(doubled, column_codes[v])
            second = _max(builder, second, _min(builder, best, seen_by_row))
            best = _max(builder, best, seen_by_row)
            seen_by_column = builder.add(doubled, row_code)
            best_of_columns[v] = _max(builder, best_of_columns[v], seen_by_column)
        store(builder, best, space, r)
        store(builder, second, space, kernel.num_rows + r)
    for v in registers:
        store(builder, best_of_columns[v], columns_best, v)


def _emit_row_reduction(builder: Builder, best: Value, second: Value) -> tuple[Value, ...]:
    """The best of all lanes, its lane, and the second best of all."""
    count = best.type.count
    top = _reduce_max(builder, best)
    is_top = builder.icmp_signed("==", best, _splat(builder, top, count))
    mask = builder.zext(builder.bitcast(is_top, ir.IntType(count)), _I32)
    # Where several lanes hold the same packed value, the first of them is the first column.
    lane = _call(builder, "llvm.cttz.i32", _I32, mask, ir.Constant(_I1, 1))
    numbers = ir.Constant(best.type, [ir.Constant(_I32, i) for i in range(count)])
    is_winner = builder.icmp_signed("==", numbers, _splat(builder, lane, count))
    losers = builder.select(is_winner, second, best)
    return top, lane, _reduce_max(builder, _max(builder, losers, second))


def _reduce_max(builder: Builder, vector: Value) -> Value:
    return _call(builder, f"llvm.vector.reduce.smax.v{vector.type.count}i32", _I32, vector)


def _max(builder: Builder, left: Value, right: Value) -> Value:
    return _call(builder, f"llvm.smax.v{left.type.count}i32", left.type, left, right)


def _min(builder: Builder, left: Value, right: Value) -> Value:
    return _call(builder, f"llvm.smin.v{left.type.count}i32", left.type, left, right)


def _call(builder: Builder, name: str, result: IrType, *arguments: Value) -> Value:
    function = builder.module.globals.get(name)
    if function is None:
        signature = ir.FunctionType(result, [argument.type for argument in arguments])
        function = ir.Function(builder.module, signature, name)
    return builder.call(function, arguments)


def _pointer(builder: Builder, address: Value, kind: IrType, number: int | Value) -> Value:
    index = ir.Constant(_I64, number) if isinstance(number, int) else number
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])


def load(builder: Builder, kind: IrType, address: Value, number: int | Value) -> Value:
    """The element of that number of an array at an address."""
    # Mapped files start anywhere: nothing may be assumed about alignment.
    return builder.load(_pointer(builder, address, kind, number), align=1, typ=kind)


def store(builder: Builder, value: Value, address: Value, number: int) -> None:
    """Write the element of that number of an array at an address."""
    builder.store(value, _pointer(builder, address, value.type, number), align=1)


def _splat(builder: Builder, value: Value, count: int) -> Value:
    vector = ir.VectorType(value.type, count)
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, count), None))


def _splat_constant(vector: IrType, value: int) -> Value:
    return ir.Constant(vector, [ir.Constant(vector.element, value)] * vector.count)
