"""Nearest neighbours by global descriptor: which pairs are worth verifying."""

from collections.abc import Iterator, Sequence
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
_CHUNK_ROWS = 1024
"""Images whose neighbours are searched at a time, which bounds what the search sets aside."""
_PAIR = np.dtype([("first", np.int32), ("second", np.int32), ("similarity", np.float32)])


@dataclass(frozen=True, slots=True)
class CandidatePair:
    """Two images of one class that are close by global descriptor, ids in ascending order."""

    image_id_a: str
    image_id_b: str
    similarity: float


@dataclass(frozen=True, eq=False)
class ProposedPairs:
    """The pairs of a class, most similar first, as arrays: 12 bytes each.

    A class of 10,000 images proposes up to a million pairs. As objects they would take hundreds of
    megabytes in every worker that verifies a part of them; a part becomes objects when it is
    iterated over.

    Attributes:
        image_ids: ids of the class, ascending.
        first: position of the smaller id of each pair, int32 (p,).
        second: position of the larger one, int32 (p,).
        similarities: float32 (p,), falling.
    """

    image_ids: Sequence[str]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    similarities: Descriptors

    def __len__(self) -> int:
        return len(self.first)

    def __iter__(self) -> Iterator[CandidatePair]:
        for i, j, value in zip(self.first, self.second, self.similarities, strict=True):
            yield CandidatePair(self.image_ids[i], self.image_ids[j], float(value))

    def take_part(self, part: int, num_parts: int) -> "ProposedPairs":
        """Every `num_parts`-th pair from number `part` on; a view."""
        own = slice(part, None, num_parts)
        return ProposedPairs(
            self.image_ids, self.first[own], self.second[own], self.similarities[own]
        )


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


def propose_pairs(image_ids: Sequence[str], descriptors: Descriptors, k: int) -> ProposedPairs:
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
    ordered = descriptors[by_id]
    found = [
        _pair_up(start, *find_neighbours(ordered[start : start + _CHUNK_ROWS], ordered, k + 1), k)
        for start in range(0, len(ordered), _CHUNK_ROWS)
    ]
    pairs = np.concatenate(found) if found else np.empty(0, _PAIR)
    # Both images of a pair may have proposed it; the first of equal ones is the more similar.
    pairs = pairs[np.lexsort((-pairs["similarity"], pairs["second"], pairs["first"]))]
    is_new = np.ones(len(pairs), np.bool_)
    is_new[1:] = (np.diff(pairs["first"]) != 0) | (np.diff(pairs["second"]) != 0)
    pairs = pairs[is_new]
    pairs = pairs[np.argsort(-pairs["similarity"], kind="stable")]
    ids = [image_ids[i] for i in by_id]
    columns = (pairs[name].copy() for name in ("first", "second", "similarity"))
    return ProposedPairs(ids, *columns)


def _pair_up(
    start: int, positions: NDArray[np.int64], similarities: Descriptors, k: int
) -> NDArray[np.void]:
    """The k nearest others of the images from position `start` on, as records `_PAIR`."""
    rows = np.arange(start, start + len(positions))[:, None]
    is_other = positions != rows
    # Where an image is not among its own nearest, there is one neighbour too many.
    is_wanted = is_other & (np.cumsum(is_other, axis=1) <= k)
    pairs = np.empty(int(is_wanted.sum()), _PAIR)
    own = np.broadcast_to(rows, positions.shape)[is_wanted]
    others = positions[is_wanted]
    pairs["first"], pairs["second"] = np.minimum(own, others), np.maximum(own, others)
    pairs["similarity"] = similarities[is_wanted]
    return pairs


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
