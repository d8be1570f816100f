"""Descriptors of one image, prepared to be compared with any number of others."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from curation.kernels.compilation import freeze
from curation.kernels.descriptor_packing import Descriptors, Integers, measure, pack
from curation.kernels.dot_products import CODE_BITS, compile_comparison
from curation.kernels.neighbour_search import (
    FAR,
    Codes,
    Found,
    Indices,
    Ratios,
    Rows,
    match_packed,
    search,
    split,
)
from curation.kernels.processor import DotProductKernel

Matches = tuple[Indices, Indices, Ratios]
"""Rows, ascending; their columns; their ratios of distances."""


@dataclass(frozen=True, eq=False)
class MeasuredDescriptors:
    """Descriptors with what every comparison needs of them.

    Attributes:
        values: uint8 (n, d), contiguous, read-only; d is 128, or 32 of sketches.
        squared_norms: int32 (n,).
        sums: int32 (n,).
    """

    values: Descriptors
    squared_norms: Integers
    sums: Integers

    @classmethod
    def of(cls, descriptors: Descriptors) -> Self:
        """Measure contiguous descriptors, uint8 (n, d).

        Raises:
            ValueError: a value is above 127.
        """
        return cls(freeze(descriptors), *measure(descriptors))

    def __len__(self) -> int:
        return len(self.squared_norms)

    @property
    def rows(self) -> Rows:
        """As compiled code takes them."""
        return self.values, self.squared_norms, self.sums

    def take(self, first: int, end: int) -> "MeasuredDescriptors":
        """Those from `first` to before `end`; views."""
        return MeasuredDescriptors(
            self.values[first:end], self.squared_norms[first:end], self.sums[first:end]
        )


class Neighbours:
    """Nearest neighbours both ways between n rows and m columns; of equally near the first.

    Args:
        num_rows: n.
        num_columns: m. Before anything is compared, all are out of reach.
        found: what is known of them; by default nothing.

    Attributes:
        num_rows: n.
        num_columns: m.
        found: all of it, as compiled code takes it.
    """

    def __init__(self, num_rows: int, num_columns: int, found: Found | None = None) -> None:
        self.num_rows = num_rows
        self.num_columns = num_columns
        if found is None:
            found = np.empty(3 * num_rows + 2 * num_columns, np.int32)
            found.fill(FAR)
        self.found = found

    @property
    def nearest(self) -> Integers:
        """For every row its nearest column, int32 (n,)."""
        return split(self.found, self.num_rows)[0]

    @property
    def squared(self) -> Integers:
        """Squared distance to it, int32 (n,)."""
        return split(self.found, self.num_rows)[1]

    @property
    def second_squared(self) -> Integers:
        """Squared distance to the second nearest, int32 (n,)."""
        return split(self.found, self.num_rows)[2]

    @property
    def nearest_row(self) -> Integers:
        """For every column its nearest row, int32 (m,)."""
        return split(self.found, self.num_rows)[3]


class PackedColumns:
    """Descriptors rearranged for one kernel, to be compared with any number of others.

    Args:
        descriptors: m of them; `can_pack` must hold.
        kernel: the kernel to rearrange them for.
    """

    def __init__(self, descriptors: MeasuredDescriptors, kernel: DotProductKernel) -> None:
        self._descriptors = descriptors
        self._kernel = kernel
        self._data, self._codes = pack(descriptors.values, descriptors.squared_norms, kernel)
        self._columns = self._data, self._codes, descriptors.squared_norms
        self._instructions = (
            compile_comparison(kernel, descriptors.values.shape[1]),
            kernel.num_rows,
            kernel.num_lanes,
            kernel.column_bias,
        )

    def list_addresses(self) -> bytes:
        """Where all this lies, as `COLUMNS_FIELDS` says, int64; good while it lives."""
        comparison, *shape = self._instructions
        arrays = self._data, self._codes, self._descriptors.squared_norms
        numbers = (
            *(array.ctypes.data for array in arrays),
            len(self._data),
            self._kernel.num_columns,
            len(self),
            comparison,
            *shape,
        )
        return np.array(numbers, np.int64).tobytes()

    @staticmethod
    def can_pack(kernel: DotProductKernel, count: int) -> bool:
        """Whether so many columns can be told apart by their codes."""
        return count <= (1 << CODE_BITS) * kernel.num_lanes

    def __len__(self) -> int:
        return len(self._descriptors)

    def find_neighbours(self, rows: MeasuredDescriptors) -> Neighbours:
        """Compare n >= 1 descriptors with at least two columns."""
        found = Neighbours(len(rows), len(self))
        self.search(rows, (0, len(rows)), 0, found)
        return found

    def search(
        self,
        rows: MeasuredDescriptors,
        between: tuple[int, int],
        first_column: int,
        found: Neighbours,
    ) -> None:
        """Bring neighbours up to date with some rows.

        Args:
            rows: descriptors of image a.
            between: number of the first row to compare, and of the first not to.
            first_column: number in `found` of the first of these columns.
            found: what is known so far. Rows and columns with smaller numbers were compared
                before, so that of equally near ones the first counts.
        """
        search(rows.rows, *between, self._columns, first_column, found.found, *self._instructions)

    def find_matches(
        self,
        rows: MeasuredDescriptors,
        between: tuple[int, int],
        first_column: int,
        found: Neighbours,
        geometry: tuple[Codes, Codes],
        max_squared_ratio: float,
    ) -> Matches:
        """`search`, then the matches of all rows so far, as `select_matches` says.

        Args:
            rows: as in `search`, and so the next three.
            between: likewise.
            first_column: likewise.
            found: likewise.
            geometry: geometry of the rows and of the columns as stored, or none at all.
            max_squared_ratio: Lowe's ratio, squared.
        """
        matches: Matches = match_packed(
            rows.rows,
            *between,
            geometry[0],
            self._columns,
            first_column,
            geometry[1],
            found.found,
            max_squared_ratio,
            *self._instructions,
        )
        return matches
