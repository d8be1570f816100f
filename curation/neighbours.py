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
_SEARCH_ERROR = 2e-6
"""More than the float32 search can misjudge a similarity, and the rounding besides."""


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
    # One more than asked for shows whether the search can have mistaken what lies at the cut.
    num_found = min(k + 1, len(database))
    _, found = index.search(np.ascontiguousarray(queries, np.float32), num_found)
    ranked = [
        _rank(query, database, positions, k)
        for query, positions in zip(queries, found, strict=True)
    ]
    return np.stack([best for best, _ in ranked]), np.stack([values for _, values in ranked])


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


def _rank(
    query: Descriptors, database: Descriptors, found: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], Descriptors]:
    """The k best of the positions found, measured again; of all positions if the cut is close."""
    values = _measure(query, database[found])
    if len(found) > k:
        last, next_best = np.sort(values)[::-1][k - 1 : k + 1]
        if last - next_best <= _SEARCH_ERROR:
            found = np.arange(len(database))
            values = _measure(query, database)
    best = np.lexsort((found, -values))[:k]
    return found[best], values[best].astype(np.float32)


def _measure(query: Descriptors, database: Descriptors) -> NDArray[np.float64]:
    """Inner products, float64 (n,); equal vectors get equal values wherever they stand.

    Products of float16 numbers, as descriptors are stored, add up in float64 without any error.
    """
    products: NDArray[np.float64] = np.einsum("nd,d->n", database, query, dtype=np.float64)
    return products.round(_DIGITS)
