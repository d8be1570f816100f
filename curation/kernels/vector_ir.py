"""LLVM instructions on vectors of integers, compiled for this processor. LLVM comes with numba."""

from collections.abc import Callable
from typing import Any, Self

import llvmlite.binding as llvm
from llvmlite import ir

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))

# llvmlite is not typed.
Builder = Any
Value = Any
IrType = Any
Engine = Any

_ENGINES: list[Engine] = []
"""Compiled code lives as long as its engine."""


def compile_function(emit: Callable[[Builder, list[Value]], None], num_arguments: int) -> int:
    """Compile for this processor what `emit` writes, given the arguments, all int64.

    Returns:
        The address of the function, which returns nothing.
    """
    module = ir.Module()
    module.triple = llvm.get_process_triple()
    signature = ir.FunctionType(ir.VoidType(), [I64] * num_arguments)
    function = ir.Function(module, signature, "compiled")
    builder = ir.IRBuilder(function.append_basic_block())
    emit(builder, list(function.args))
    builder.ret_void()
    return int(_engine_of(module).get_function_address(function.name))


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


class CountingLoop:
    """A loop of at least one round; further state can be carried from round to round.

    Attributes:
        number: the count, int64, from 0.
        state: the state's values at the start of the round.
        carried: after the loop, those at the end of the last round.
    """

    def __init__(self, builder: Builder, count: Value, state: list[Value] | None = None) -> None:
        self._builder = builder
        self._count = count
        self._first = [ir.Constant(I64, 0), *(state or [])]
        self.carried: list[Value] = []

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
        self.carried = state

    def __exit__(self, *_: object) -> None:
        builder = self._builder
        following = builder.add(self.number, ir.Constant(I64, 1))
        for phi, value in zip(self._phis, [following, *self.carried], strict=True):
            phi.add_incoming(value, builder.block)
        after = builder.append_basic_block()
        builder.cbranch(builder.icmp_signed("<", following, self._count), self._body, after)
        builder.position_at_end(after)


def load(builder: Builder, kind: IrType, address: Value, number: int | Value) -> Value:
    """The element of that number of an array at an address."""
    # Mapped files start anywhere: nothing may be assumed about alignment.
    return builder.load(_pointer(builder, address, kind, number), align=1, typ=kind)


def store(builder: Builder, value: Value, address: Value, number: int) -> None:
    """Write the element of that number of an array at an address."""
    builder.store(value, _pointer(builder, address, value.type, number), align=1)


def advance(builder: Builder, address: Value, number: Value, num_bytes: int) -> Value:
    """The address `number` times `num_bytes` further on."""
    return builder.add(address, builder.mul(number, ir.Constant(I64, num_bytes)))


def splat(builder: Builder, value: Value, count: int) -> Value:
    """A vector of one value."""
    vector = ir.VectorType(value.type, count)
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(I32, count), None))


def splat_constant(vector: IrType, value: int) -> Value:
    """A constant vector of one value."""
    return ir.Constant(vector, [ir.Constant(vector.element, value)] * vector.count)


def reduce_max(builder: Builder, vector: Value) -> Value:
    """The largest of the lanes."""
    return call(builder, f"llvm.vector.reduce.smax.v{vector.type.count}i32", I32, vector)


def maximum(builder: Builder, left: Value, right: Value) -> Value:
    """Lane by lane the larger."""
    return call(builder, f"llvm.smax.v{left.type.count}i32", left.type, left, right)


def minimum(builder: Builder, left: Value, right: Value) -> Value:
    """Lane by lane the smaller."""
    return call(builder, f"llvm.smin.v{left.type.count}i32", left.type, left, right)


def call(builder: Builder, name: str, result: IrType, *arguments: Value) -> Value:
    """The result of one of LLVM's own functions."""
    function = builder.module.globals.get(name)
    if function is None:
        signature = ir.FunctionType(result, [argument.type for argument in arguments])
        function = ir.Function(builder.module, signature, name)
    return builder.call(function, arguments)


def _pointer(builder: Builder, address: Value, kind: IrType, number: int | Value) -> Value:
    index = ir.Constant(I64, number) if isinstance(number, int) else number
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])
