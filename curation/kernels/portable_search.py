"""The same search on processors without the instructions of `neighbour_search`."""

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call
from curation.kernels.neighbour_search import Descriptors, Integers, Neighbours, square_norms

_ROWS_PER_BLOCK = 256
"""Distances of so many rows to 2,000 columns stay in a processor's second cache."""


class PortableColumns:
    """Descriptors to be compared by matrix products of any numpy.

    Values of seven bits make all products and sums integers below 2^24, which float32 holds
    exactly: the answer does not depend on the order of the summation, and so neither on the
    processor nor on the number of threads.

    Args:
        descriptors: uint8 (m, d), contiguous.

    Raises:
        ValueError: a value is above 127.
    """

    def __init__(self, descriptors: Descriptors) -> None:
        self._squared_norms = square_norms(descriptors)
        self._columns = np.ascontiguousarray(descriptors.T, np.float32)

    def __len__(self) -> int:
        return len(self._squared_norms)

    def find_neighbours(self, rows: Descriptors) -> Neighbours:
        """Compare descriptors, uint8 (n, d), n >= 1, contiguous, with at least two columns.

        Raises:
            ValueError: a value is above 127.
        """
        num_rows, num_columns = len(rows), len(self._squared_norms)
        found = Neighbours(
            nearest=np.empty(num_rows, np.int32),
            squared=np.empty(num_rows, np.int32),
            second_squared=np.empty(num_rows, np.int32),
            nearest_row=np.zeros(num_columns, np.int32),
        )
        columns_squared = np.full(num_columns, np.iinfo(np.int32).max, np.int32)
        row_norms = square_norms(rows)
        for start in range(0, num_rows, _ROWS_PER_BLOCK):
            products = rows[start : start + _ROWS_PER_BLOCK].astype(np.float32) @ self._columns
            _reduce(
                products,
                start,
                row_norms,
                self._squared_norms,
                found.nearest,
                found.squared,
                found.second_squared,
                found.nearest_row,
                columns_squared,
            )
        return found


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
