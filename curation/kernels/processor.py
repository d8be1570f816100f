"""Which instructions for products of small integers this processor has."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm


@dataclass(frozen=True)
class DotProductKernel:
    """One way to multiply bytes and add the products up in groups of four.

    Attributes:
        name: as in settings of tests and in benchmark tables.
        needed_features: LLVM's names of the processor features; one whole group must be present.
        num_lanes: 32-bit sums per register.
        num_rows: rows of a register tile.
        num_registers: registers across a tile. The sums of two tiles fill the register file.
        groups_per_dot: groups of four bytes that are multiplied and added in one go.
        column_bias: what is taken from the values of columns before they are packed.
    """

    name: str
    needed_features: tuple[tuple[str, ...], ...]
    num_lanes: int
    num_rows: int
    num_registers: int
    groups_per_dot: int = 1
    column_bias: int = 0

    @property
    def num_columns(self) -> int:
        """Columns of a register tile."""
        return self.num_lanes * self.num_registers


AVX512_VNNI = DotProductKernel("avx512_vnni", (("avx512vnni", "avx512bw"),), 16, 3, 4)
"""Intel since Cascade Lake, AMD since Zen 4: 64 products per instruction."""
AVX_VNNI = DotProductKernel("avx_vnni", (("avxvnni",), ("avx512vnni", "avx512vl")), 8, 4, 2)
"""Intel's client processors since Alder Lake: 32 products per instruction."""
AVX2 = DotProductKernel("avx2", (("avx2",),), 8, 1, 2, groups_per_dot=2, column_bias=64)
"""Every x86 server since 2013: five instructions for 64 products. Values between -64 and 63 let
sixteen bits hold the sum of four products."""

DOT_PRODUCT_KERNELS = (AVX512_VNNI, AVX_VNNI, AVX2)
"""Fastest first."""


@cache
def available_kernels() -> tuple[DotProductKernel, ...]:
    """The kernels that this processor can run, fastest first; none on other architectures."""
    return kernels_for(llvm.get_host_cpu_features())


def kernels_for(features: Mapping[str, bool]) -> tuple[DotProductKernel, ...]:
    """The kernels that a processor with such features can run, fastest first."""
    return tuple(
        kernel
        for kernel in DOT_PRODUCT_KERNELS
        if any(all(features.get(name) for name in group) for group in kernel.needed_features)
    )
