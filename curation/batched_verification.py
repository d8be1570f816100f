"""Verification with neighbours that something else finds, for many pairs at a time: a GPU.

All decisions are those of `curation.rounds`. Only the search for nearest neighbours is taken out
of it, which is nearly all of the work, and done for a batch of pairs at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from curation.cascade import Look
from curation.correspondences import MIN_COLUMNS, NO_CORRESPONDENCES, Correspondences
from curation.geometry import find_consistent
from curation.kernels.neighbour_search import select_matches
from curation.matchable_features import MatchableFeatures
from curation.pair_answer import Verification
from curation.pairs import Pair, Sighting
from curation.rounds import verify_pairs
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures

Descriptors = NDArray[np.uint8]
Integers = NDArray[np.int32]


class FoundNeighbours(Protocol):
    """Nearest neighbours both ways between n rows and m columns; of equally near the first."""

    @property
    def nearest(self) -> Integers:
        """For every row its nearest column, int32 (n,)."""

    @property
    def squared(self) -> Integers:
        """Squared distance to it, int32 (n,)."""

    @property
    def second_squared(self) -> Integers:
        """Squared distance to the second nearest, int32 (n,)."""

    @property
    def nearest_row(self) -> Integers:
        """For every column its nearest row, int32 (m,)."""


@dataclass(frozen=True)
class NeighbourFinder:
    """What finds neighbours for many pairs at once.

    Attributes:
        find: from pairs of rows, uint8 (n, d), and columns, uint8 (m, d), with a row and two
            columns at least, to the neighbours of each pair; d is the same for all of a call.
        batch_size: pairs it is given at a time.
    """

    find: Callable[[Sequence[tuple[Descriptors, Descriptors]]], Sequence[FoundNeighbours]]
    batch_size: int


def verify_in_batches(
    query: LocalFeatures,
    candidates: Iterable[LocalFeatures],
    settings: VerificationSettings,
    finder: NeighbourFinder,
) -> Iterator[Verification]:
    """The answers of `curation.verification.verify_one_to_many`, found in batches.

    Args:
        query: features of one image.
        candidates: features of the others; a batch of them is taken at a time.
        settings: thresholds.
        finder: finds the neighbours.
    """
    prepared = MatchableFeatures(query)
    rest = iter(candidates)
    while batch := list(islice(rest, finder.batch_size)):
        pairs = [Pair.of(prepared, MatchableFeatures(candidate)) for candidate in batch]
        yield from verify_pairs(pairs, settings, _FinderMatcher(pairs, settings, finder))


class _FinderMatcher:
    """A `curation.pairs.Matcher`: all looks of a round go to the finder at once."""

    def __init__(
        self, pairs: Sequence[Pair], settings: VerificationSettings, finder: NeighbourFinder
    ) -> None:
        self._pairs = pairs
        self._max_squared_ratio = settings.max_ratio**2
        self._limits = settings.consistency_limits
        self._finder = finder
        self._seen: dict[int, Correspondences] = {}

    def look(self, looks: Sequence[tuple[int, Look]]) -> list[Sighting]:
        """As `Matcher` says."""
        numbers = [number for number, _ in looks]
        compared = [
            (_get_sketches(pair.a, look.num_a), _get_sketches(pair.b, look.num_b))
            for pair, look in ((self._pairs[number], look) for number, look in looks)
        ]
        self._seen.update(zip(numbers, self._match(numbers, compared), strict=True))
        return [self._count(number) for number in numbers]

    def get_seen(self, number: int) -> Correspondences:
        """As `Matcher` says."""
        return self._seen[number]

    def match(self, numbers: Sequence[int]) -> list[Correspondences]:
        """As `Matcher` says."""
        compared = [
            (pair.a.descriptors.measured.values, pair.b.descriptors.measured.values)
            for pair in (self._pairs[number] for number in numbers)
        ]
        return self._match(numbers, compared)

    def _match(
        self, numbers: Sequence[int], compared: Sequence[tuple[Descriptors, Descriptors]]
    ) -> list[Correspondences]:
        can_match = [len(rows) > 0 and len(columns) >= MIN_COLUMNS for rows, columns in compared]
        asked = [sides for sides, can in zip(compared, can_match, strict=True) if can]
        found = iter(self._finder.find(asked) if asked else ())
        return [
            self._select(next(found), self._pairs[number]) if can else NO_CORRESPONDENCES
            for number, can in zip(numbers, can_match, strict=True)
        ]

    def _select(self, found: FoundNeighbours, pair: Pair) -> Correspondences:
        selected = select_matches(
            found.nearest,
            found.squared,
            found.second_squared,
            found.nearest_row,
            pair.a.geometry_codes,
            pair.b.geometry_codes,
            self._max_squared_ratio,
        )
        return Correspondences(*selected)

    def _count(self, number: int) -> Sighting:
        (a, b, _), seen = self._pairs[number], self._seen[number]
        fit = find_consistent(a.features, b.features, seen, self._limits)
        return Sighting(len(seen), 0 if fit is None else fit.num_inliers)


def _get_sketches(image: MatchableFeatures, count: int) -> Descriptors:
    return image.get_sketches(count).measured.values[:count]
