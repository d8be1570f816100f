"""Which nearest neighbours become correspondences."""

import math

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call

Integers = NDArray[np.int32]
Indices = NDArray[np.intp]
Ratios = NDArray[np.float64]


@compile_on_first_call
def select_mutual(
    nearest: Integers,
    squared: Integers,
    second_squared: Integers,
    nearest_row: Integers,
    max_squared_ratio: float,
) -> tuple[Indices, Indices, Ratios]:
    """Rows and columns that are each other's nearest and pass the ratio test.

    Args:
        nearest: as `Neighbours` has it, and so the next three.
        squared: likewise.
        second_squared: likewise.
        nearest_row: likewise.
        max_squared_ratio: largest squared distance in units of that to the second nearest.

    Returns:
        Rows, ascending; their columns; their ratios of distances.
    """
    rows, columns = np.empty(len(nearest), np.intp), np.empty(len(nearest), np.intp)
    ratios = np.empty(len(nearest), np.float64)
    count = 0
    for i in range(len(nearest)):
        j = nearest[i]
        best, second = float(squared[i]), float(second_squared[i])
        # Two identical neighbours at distance 0 are ambiguous, although 0 <= r * 0 holds.
        if nearest_row[j] == i and second > 0 and best <= max_squared_ratio * second:
            rows[count], columns[count] = i, j
            ratios[count] = math.sqrt(best / second)
            count += 1
    return rows[:count].copy(), columns[:count].copy(), ratios[:count].copy()


@compile_on_first_call
def select_places(
    codes_a: NDArray[np.uint16],
    codes_b: NDArray[np.uint16],
    index_a: Indices,
    index_b: Indices,
    ratios: Ratios,
) -> NDArray[np.bool_]:
    """Which correspondences are the best of their place in a and, among those, of their place in b.

    Args:
        codes_a: stored geometry of image a, uint16 (n, 4), x and y first.
        codes_b: likewise of image b.
        index_a: features of a, one per correspondence.
        index_b: their partners.
        ratios: the lower the better; of equal ones the first counts.
    """
    chosen = np.ones(len(index_a), np.bool_)
    _keep_best_of_places(codes_a, index_a, ratios, chosen)
    _keep_best_of_places(codes_b, index_b, ratios, chosen)
    return chosen


@compile_on_first_call
def _keep_best_of_places(
    codes: NDArray[np.uint16], index: Indices, ratios: Ratios, chosen: NDArray[np.bool_]
) -> None:
    """Unset `chosen` where a better chosen one has the same place; a hash table of places."""
    size = 16
    while size < 2 * len(index):
        size *= 2
    holders = np.full(size, -1, np.int64)
    for i in range(len(index)):
        if not chosen[i]:
            continue
        x, y = int(codes[index[i], 0]), int(codes[index[i], 1])
        slot = (x * 40503 + y * 30011) & (size - 1)
        while holders[slot] >= 0 and not _is_at(codes, index[holders[slot]], x, y):
            slot = (slot + 1) & (size - 1)
        holder = holders[slot]
        if holder >= 0 and ratios[holder] <= ratios[i]:
            chosen[i] = False
            continue
        if holder >= 0:
            chosen[holder] = False
        holders[slot] = i


@compile_on_first_call
def _is_at(codes: NDArray[np.uint16], feature: int, x: int, y: int) -> bool:
    return bool(codes[feature, 0] == x and codes[feature, 1] == y)
