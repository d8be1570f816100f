"""The same search on processors without the instructions of `dot_products`."""

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call
from curation.kernels.descriptor_packing import Integers
from curation.kernels.neighbour_search import Codes, select_matches
from curation.kernels.packed_columns import Matches, MeasuredDescriptors, Neighbours

_ROWS_PER_BLOCK = 256
"""Distances of so many rows to 2,000 columns stay in a processor's second cache."""


class PortableColumns:
    """Descriptors to be compared by matrix products of any numpy.

    Values of seven bits make all products and sums integers below 2^24, which float32 holds
    exactly: the answer does not depend on the order of the summation, and so neither on the
    processor nor on the number of threads.

    Args:
        descriptors: m of them.
    """

    def __init__(self, descriptors: MeasuredDescriptors) -> None:
        self._descriptors = descriptors
        self._columns = np.ascontiguousarray(descriptors.values.T, np.float32)

    def __len__(self) -> int:
        return len(self._descriptors)

    def take_first(self, count: int) -> "PortableColumns":
        """The first `count` of them."""
        return PortableColumns(self._descriptors.take_first(count))

    def find_neighbours(self, rows: MeasuredDescriptors) -> Neighbours:
        """Compare n >= 1 descriptors with at least two columns."""
        num_rows, num_columns = len(rows), len(self)
        found = Neighbours(
            nearest=np.empty(num_rows, np.int32),
            squared=np.empty(num_rows, np.int32),
            second_squared=np.empty(num_rows, np.int32),
            nearest_row=np.zeros(num_columns, np.int32),
        )
        columns_squared = np.full(num_columns, np.iinfo(np.int32).max, np.int32)
        for start in range(0, num_rows, _ROWS_PER_BLOCK):
            block = rows.values[start : start + _ROWS_PER_BLOCK]
            products = block.astype(np.float32) @ self._columns
            _reduce(
                products,
                start,
                rows.squared_norms,
                self._descriptors.squared_norms,
                found.nearest,
                found.squared,
                found.second_squared,
                found.nearest_row,
                columns_squared,
            )
        return found

    def find_matches(
        self,
        rows: MeasuredDescriptors,
        geometry_a: Codes,
        geometry_b: Codes,
        max_squared_ratio: float,
    ) -> Matches:
        """As `PackedColumns.find_matches`."""
        found = self.find_neighbours(rows)
        return select_matches(
            found.nearest,
            found.squared,
            found.second_squared,
            found.nearest_row,
            geometry_a,
            geometry_b,
            max_squared_ratio,
        )


@compile_on_first_call
def _reduce(
    products: NDArray[np.float32],
    start: int,
    row_norms: Integers,
    column_norms: Integers,
    nearest: Integers,
    squared: Integers,
    second_squared: Integers,
    nearest_row: Integers,
    columns_squared: Integers,
) -> None:
    """Bring the neighbours up to date with the products of the rows from `start`."""
    for block_row in range(len(products)):
        i = start + block_row
        best, second = np.iinfo(np.int32).max, np.iinfo(np.int32).max
        best_column = 0
        for j in range(products.shape[1]):
            distance = row_norms[i] + column_norms[j] - 2 * np.int32(products[block_row, j])
            if distance < second:
                second = max(best, distance)
                if distance < best:
                    best, best_column = distance, j
            if distance < columns_squared[j]:
                columns_squared[j], nearest_row[j] = distance, i
        nearest[i], squared[i], second_squared[i] = best_column, best, second
