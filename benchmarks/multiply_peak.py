"""The highest rate of 8-bit products that one core reaches, with all operands in registers."""

import ctypes
import time
from typing import Any

import numpy as np
from llvmlite import ir

from curation.kernels.dot_products import CountingLoop, compile_function, emit_dot, load, store
from curation.kernels.processor import DotProductKernel

_ROUNDS = 300_000
_REPETITIONS = 7


def measure_peak(kernel: DotProductKernel) -> float:
    """Billions of operations a second, a product and its addition being two; the best of a few."""
    num_sums = kernel.num_rows * kernel.num_registers
    address = compile_function(lambda builder, args: _emit_chains(kernel, builder, args), 2)
    run = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address)
    space = np.ones((num_sums + 2) * kernel.num_lanes, np.int32)
    fastest = np.inf
    for _ in range(_REPETITIONS):
        started = time.process_time()
        run(_ROUNDS, space.ctypes.data)
        fastest = min(fastest, time.process_time() - started)
    num_operations = 2 * 4 * kernel.num_lanes * num_sums * _ROUNDS
    return round(num_operations / fastest / 1e9, 1)


def _emit_chains(kernel: DotProductKernel, builder: Any, arguments: list[Any]) -> None:  # noqa: ANN401
    """As many independent sums as a tile of the kernel has, added to again and again."""
    num_rounds, space = arguments
    vector = ir.VectorType(ir.IntType(32), kernel.num_lanes)
    num_sums = kernel.num_rows * kernel.num_registers
    left, right = (load(builder, vector, space, num_sums + side) for side in (0, 1))
    with CountingLoop(builder, num_rounds, [ir.Constant(vector, None)] * num_sums) as loop:
        sums = [emit_dot(kernel, builder, total, left, right) for total in loop.state]
        loop.carry(sums)
    for number, total in enumerate(sums):
        store(builder, total, space, number)
