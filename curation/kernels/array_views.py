"""Arrays at addresses, for compiled code that is told where many of them lie."""

from collections.abc import Callable
from ctypes import c_void_p
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call

# What numba hands to those who extend it is not typed.
Context = Any
Type = Any
Builder = Any
Value = Any


def _emit_pointer(_: Context, address: Type) -> tuple[Type, Type]:
    def generate(context: Context, builder: Builder, signature: Type, values: list[Value]) -> Value:
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return types.voidptr(address), generate


def _emit_read_only(_: Context, array: Type) -> tuple[Type, Type]:
    def generate(_: Context, __: Builder, ___: Type, values: list[Value]) -> Value:
        return values[0]

    return array.copy(readonly=True)(array), generate


_as_pointer: Callable[..., c_void_p] = intrinsic(_emit_pointer)
_as_read_only: Callable[..., NDArray[Any]] = intrinsic(_emit_read_only)


@compile_on_first_call
def view_descriptors(address: int, count: int, num_bytes: int) -> NDArray[np.uint8]:
    """Descriptors, uint8 (n, d), read-only."""
    return _as_read_only(carray(_as_pointer(address), (count, num_bytes), np.uint8))


@compile_on_first_call
def view_geometry(address: int, count: int) -> NDArray[np.uint16]:
    """Geometry as stored, uint16 (n, 4), read-only."""
    return _as_read_only(carray(_as_pointer(address), (count, 4), np.uint16))


@compile_on_first_call
def view_integers(address: int, count: int) -> NDArray[np.int32]:
    """Integers, int32 (n,)."""
    return carray(_as_pointer(address), (count,), np.int32)


@compile_on_first_call
def view_words(address: int, num_tiles: int, num_words: int, width: int) -> NDArray[np.uint32]:
    """Columns as `pack` arranges them, uint32 (num_tiles, num_words, width)."""
    return carray(_as_pointer(address), (num_tiles, num_words, width), np.uint32)
