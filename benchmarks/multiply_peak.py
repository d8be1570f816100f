"""The highest rate of 8-bit products that one core reaches, with all operands in registers."""

import ctypes
import time
from dataclasses import replace
from typing import Any

import numpy as np
from llvmlite import ir

from curation.kernels.dot_products import emit_dot
from curation.kernels.processor import DotProductKernel
from curation.kernels.vector_ir import CountingLoop, compile_function, load, store

_ROUNDS = 300_000
_REPETITIONS = 7
_LANES_OF_32_REGISTERS = 16
"""Processors with registers of 16 lanes have 32 of them, the others may have 16."""


def measure_peak(kernel: DotProductKernel) -> float:
    """Billions of operations a second, a product and its addition being two; the best of a few."""
    kernel = _enlarge_tile(kernel)
    num_sums = kernel.num_rows * kernel.num_registers
    address = compile_function(lambda builder, args: _emit_tile(kernel, builder, args), 2)
    run = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address)
    num_operands = kernel.groups_per_dot * (kernel.num_rows + kernel.num_registers)
    space = np.ones((num_sums + num_operands) * kernel.num_lanes, np.int32)
    fastest = np.inf
    for _ in range(_REPETITIONS):
        started = time.process_time()
        run(_ROUNDS, space.ctypes.data)
        fastest = min(fastest, time.process_time() - started)
    num_operations = 2 * 4 * kernel.groups_per_dot * kernel.num_lanes * num_sums * _ROUNDS
    return round(num_operations / fastest / 1e9, 1)


def _enlarge_tile(kernel: DotProductKernel) -> DotProductKernel:
    """As many sums and operands as there are registers: none waits for one before it."""
    if kernel.num_lanes == _LANES_OF_32_REGISTERS:
        return replace(kernel, num_rows=4, num_registers=5)
    side = 3 if kernel.groups_per_dot == 1 else 2
    return replace(kernel, num_rows=side, num_registers=side)


def _emit_tile(kernel: DotProductKernel, builder: Any, arguments: list[Any]) -> None:  # noqa: ANN401
    """The sums of a register tile, added to again and again, without any load or store."""
    num_rounds, space = arguments
    vector = ir.VectorType(ir.IntType(32), kernel.num_lanes)
    num_sums = kernel.num_rows * kernel.num_registers
    together = kernel.groups_per_dot
    num_operands = together * (kernel.num_rows + kernel.num_registers)
    operands = [load(builder, vector, space, number) for number in range(num_operands)]
    first = [*[ir.Constant(vector, None)] * num_sums, *operands[: together * kernel.num_rows]]
    columns = operands[together * kernel.num_rows :]
    with CountingLoop(builder, num_rounds, first) as loop:
        sums, rows = loop.state[:num_sums], loop.state[num_sums:]
        for place in range(num_sums):
            r, v = divmod(place, kernel.num_registers)
            sums[place] = emit_dot(
                kernel,
                builder,
                sums[place],
                rows[together * r : together * (r + 1)],
                columns[together * v : together * (v + 1)],
            )
        # Where products are instructions of their own, they would be moved out of the loop.
        are_apart = kernel.groups_per_dot > 1
        loop.carry([*sums, *rows[1:], rows[0]] if are_apart else [*sums, *rows])
    for number, total in enumerate(sums):
        store(builder, total, space, number)
