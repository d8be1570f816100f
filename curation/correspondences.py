"""Tentative correspondences between two images: exact nearest neighbours, ratio and mutual test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import freeze
from curation.kernels.packed_columns import MeasuredDescriptors, Neighbours
from curation.matchable_features import MatchableFeatures, index_descriptors, pad_descriptors
from manifests.features import LocalFeatures

Indices = NDArray[np.intp]
Descriptors = NDArray[np.uint8]

MIN_COLUMNS = 2
"""The ratio test needs a second neighbour."""
_NO_GEOMETRY = freeze(np.empty((0, 4), np.uint16))


@dataclass(frozen=True, eq=False)
class Correspondences:
    """One-to-one pairs of features, by ascending index in image a.

    Attributes:
        index_a: features of image a, (n,).
        index_b: their partners in image b, (n,).
        ratio: distance to the partner over the distance to the next best, float64 (n,).
    """

    index_a: Indices
    index_b: Indices
    ratio: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.index_a)

    def select(self, chosen: NDArray[np.bool_]) -> "Correspondences":
        """The correspondences where `chosen`, bool (n,), is true."""
        return Correspondences(self.index_a[chosen], self.index_b[chosen], self.ratio[chosen])


NO_CORRESPONDENCES = Correspondences(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))


def match_descriptors(
    descriptors_a: Descriptors, descriptors_b: Descriptors, max_ratio: float
) -> Correspondences:
    """Pair features that are each other's nearest neighbour and pass Lowe's ratio test.

    The search is exact, and all its numbers are whole: the answer depends neither on the
    processor nor on the number of threads.

    Without the mutual test, many features of one image collapse onto a few of the other, and any
    geometric model accepts them. A feature whose next best neighbour does not exist cannot be
    tested and is refused.

    Args:
        descriptors_a: uint8 (n, d), values at most 127, d at most 128.
        descriptors_b: uint8 (m, d), likewise.
        max_ratio: largest distance to the nearest neighbour, in units of the distance to the
            second nearest (Lowe 2004, section 7.1).

    Returns:
        At most min(n, m) correspondences. Of equally near neighbours the first counts.

    Raises:
        ValueError: a value is above 127, or d above 128, or they are no bytes.
    """
    a, b = (
        MeasuredDescriptors.of(pad_descriptors(side)) for side in (descriptors_a, descriptors_b)
    )
    if len(a) == 0 or len(b) < MIN_COLUMNS:
        return NO_CORRESPONDENCES
    found = Neighbours(len(a), len(b))
    geometry = _NO_GEOMETRY, _NO_GEOMETRY
    columns = index_descriptors(b)
    return Correspondences(*columns.find_matches(a, (0, len(a)), 0, found, geometry, max_ratio**2))


def match_features(a: LocalFeatures, b: LocalFeatures, max_ratio: float) -> Correspondences:
    """Match descriptors, then keep the best correspondence of each location in both images.

    SIFT describes a location once per dominant orientation. Its repeats confirm nothing that the
    first does not, and would raise inlier counts by 15 to 40 %.
    """
    return match_prepared(MatchableFeatures(a), MatchableFeatures(b), max_ratio)


def match_prepared(a: MatchableFeatures, b: MatchableFeatures, max_ratio: float) -> Correspondences:
    """`match_features` for images that are matched more than once."""
    if len(a) == 0 or len(b) < MIN_COLUMNS:
        return NO_CORRESPONDENCES
    matches = b.descriptors.index_between(0, len(b)).find_matches(
        a.descriptors.measured,
        (0, len(a)),
        0,
        Neighbours(len(a), len(b)),
        (a.geometry_codes, b.geometry_codes),
        max_ratio**2,
    )
    return Correspondences(*matches)
