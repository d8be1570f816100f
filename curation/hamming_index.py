"""Perceptual hashes that differ in few bits, found without comparing every pair."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

HASH_BITS = 64
_NUM_PARTS = 4
_PART_BITS = HASH_BITS // _NUM_PARTS
_ROWS_PER_SEARCH = 4096
"""Bounds what one search sets aside when many pictures look alike."""


@dataclass(frozen=True)
class HashNeighbour:
    """A hash near another: their positions, and in how many bits they differ."""

    query: int
    position: int
    num_bits: int


class HammingIndex:
    """Multi-index hashing (Norouzi, Punjani and Fleet 2012) over 64-bit hashes; exact.

    The hashes are cut into four parts. Where two differ in at most r bits, one of their parts
    differs in at most r // 4, so that looking up a part and those near it finds every such pair.
    """

    def __init__(self, hashes: NDArray[np.uint64], max_bits: int) -> None:
        """Index hashes.

        Args:
            hashes: uint64 (n,).
            max_bits: the radius of all searches, 0 to 64.

        Raises:
            ValueError: the radius is no number of bits of a hash.
        """
        if not 0 <= max_bits <= HASH_BITS:
            raise ValueError(f"max_bits is {max_bits}: give 0 to {HASH_BITS}")
        self._max_bits = max_bits
        self._codes = _as_bytes(hashes)
        self._index = faiss.IndexBinaryMultiHash(HASH_BITS, _NUM_PARTS, _PART_BITS)
        self._index.nflip = max_bits // _NUM_PARTS
        self._index.add(self._codes)

    def __len__(self) -> int:
        return len(self._codes)

    def find_within(self, first: int, last: int) -> Iterator[HashNeighbour]:
        """For the hashes from position `first` up to `last`: all others within the radius.

        Yields:
            By query, then by number of bits and position.
        """
        last = min(last, len(self))
        for found in self._search(self._codes[first:last]):
            query = first + found.query
            if found.position != query:
                yield HashNeighbour(query, found.position, found.num_bits)

    def find_near(self, hashes: NDArray[np.uint64]) -> Iterator[HashNeighbour]:
        """For hashes that need not be indexed, uint64 (n,): the indexed ones within the radius.

        Yields:
            By query, then by number of bits and position.
        """
        yield from self._search(_as_bytes(hashes))

    def _search(self, codes: NDArray[np.uint8]) -> Iterator[HashNeighbour]:
        for start in range(0, len(codes), _ROWS_PER_SEARCH):
            rows = codes[start : start + _ROWS_PER_SEARCH]
            # faiss finds what is nearer than the radius it is given.
            limits, bits, positions = self._index.range_search(rows, self._max_bits + 1)
            num_found = np.asarray(limits[1:] - limits[:-1], np.int64)
            query = np.repeat(np.arange(start, start + len(rows)), num_found)
            num_bits = bits.astype(np.int64)
            for i in np.lexsort((positions, num_bits, query)):
                yield HashNeighbour(int(query[i]), int(positions[i]), int(num_bits[i]))


def parse_hashes(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes of 16 hexadecimal digits as integers, uint64 (n,)."""
    return np.array([int(digits, 16) for digits in hashes], np.uint64)


def _as_bytes(hashes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """uint8 (n, 8)."""
    return np.ascontiguousarray(hashes).view(np.uint8).reshape(-1, HASH_BITS // 8)
