"""The same search on processors without the instructions of `dot_products`."""

import numpy as np
from numpy.typing import NDArray

from curation.kernels import neighbour_search
from curation.kernels.compilation import compile_with
from curation.kernels.descriptor_packing import Integers
from curation.kernels.neighbour_search import Codes, Found, select_matches, split
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
        """As `PackedColumns.search`."""
        for start in range(*between, _ROWS_PER_BLOCK):
            block = rows.values[start : min(start + _ROWS_PER_BLOCK, between[1])]
            _reduce(
                block.astype(np.float32) @ self._columns,
                start,
                first_column,
                rows.squared_norms,
                self._descriptors.squared_norms,
                found.found,
            )

    def find_matches(
        self,
        rows: MeasuredDescriptors,
        between: tuple[int, int],
        first_column: int,
        found: Neighbours,
        geometry: tuple[Codes, Codes],
        max_squared_ratio: float,
    ) -> Matches:
        """As `PackedColumns.find_matches`."""
        self.search(rows, between, first_column, found)
        end_row = between[1]
        return select_matches(
            found.nearest[:end_row],
            found.squared[:end_row],
            found.second_squared[:end_row],
            found.nearest_row,
            *geometry,
            max_squared_ratio,
        )


@compile_with(neighbour_search)
def _reduce(
    products: NDArray[np.float32],
    first_row: int,
    first_column: int,
    row_norms: Integers,
    column_norms: Integers,
    found: Found,
) -> None:
    """Bring the neighbours up to date with the products of some rows and all of the columns."""
    nearest, squared, second_squared, nearest_row, columns_squared = split(found, len(row_norms))
    for block_row in range(products.shape[0]):
        i = first_row + block_row
        best, second, best_column = squared[i], second_squared[i], nearest[i]
        for j in range(products.shape[1]):
            column = first_column + j
            distance = row_norms[i] + column_norms[j] - 2 * np.int32(products[block_row, j])
            if distance < second:
                second = max(best, distance)
                if distance < best:
                    best, best_column = distance, column
            if distance < columns_squared[column]:
                columns_squared[column], nearest_row[column] = distance, i
        nearest[i], squared[i], second_squared[i] = best_column, best, second
