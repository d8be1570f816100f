"""Pairs of images, and what finds their correspondences."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from curation.cascade import Look
from curation.correspondences import Correspondences
from curation.matchable_features import MatchableFeatures
from curation.pair_order import comes_first


class Pair(NamedTuple):
    """Two images in the order in which they are worked on, whichever way round they were given."""

    a: MatchableFeatures
    """The image that comes first, as `comes_first` says."""
    b: MatchableFeatures
    is_turned: bool
    """They were given the other way round."""

    @classmethod
    def of(cls, a: MatchableFeatures, b: MatchableFeatures) -> "Pair":
        """Put two images in order."""
        if comes_first(a, b):
            return cls(a, b, is_turned=False)
        return cls(b, a, is_turned=True)


class Sighting(NamedTuple):
    """What a look at a pair sees."""

    num_matches: int
    num_consistent: int
    """Those that agree with one similarity in place, scale and orientation."""


class Matcher(Protocol):
    """Finds the correspondences of some pairs, which it knows by their numbers."""

    def look(self, looks: Sequence[tuple[int, Look]]) -> Sequence[Sighting]:
        """Look at the sketches of pairs, each time at more of a pair than before.

        Args:
            looks: numbers of pairs, and how many of the strongest features of each image to
                compare.
        """

    def get_seen(self, number: int) -> Correspondences:
        """The matches that the last look at a pair saw."""

    def match(self, numbers: Sequence[int]) -> Sequence[Correspondences]:
        """Compare all descriptors of pairs."""
