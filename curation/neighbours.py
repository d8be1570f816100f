"""Nearest neighbours by global descriptor: which pairs are worth verifying."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from curation.linkage import rank_by_linkage

Descriptors = NDArray[np.float32]

DEFAULT_MAX_BYTES = 64 << 20
"""What a search may set aside when nobody says otherwise; with more it is slower, as the system
hands out each page anew."""
_DIGITS = 6
"""Similarities are compared at this precision: the last bits of a product depend on how the
library cut it up, and must not decide which of two equal images comes first."""
_BYTES_PER_SIMILARITY = 24
"""Of a query and an image: the product, a copy that is partly sorted, and what is chosen."""


@dataclass(frozen=True, slots=True)
class CandidatePair:
    """Two images of one class that are close by global descriptor, ids in ascending order."""

    image_id_a: str
    image_id_b: str
    similarity: float


@dataclass(frozen=True, eq=False)
class ProposedPairs:
    """The pairs of a class, most similar first, as arrays: 12 bytes each, 16 of a class in parts.

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
        """One of so many parts of about the same size; the pairs of near images are in one.

        Whoever verifies a part then needs few images of a large class.
        """
        if num_parts == 1:
            return self
        end = (part + 1) * len(self) // num_parts
        own = np.sort(self._by_place[part * len(self) // num_parts : end])
        return ProposedPairs(
            self.image_ids, self.first[own], self.second[own], self.similarities[own]
        )

    @cached_property
    def _by_place(self) -> NDArray[np.int32]:
        """Numbers of the pairs in the order of their images."""
        ranks = rank_by_linkage(self.first, self.second, len(self.image_ids))
        places = np.minimum(ranks[self.first], ranks[self.second])
        return np.argsort(places, kind="stable").astype(np.int32)


def find_neighbours(
    queries: Descriptors, database: Descriptors, k: int, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[NDArray[np.int64], Descriptors]:
    """Exact k nearest neighbours by inner product, equal ones by ascending position.

    Args:
        queries: float32 (q, d), unit length.
        database: float32 (n, d), unit length, in the order that decides ties.
        k: neighbours wanted.
        max_bytes: what may be set aside at a time; it does not change the answer.

    Returns:
        Positions int64 (q, min(k, n)) and similarities float32 of the same shape, falling.
    """
    k = min(k, len(database))
    positions = np.empty((len(queries), k), np.int64)
    similarities = np.empty((len(queries), k), np.float32)
    if k == 0 or len(queries) == 0:
        return positions, similarities
    columns = database.astype(np.float64).T
    step = count_chunk_rows(len(database), max_bytes)
    for start in range(0, len(queries), step):
        own = slice(start, start + step)
        positions[own], similarities[own] = _rank(_measure(queries[own], columns), k)
    return positions, similarities


def count_chunk_rows(num_images: int, max_bytes: int) -> int:
    """Queries that may be compared with so many images at a time; at least one."""
    return max(1, max_bytes // (max(1, num_images) * _BYTES_PER_SIMILARITY))


class NearestInStream:
    """The k nearest neighbours of some queries in a database that comes in chunks.

    Args:
        queries: float32 (q, d), unit length.
        k: neighbours wanted.
    """

    def __init__(self, queries: Descriptors, k: int) -> None:
        self._queries = queries
        self._k = k
        self._positions = np.empty((len(queries), 0), np.int64)
        self._similarities = np.empty((len(queries), 0), np.float64)

    def add(self, positions: NDArray[np.int64], descriptors: Descriptors) -> None:
        """Take more of the database into account.

        Args:
            positions: int64 (n,), which decide ties; each occurs once in all chunks together.
            descriptors: float32 (n, d), unit length.
        """
        found = _measure(self._queries, descriptors.astype(np.float64).T)
        similarities = np.concatenate([self._similarities, found], axis=1)
        repeated = np.broadcast_to(positions, found.shape)
        positions = np.concatenate([self._positions, repeated], axis=1)
        k = min(self._k, similarities.shape[1])
        cut = np.partition(similarities, -k, axis=1)[:, -k, None] if k else np.inf
        rows, columns = np.nonzero(similarities >= cut)
        values, places = similarities[rows, columns], positions[rows, columns]
        best = _take_first(rows, np.lexsort((places, -values, rows)), len(self._queries), k)
        self._positions, self._similarities = places[best], values[best]

    def list_nearest(self) -> tuple[NDArray[np.int64], Descriptors]:
        """Positions int64 (q, m) and similarities float32, falling, ties by position."""
        return self._positions, self._similarities.astype(np.float32)


def propose_pairs(
    image_ids: Sequence[str],
    descriptors: Descriptors,
    k: int,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> ProposedPairs:
    """Every pair of a class in which one image is among the k nearest of the other.

    The search stays within the class, so that large classes do not crowd each other out, and an
    image is excluded from its own neighbours by its id, never by its place in the list.

    Args:
        image_ids: n distinct ids.
        descriptors: float32 (n, d), unit length.
        k: neighbours per image.
        max_bytes: what the search may set aside at a time; it does not change the answer.

    Returns:
        Distinct pairs, most similar first, equal ones by ids.
    """
    by_id = sorted(range(len(image_ids)), key=image_ids.__getitem__)
    ordered = descriptors[by_id]
    is_small = len(ordered) <= k + 1
    propose = _pair_all(ordered) if is_small else _pair_nearest(ordered, k, max_bytes)
    first, second, similarities = propose
    order = np.argsort(-similarities, kind="stable")
    ids = [image_ids[i] for i in by_id]
    return ProposedPairs(ids, first[order], second[order], similarities[order])


_Pairs = tuple[NDArray[np.int32], NDArray[np.int32], Descriptors]
"""First and second positions and similarities, each (p,), by positions."""


def _pair_all(descriptors: Descriptors) -> _Pairs:
    """Every pair: in a class of k + 1 images, all others are among the k nearest."""
    first, second = np.triu_indices(len(descriptors), 1)
    similarities = _measure(descriptors, descriptors.astype(np.float64).T)[first, second]
    return first.astype(np.int32), second.astype(np.int32), similarities.astype(np.float32)


def _pair_nearest(descriptors: Descriptors, k: int, max_bytes: int) -> _Pairs:
    num_images = len(descriptors)
    positions, similarities = find_neighbours(descriptors, descriptors, k + 1, max_bytes)
    rows = np.arange(num_images)[:, None]
    is_other = positions != rows
    # Where an image is not among its own nearest, there is one neighbour too many.
    is_wanted = is_other & (np.cumsum(is_other, axis=1) <= k)
    own, others = np.broadcast_to(rows, positions.shape)[is_wanted], positions[is_wanted]
    # Both images of a pair may have proposed it, with one and the same similarity.
    keys, places = np.unique(
        np.minimum(own, others) * num_images + np.maximum(own, others), return_index=True
    )
    first, second = np.divmod(keys, num_images)
    return first.astype(np.int32), second.astype(np.int32), similarities[is_wanted][places]


def _measure(queries: Descriptors, columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner products with the columns, float64 (q, n).

    Equal vectors get equal values wherever they stand: products of float16 numbers, as
    descriptors are stored, add up in float64 without any error, and others are rounded.
    """
    products = queries.astype(np.float64) @ columns
    return products.round(_DIGITS, out=products)


def _rank(similarities: NDArray[np.float64], k: int) -> tuple[NDArray[np.int64], Descriptors]:
    """The k greatest of each row by falling value, equal ones by position; (q, k) each."""
    num_images = similarities.shape[1]
    cut = np.partition(similarities, num_images - k, axis=1)[:, num_images - k, None]
    rows, columns = np.nonzero(similarities >= cut)
    values = similarities[rows, columns]
    order = np.lexsort((columns, -values, rows))
    best = _take_first(rows, order, len(similarities), k)
    return columns[best], values[best].astype(np.float32)


def _take_first(
    rows: NDArray[np.int64], order: NDArray[np.int64], num_rows: int, k: int
) -> NDArray[np.int64]:
    """The first k places of each row, (num_rows, k); where values are equal, rows have more.

    Args:
        rows: of each place, ascending.
        order: the places, row by row, best first.
        num_rows: rows in all.
        k: places wanted.
    """
    starts = np.searchsorted(rows, np.arange(num_rows))
    first: NDArray[np.int64] = order[starts[:, None] + np.arange(k)]
    return first
