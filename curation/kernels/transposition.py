"""Descriptors turned from rows into columns in registers, written as LLVM instructions.

A block of as many words as registers have lanes is read row by row, turned by exchanging ever
larger squares of it, and written column by column: no word is moved through memory on its own.
"""

from collections.abc import Callable
from functools import cache, partial
from itertools import product
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from curation.kernels.processor import DotProductKernel
from curation.kernels.vector_ir import (
    I32,
    I64,
    Builder,
    Value,
    compile_function,
    load,
    splat_constant,
    store,
)

# What numba hands to those who extend it is not typed.
Context = Any
Type = Any

_WORD_BYTES = 4
_HIGH_BITS = 0x80808080
_ONE_PER_BYTE = 0x01010101


@cache
def compile_transposition(kernel: DotProductKernel, num_bytes: int) -> int:
    """The address of a function that arranges descriptors as columns of a register.

    Descriptors have `num_bytes` bytes; their words fill registers, or half of one.

    It takes two int64, both addresses:

    - of `num_lanes` descriptors, uint8 (num_lanes, num_bytes);
    - of the first of their columns in a tile, uint32 (num_bytes / 4, num_columns).

    From every byte the kernel's column bias is taken.
    """
    return compile_function(partial(_emit_transposition, kernel, num_bytes), num_arguments=2)


def _emit_call(
    _: Context, transposition: Type, descriptors: Type, columns: Type
) -> tuple[Type, Type]:
    def generate(context: Context, builder: Builder, _: Type, values: list[Value]) -> Value:
        function = ir.FunctionType(ir.VoidType(), [value.type for value in values[1:]])
        builder.call(builder.inttoptr(values[0], function.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(transposition, descriptors, columns), generate


transpose: Callable[..., None] = intrinsic(_emit_call)
"""Call the machine code of `compile_transposition` with its two arguments."""


def _emit_transposition(
    kernel: DotProductKernel, num_bytes: int, builder: Builder, arguments: list[Value]
) -> None:
    descriptors, columns = arguments
    num_words = num_bytes // _WORD_BYTES
    size = min(kernel.num_lanes, num_words)
    vector = ir.VectorType(I32, size)
    for first_row, first in product(range(0, kernel.num_lanes, size), range(0, num_words, size)):
        block = [
            load(builder, vector, _move(builder, descriptors, row * num_words + first), 0)
            for row in range(first_row, first_row + size)
        ]
        for number, line in enumerate(_emit_turn(builder, block)):
            place = _move(builder, columns, (first + number) * kernel.num_columns + first_row)
            store(builder, _emit_less_bias(kernel, builder, line), place, 0)


def _emit_turn(builder: Builder, block: list[Value]) -> list[Value]:
    """The transpose of a square of words: halves of twice the size exchanged at every step."""
    size, step = len(block), 1
    while step < size:
        turned = list(block)
        for row in (row for row in range(size) if not row & step):
            upper, lower = block[row], block[row + step]
            kept = [i if not i & step else size + i - step for i in range(size)]
            crossed = [i + step if not i & step else size + i for i in range(size)]
            turned[row] = _shuffle(builder, upper, lower, kept)
            turned[row + step] = _shuffle(builder, upper, lower, crossed)
        block, step = turned, 2 * step
    return block


def _emit_less_bias(kernel: DotProductKernel, builder: Builder, words: Value) -> Value:
    if kernel.column_bias == 0:
        return words
    # Byte by byte, without borrowing from the neighbour.
    high_bits = splat_constant(words.type, _HIGH_BITS)
    bias = splat_constant(words.type, kernel.column_bias * _ONE_PER_BYTE)
    return builder.xor(builder.sub(builder.or_(words, high_bits), bias), high_bits)


def _shuffle(builder: Builder, left: Value, right: Value, lanes: list[int]) -> Value:
    mask = ir.Constant(ir.VectorType(I32, len(lanes)), [ir.Constant(I32, lane) for lane in lanes])
    return builder.shuffle_vector(left, right, mask)


def _move(builder: Builder, address: Value, num_words: int) -> Value:
    return builder.add(address, ir.Constant(I64, _WORD_BYTES * num_words))
