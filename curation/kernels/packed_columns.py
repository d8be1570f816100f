"""Descriptors of one image, prepared to be compared with any number of others."""

from dataclasses import dataclass

from curation.kernels.compilation import freeze
from curation.kernels.descriptor_packing import Descriptors, Integers, Words, measure, pack
from curation.kernels.dot_products import CODE_BITS, compile_comparison
from curation.kernels.neighbour_search import Codes, Indices, Ratios, match_packed, search
from curation.kernels.processor import DotProductKernel

Matches = tuple[Indices, Indices, Ratios]
"""Rows, ascending; their columns; their ratios of distances."""


@dataclass(frozen=True, eq=False)
class MeasuredDescriptors:
    """Descriptors with what every comparison needs of them.

    Attributes:
        values: uint8 (n, 128), contiguous, read-only.
        squared_norms: int32 (n,).
        sums: int32 (n,).
    """

    values: Descriptors
    squared_norms: Integers
    sums: Integers

    @classmethod
    def of(cls, descriptors: Descriptors) -> "MeasuredDescriptors":
        """Measure contiguous descriptors, uint8 (n, 128).

        Raises:
            ValueError: a value is above 127.
        """
        return cls(freeze(descriptors), *measure(descriptors))

    def __len__(self) -> int:
        return len(self.squared_norms)

    def take_first(self, count: int) -> "MeasuredDescriptors":
        """The first `count` of them; views."""
        return MeasuredDescriptors(
            self.values[:count], self.squared_norms[:count], self.sums[:count]
        )


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Nearest neighbours both ways between n rows and m columns; of equally near the first.

    Attributes:
        nearest: for every row its nearest column, int32 (n,).
        squared: squared distance to it, int32 (n,).
        second_squared: squared distance to the second nearest, int32 (n,).
        nearest_row: for every column its nearest row, int32 (m,).
    """

    nearest: Integers
    squared: Integers
    second_squared: Integers
    nearest_row: Integers


class PackedColumns:
    """Descriptors rearranged for one kernel, to be compared with any number of others.

    Args:
        descriptors: m of them; `can_pack` must hold.
        kernel: the kernel to rearrange them for.
        packed: what `pack` makes of them, if that is known.
    """

    def __init__(
        self,
        descriptors: MeasuredDescriptors,
        kernel: DotProductKernel,
        packed: tuple[Words, Integers] | None = None,
    ) -> None:
        self._descriptors = descriptors
        self._kernel = kernel
        if packed is None:
            packed = pack(descriptors.values, descriptors.squared_norms, kernel)
        self._data, self._codes = packed

    @staticmethod
    def can_pack(kernel: DotProductKernel, count: int) -> bool:
        """Whether so many columns can be told apart by their codes."""
        return count <= (1 << CODE_BITS) * kernel.num_lanes

    def __len__(self) -> int:
        return len(self._descriptors)

    def take_first(self, count: int) -> "PackedColumns":
        """The first `count` of them: views where they fill whole tiles, packed anew otherwise."""
        descriptors, width = self._descriptors.take_first(count), self._kernel.num_columns
        packed = None
        if count % width == 0:
            packed = self._data[: count // width], self._codes[:count]
        return PackedColumns(descriptors, self._kernel, packed)

    def find_neighbours(self, rows: MeasuredDescriptors) -> Neighbours:
        """Compare n >= 1 descriptors with at least two columns."""
        kernel = self._kernel
        found = search(
            rows.values,
            rows.squared_norms,
            rows.sums,
            self._data,
            self._codes,
            self._descriptors.squared_norms,
            compile_comparison(kernel),
            kernel.num_rows,
            kernel.num_lanes,
            kernel.column_bias,
        )
        return Neighbours(*found)

    def find_matches(
        self,
        rows: MeasuredDescriptors,
        geometry_a: Codes,
        geometry_b: Codes,
        max_squared_ratio: float,
    ) -> Matches:
        """The matches of n >= 1 descriptors with at least two columns, as `select_matches` says.

        Args:
            rows: descriptors of image a.
            geometry_a: their geometry as stored, or none at all.
            geometry_b: likewise of the columns.
            max_squared_ratio: Lowe's ratio, squared.
        """
        kernel = self._kernel
        return match_packed(
            rows.values,
            rows.squared_norms,
            rows.sums,
            geometry_a,
            self._data,
            self._codes,
            self._descriptors.squared_norms,
            geometry_b,
            max_squared_ratio,
            compile_comparison(kernel),
            kernel.num_rows,
            kernel.num_lanes,
            kernel.column_bias,
        )
