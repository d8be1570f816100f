"""Tentative correspondences between two images: exact nearest neighbours, ratio and mutual test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import freeze
from curation.kernels.packed_columns import MeasuredDescriptors, PackedColumns
from curation.kernels.portable_search import PortableColumns
from curation.kernels.processor import DotProductKernel, available_kernels
from manifests.features import DESCRIPTOR_BYTES, LocalFeatures

Indices = NDArray[np.intp]
Descriptors = NDArray[np.uint8]

_MIN_COLUMNS = 2
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


class MatchableFeatures:
    """Features with what matching derives from them, derived once for any number of partners.

    It takes about three times the memory of the descriptors: 390 kB for 1,000 features.

    Args:
        features: the features of an image.
        kernel: the instructions to search with; by default the best of this processor.
    """

    def __init__(self, features: LocalFeatures, kernel: DotProductKernel | None = None) -> None:
        self.features = features
        self._kernel = kernel
        self.geometry_codes = freeze(features.geometry_codes)
        self._values = _pad(features.descriptors)
        self._measured: dict[int, MeasuredDescriptors] = {}
        self._columns: dict[int, PackedColumns | PortableColumns] = {}

    def __len__(self) -> int:
        return len(self._values)

    def measure_strongest(self, count: int) -> MeasuredDescriptors:
        """The first `count` descriptors, ready to search.

        Raises:
            ValueError: a value is above 127.
        """
        if count not in self._measured:
            whole = self._measured.get(len(self))
            # What an early rejection never asks for is never derived.
            self._measured[count] = (
                MeasuredDescriptors.of(self._values[:count])
                if whole is None
                else whole.take_first(count)
            )
        return self._measured[count]

    def index_strongest(self, count: int) -> PackedColumns | PortableColumns:
        """The first `count` descriptors, ready to be searched.

        Raises:
            ValueError: a value is above 127.
        """
        if count not in self._columns:
            whole = self._columns.get(len(self))
            self._columns[count] = (
                index_descriptors(self.measure_strongest(count), self._kernel)
                if whole is None
                else whole.take_first(count)
            )
        return self._columns[count]


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
        ValueError: a value is above 127.
    """
    a, b = (MeasuredDescriptors.of(_pad(side)) for side in (descriptors_a, descriptors_b))
    return _match(a, index_descriptors(b), max_ratio, _NO_GEOMETRY, _NO_GEOMETRY)


def match_features(a: LocalFeatures, b: LocalFeatures, max_ratio: float) -> Correspondences:
    """Match descriptors, then keep the best correspondence of each location in both images.

    SIFT describes a location once per dominant orientation. Its repeats confirm nothing that the
    first does not, and would raise inlier counts by 15 to 40 %.
    """
    return match_prepared(MatchableFeatures(a), MatchableFeatures(b), max_ratio)


def match_prepared(
    a: MatchableFeatures,
    b: MatchableFeatures,
    max_ratio: float,
    num_strongest: tuple[int, int] | None = None,
) -> Correspondences:
    """`match_features` for images that are matched more than once.

    Args:
        a: features of image a.
        b: features of image b.
        max_ratio: as in `match_descriptors`.
        num_strongest: only so many features of a and of b take part, the strongest.
    """
    count_a, count_b = (len(a), len(b)) if num_strongest is None else num_strongest
    return _match(
        a.measure_strongest(count_a),
        b.index_strongest(count_b),
        max_ratio,
        a.geometry_codes,
        b.geometry_codes,
    )


def index_descriptors(
    descriptors: MeasuredDescriptors, kernel: DotProductKernel | None = None
) -> PackedColumns | PortableColumns:
    """Prepare descriptors to be searched.

    Args:
        descriptors: m of them.
        kernel: the instructions to use; by default the best of this processor.
    """
    for candidate in available_kernels() if kernel is None else (kernel,):
        if PackedColumns.can_pack(candidate, len(descriptors)):
            return PackedColumns(descriptors, candidate)
    return PortableColumns(descriptors)


def _match(
    descriptors: MeasuredDescriptors,
    columns: PackedColumns | PortableColumns,
    max_ratio: float,
    geometry_a: NDArray[np.uint16],
    geometry_b: NDArray[np.uint16],
) -> Correspondences:
    if len(descriptors) == 0 or len(columns) < _MIN_COLUMNS:
        return Correspondences(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    found = columns.find_matches(descriptors, geometry_a, geometry_b, max_ratio**2)
    return Correspondences(*found)


def _pad(descriptors: Descriptors) -> Descriptors:
    """Contiguous (n, 128): zeros at the end change no distance."""
    missing = DESCRIPTOR_BYTES - descriptors.shape[1]
    if missing > 0:
        return np.pad(descriptors, ((0, 0), (0, missing)))
    return np.ascontiguousarray(descriptors)
