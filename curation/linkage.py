"""An order of images in which near ones follow each other.

An image is compared with many others, and so are these. Whoever works in this order finds most of
what a comparison needs where the last one left it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curation.kernels.linkage import rank_leaves

Positions = NDArray[np.int32]
Rows = NDArray[np.intp]


class Comparison(NamedTuple):
    """An image, and the pairs in which it is compared with others."""

    query: int
    rows: Rows
    """Numbers of the pairs, (k,)."""
    others: Positions
    """The other image of each, (k,)."""
    is_first: NDArray[np.bool_]
    """Whether the query is the first of the pair, (k,)."""


def rank_by_linkage(first: Positions, second: Positions, num_images: int) -> Positions:
    """Order images as the leaves of their single-linkage tree (Gower and Ross 1969).

    Pairs join the groups of their images, the nearest pair first, and the images of one group then
    follow those of the other.

    Args:
        first: one image of each pair, int32 (p,), nearest pairs first.
        second: the other, likewise.
        num_images: n; images are numbers below it.

    Returns:
        The place of each image, int32 (n,).
    """
    return rank_leaves(
        np.ascontiguousarray(first, np.int32), np.ascontiguousarray(second, np.int32), num_images
    )


def group_by_query(first: Positions, second: Positions, num_images: int) -> list[Comparison]:
    """Every pair once, grouped by that of its images which comes first by `rank_by_linkage`.

    Args:
        first: as in `rank_by_linkage`, and so the other two.
        second: likewise.
        num_images: likewise.

    Returns:
        The groups, and in each the others, in that order.
    """
    ranks = rank_by_linkage(first, second, num_images)
    is_first = ranks[first] <= ranks[second]
    queries, others = np.where(is_first, first, second), np.where(is_first, second, first)
    order = np.lexsort((ranks[others], ranks[queries]))
    starts = np.flatnonzero(np.diff(queries[order], prepend=-1))
    return [
        Comparison(int(queries[rows[0]]), rows, others[rows], is_first[rows])
        for rows in np.split(order, starts[1:])
        if len(rows)
    ]
