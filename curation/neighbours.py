"""Nearest neighbours by global descriptor: which pairs are worth verifying."""

from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

Descriptors = NDArray[np.float32]

_DIGITS = 6
"""Similarities are compared at this precision: the last bits of a product depend on how the
library cut it up, and must not decide which of two equal images comes first."""


@dataclass(frozen=True)
class CandidatePair:
    """Two images of one class that are close by global descriptor, ids in ascending order."""

    image_id_a: str
    image_id_b: str
    similarity: float


def find_neighbours(
    queries: Descriptors, database: Descriptors, k: int
) -> tuple[NDArray[np.int64], Descriptors]:
    """Exact k nearest neighbours by inner product, equal ones by ascending position.

    Args:
        queries: float32 (q, d), unit length.
        database: float32 (n, d), unit length, in the order that decides ties.
        k: neighbours wanted.

    Returns:
        Positions int64 (q, min(k, n)) and similarities float32 of the same shape, falling.
    """
    k = min(k, len(database))
    if k == 0 or len(queries) == 0:
        empty = (len(queries), k)
        return np.empty(empty, np.int64), np.empty(empty, np.float32)
    index = faiss.IndexFlatIP(database.shape[1])
    index.add(np.ascontiguousarray(database, np.float32))
    # One more than asked for shows whether a tie runs across the cut.
    similarities, positions = index.search(
        np.ascontiguousarray(queries, np.float32), min(k + 1, len(database))
    )
    similarities = similarities.round(_DIGITS)
    for row in np.flatnonzero(_tie_at_cut(similarities, k)):
        everything = (database @ queries[row]).round(_DIGITS)
        best = np.argsort(-everything, kind="stable")[: positions.shape[1]]
        positions[row], similarities[row] = best, everything[best]
    order = np.lexsort((positions, -similarities), axis=1)[:, :k]
    rows = np.arange(len(queries))[:, None]
    return positions[rows, order], similarities[rows, order]


def propose_pairs(
    image_ids: Sequence[str], descriptors: Descriptors, k: int
) -> list[CandidatePair]:
    """Every pair of a class in which one image is among the k nearest of the other.

    The search stays within the class, so that large classes do not crowd each other out, and an
    image is excluded from its own neighbours by its id, never by its place in the list.

    Args:
        image_ids: n distinct ids.
        descriptors: float32 (n, d), unit length.
        k: neighbours per image.

    Returns:
        Distinct pairs, most similar first, equal ones by ids.
    """
    by_id = np.argsort(np.asarray(image_ids))
    ids = [image_ids[i] for i in by_id]
    ordered = descriptors[by_id]
    positions, similarities = find_neighbours(ordered, ordered, k + 1)
    pairs: dict[tuple[int, int], float] = {}
    for i, (row, values) in enumerate(zip(positions.tolist(), similarities.tolist(), strict=True)):
        others = [(j, value) for j, value in zip(row, values, strict=True) if j != i][:k]
        for j, value in others:
            pair = (i, j) if i < j else (j, i)
            pairs[pair] = max(value, pairs.get(pair, value))
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return [CandidatePair(ids[i], ids[j], value) for (i, j), value in ranked]


def _tie_at_cut(similarities: Descriptors, k: int) -> NDArray[np.bool_]:
    if similarities.shape[1] <= k:
        return np.zeros(len(similarities), np.bool_)
    return np.asarray(similarities[:, k - 1] == similarities[:, k])
