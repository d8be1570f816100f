"""The geometric model that correspondences agree with, found without random numbers.

Every correspondence of two local features proposes a whole similarity (position, scale and
orientation of both), so the hypotheses can be listed instead of sampled; the best are refined to
an affine map by local optimisation (Philbin et al. 2007, "fast spatial matching").

Convention: x points right, y down, angles turn clockwise on the screen, as OpenCV stores them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.correspondences import Correspondences
from curation.kernels.affine_search import search_affine
from curation.kernels.consistency import search_consistent
from manifests.features import LocalFeatures
from manifests.strict_model import StrictModel

Points = NDArray[np.float64]
Affine = NDArray[np.float64]
"""float64 (2, 3): x' = M[:, :2] x + M[:, 2], from pixels of image a to pixels of image b."""


class GeometrySettings(StrictModel):
    """How strictly correspondences must agree on one map."""

    model: Literal["affine", "homography"] = "affine"
    """`homography`: the affine map is refined to a homography wherever that explains more."""
    max_hypotheses: int = Field(64, ge=1)
    """Similarities tried, evenly spaced over the correspondences."""
    max_scale: float = Field(5.0, gt=1)
    """Largest change of scale, either way, that a hypothesis may propose."""
    hypothesis_tolerance: float = Field(0.045, gt=0, lt=0.5)
    """Residual allowed to a similarity, as a share of image b's long side."""
    tolerance: float = Field(0.03, gt=0, lt=0.5)
    """Residual allowed to an inlier of the affine map, as a share of image b's long side: 24 px
    at 800, near the 20 px of the official DELF scripts. Of 509 pairs of landmark photographs of
    one place 0.025 verifies 180, 0.03 196 and 0.035 198; of 3,000 pairs of different places none
    has more than 10 inliers at 0.03."""
    num_refinements: int = Field(4, ge=1)
    """Least-squares fits of each refined hypothesis."""
    num_refined: int = Field(2, ge=1)
    """Best hypotheses that are refined."""


@dataclass(frozen=True, eq=False)
class AffineFit:
    """An affine map and the correspondences that agree with it.

    Attributes:
        matrix: `Affine`.
        inliers: bool (n,), one per correspondence.
        residuals_px: float64 (n,), distance in image b between mapped and matched point.
    """

    matrix: Affine
    inliers: NDArray[np.bool_]
    residuals_px: NDArray[np.float64]

    @cached_property
    def num_inliers(self) -> int:
        """Number of agreeing correspondences."""
        return int(np.count_nonzero(self.inliers))


def apply_affine(matrix: Affine, xy: Points) -> Points:
    """Map points (n, 2) by one matrix (2, 3), or by k matrices (k, 2, 3) to (k, n, 2)."""
    linear, shift = matrix[..., :2], matrix[..., 2]
    mapped: Points = xy @ np.swapaxes(linear, -1, -2) + shift[..., None, :]
    return mapped


def has_inverse(matrix: Affine) -> bool:
    """Whether the map keeps the plane a plane."""
    (a, b, _), (c, d, _) = matrix.tolist()
    return bool(abs(a * d - b * c) > 0)


def invert_affine(matrix: Affine) -> Affine:
    """The map from image b back to image a.

    Raises:
        numpy.linalg.LinAlgError: the matrix collapses the plane.
    """
    (a, b, x), (c, d, y) = matrix.tolist()
    determinant = a * d - b * c
    if not has_inverse(matrix):
        raise np.linalg.LinAlgError("the map collapses the plane and has no inverse")
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return np.array([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]])


def estimate_affine(
    features_a: LocalFeatures,
    features_b: LocalFeatures,
    matches: Correspondences,
    settings: GeometrySettings,
) -> AffineFit | None:
    """Find the affine map from image a to image b that most correspondences agree with.

    Args:
        features_a: features of image a.
        features_b: features of image b.
        matches: tentative correspondences, n of them.
        settings: tolerances and numbers of trials.

    Returns:
        The fit with most inliers (of equals, the smaller sum of residuals), or None when no
        hypothesis can be refined to an affine map.
    """
    return _as_fit(
        *search_affine(
            features_a.geometry_codes,
            features_b.geometry_codes,
            matches.index_a,
            matches.index_b,
            settings.max_hypotheses,
            settings.max_scale,
            settings.hypothesis_tolerance * features_b.long_side,
            settings.tolerance * features_b.long_side,
            settings.num_refinements,
            settings.num_refined,
        )
    )


class ConsistencyLimits(NamedTuple):
    """How well correspondences agree on one similarity in place, scale and orientation."""

    max_hypotheses: int
    """Similarities tried."""
    max_scale: float
    """Largest change of scale, either way."""
    tolerance: float
    """In place, as a share of image b's long side."""
    max_octaves: float
    """In scale."""
    max_turn: float
    """In orientation, in radians."""


def find_consistent(
    features_a: LocalFeatures,
    features_b: LocalFeatures,
    matches: Correspondences,
    limits: ConsistencyLimits,
) -> AffineFit | None:
    """Find the similarity that most correspondences agree with in place, scale and orientation.

    Three agreements at once are rare by chance (Jegou, Douze and Schmid 2008, "weak geometric
    consistency"): a handful of such correspondences says more than twice as many in place alone.

    Args:
        features_a: features of image a.
        features_b: features of image b.
        matches: tentative correspondences, n of them.
        limits: numbers of trials, and tolerances.

    Returns:
        The similarity, unrefined, or None when no correspondence proposes any.
    """
    return _as_fit(
        *search_consistent(
            features_a.geometry_codes,
            features_b.geometry_codes,
            matches.index_a,
            matches.index_b,
            limits.max_hypotheses,
            limits.max_scale,
            limits.tolerance * features_b.long_side,
            limits.max_octaves,
            limits.max_turn,
        )
    )


def _as_fit(
    is_found: bool,  # noqa: FBT001  (as compiled code returns it)
    matrix: NDArray[np.float64],
    inliers: NDArray[np.bool_],
    residuals_px: Points,
) -> AffineFit | None:
    """What a compiled search found, float64 (6,) and (n,); None for nothing."""
    return AffineFit(matrix.reshape(2, 3), inliers, residuals_px) if is_found else None
