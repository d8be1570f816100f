"""Tentative correspondences between two images: exact nearest neighbours, ratio and mutual test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests.features import LocalFeatures

Indices = NDArray[np.intp]


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


def match_descriptors(
    descriptors_a: NDArray[np.uint8], descriptors_b: NDArray[np.uint8], max_ratio: float
) -> Correspondences:
    """Pair features that are each other's nearest neighbour and pass Lowe's ratio test.

    The search is exact. Values of seven bits make all products and sums integers below 2^24,
    which float32 holds exactly: the answer does not depend on the order of the summation, and so
    neither on the processor nor on the number of threads.

    Without the mutual test, many features of one image collapse onto a few of the other, and any
    geometric model accepts them. A feature whose next best neighbour does not exist cannot be
    tested and is refused.

    Args:
        descriptors_a: uint8 (n, d), values at most 127.
        descriptors_b: uint8 (m, d), likewise.
        max_ratio: largest distance to the nearest neighbour, in units of the distance to the
            second nearest (Lowe 2004, section 7.1).

    Returns:
        At most min(n, m) correspondences. Of equally near neighbours the first counts.
    """
    if len(descriptors_a) == 0 or len(descriptors_b) < 2:
        return _none()
    squared = _squared_distances(descriptors_a, descriptors_b)
    rows = np.arange(len(squared))
    nearest = squared.argmin(axis=1)
    mutual = squared.argmin(axis=0)[nearest] == rows
    best = squared[rows, nearest].astype(np.float64)
    squared[rows, nearest] = np.inf
    second = squared.min(axis=1).astype(np.float64)
    kept = mutual & (best <= max_ratio**2 * second)
    # Two identical neighbours at distance 0 are ambiguous, although 0 <= r * 0 holds.
    kept &= second > 0
    ratio = np.sqrt(best[kept] / second[kept])
    return Correspondences(rows[kept], nearest[kept], ratio)


def match_features(a: LocalFeatures, b: LocalFeatures, max_ratio: float) -> Correspondences:
    """Match descriptors, then keep the best correspondence of each location in both images.

    SIFT describes a location once per dominant orientation. Its repeats confirm nothing that the
    first does not, and would raise inlier counts by 15 to 40 %.
    """
    matches = match_descriptors(a.descriptors, b.descriptors, max_ratio)
    best_first = np.argsort(matches.ratio, kind="stable")
    best_first = best_first[_first_of_each(_location_keys(a)[matches.index_a[best_first]])]
    best_first = best_first[_first_of_each(_location_keys(b)[matches.index_b[best_first]])]
    chosen = np.zeros(len(matches), np.bool_)
    chosen[best_first] = True
    return matches.select(chosen)


def _location_keys(features: LocalFeatures) -> NDArray[np.int64]:
    x, y = features.geometry["x"].astype(np.int64), features.geometry["y"].astype(np.int64)
    keys: NDArray[np.int64] = x << 16 | y
    return keys


def _first_of_each(keys: NDArray[np.int64]) -> Indices:
    """Positions of the first occurrence of every value, in order of position."""
    _, first = np.unique(keys, return_index=True)
    return np.sort(first)


def _none() -> Correspondences:
    return Correspondences(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))


def _squared_distances(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """All squared Euclidean distances, float32 (n, m), exact."""
    a32, b32 = a.astype(np.float32), b.astype(np.float32)
    squared = a32 @ b32.T
    squared *= -2.0
    squared += np.einsum("ij,ij->i", a32, a32)[:, None]
    squared += np.einsum("ij,ij->i", b32, b32)[None, :]
    return squared
