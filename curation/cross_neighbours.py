"""Nearest images of other classes by global descriptor, block by block."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from curation.neighbours import Descriptors

_BLOCK_ROWS = 8192
_QUERY_ROWS = 1024
_DIGITS = 6
"""As in `curation.neighbours`: the last bits of a product depend on how the library cut it up."""
_SEARCH_ERROR = 4e-6
"""More than two float32 products can be misjudged by, and the rounding besides."""

LoadBlock = Callable[[int, int], Descriptors]
"""Gives the descriptors float32 (last - first, d) of a range of images."""

_Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""Queries, their neighbours and the similarities, each (m,)."""


def find_cross_class_neighbours(
    load: LoadBlock, landmark_ids: NDArray[np.int64], first: int, last: int, k: int
) -> Iterator[tuple[int, int]]:
    """For images from position `first` up to `last`: the k nearest further on of other classes.

    Each image looks only at those behind it, so that no pair is met twice. Equal similarities go
    by ascending position.

    Args:
        load: descriptors of unit length, by position.
        landmark_ids: int64 (n,), of all images.
        first: the first image of the range.
        last: behind the last one.
        k: neighbours per image.

    Yields:
        Positions of both images, the query first, by query and falling similarity.
    """
    if k == 0:
        return
    for start in range(first, last, _QUERY_ROWS):
        stop = min(start + _QUERY_ROWS, last)
        queries = load(start, stop)
        found = [
            _search_block(queries, start, load(block, end), block, landmark_ids, k)
            for block in range(start, len(landmark_ids), _BLOCK_ROWS)
            for end in [min(block + _BLOCK_ROWS, len(landmark_ids))]
        ]
        rows, columns, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
        yield from _take_nearest(rows, columns, values, k)


def _search_block(
    queries: Descriptors,
    start: int,
    block: Descriptors,
    block_start: int,
    landmark_ids: NDArray[np.int64],
    k: int,
) -> _Found:
    """All pairs that can be among the k nearest of a query, measured exactly."""
    rows = np.arange(start, start + len(queries))
    columns = np.arange(block_start, block_start + len(block))
    similarities = queries @ block.T
    is_allowed = landmark_ids[rows][:, None] != landmark_ids[columns][None]
    is_allowed &= columns[None] > rows[:, None]
    similarities[~is_allowed] = -np.inf
    if len(block) > k:
        cut = np.partition(similarities, len(block) - k, axis=1)[:, len(block) - k, None]
        is_allowed &= similarities >= cut - np.float32(_SEARCH_ERROR)
    i, j = np.nonzero(is_allowed)
    # Products of float16 numbers, as descriptors are stored, add up in float64 without any error.
    values = np.einsum("nd,nd->n", queries[i], block[j], dtype=np.float64).round(_DIGITS)
    return rows[i], columns[j], values


def _take_nearest(
    rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float64], k: int
) -> Iterator[tuple[int, int]]:
    order = np.lexsort((columns, -values, rows))
    rows, columns = rows[order], columns[order]
    first_of_row = np.searchsorted(rows, rows)
    is_near = np.arange(len(rows)) - first_of_row < k
    yield from zip(rows[is_near].tolist(), columns[is_near].tolist(), strict=True)
