"""The geometric model that correspondences agree with, found without random numbers.

Every correspondence of two local features proposes a whole similarity (position, scale and
orientation of both), so the hypotheses can be listed instead of sampled; the best are refined to
an affine map by local optimisation (Philbin et al. 2007, "fast spatial matching").

Convention: x points right, y down, angles turn clockwise on the screen, as OpenCV stores them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.correspondences import Correspondences
from manifests.features import LocalFeatures
from manifests.strict_model import StrictModel

Points = NDArray[np.float64]
Affine = NDArray[np.float64]
"""float64 (2, 3): x' = M[:, :2] x + M[:, 2], from pixels of image a to pixels of image b."""

_MIN_POINTS = 3
"""An affine map has six unknowns, two per point."""
_FLAT = 1e-4
"""Points whose spread across their main axis is below this share of the spread along it lie on a
line, and determine no affine map."""


class GeometrySettings(StrictModel):
    """How strictly correspondences must agree on one affine map."""

    max_hypotheses: int = Field(64, ge=1)
    """Similarities tried, evenly spaced over the correspondences."""
    max_scale: float = Field(5.0, gt=1)
    """Largest change of scale, either way, that a hypothesis may propose."""
    hypothesis_tolerance: float = Field(0.0375, gt=0, lt=0.5)
    """Residual allowed to a similarity, as a share of image b's long side."""
    tolerance: float = Field(0.025, gt=0, lt=0.5)
    """Residual allowed to an inlier of the affine map, as a share of image b's long side: 20 px
    at 800, as the official DELF scripts; features agree in scale and orientation besides."""
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

    @property
    def num_inliers(self) -> int:
        """Number of agreeing correspondences."""
        return int(self.inliers.sum())


def similarities_from_features(
    xy_a: Points,
    xy_b: Points,
    scale: NDArray[np.float64],
    rotation: NDArray[np.float64],
) -> Affine:
    """One similarity per correspondence, from the frames of its two features.

    Args:
        xy_a: (n, 2) pixels of image a.
        xy_b: (n, 2) pixels of image b.
        scale: (n,) diameter in b over diameter in a.
        rotation: (n,) angle in b minus angle in a, radians.

    Returns:
        float64 (n, 2, 3).
    """
    cos, sin = scale * np.cos(rotation), scale * np.sin(rotation)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=1)
    shift = xy_b - np.einsum("nij,nj->ni", linear, xy_a)
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def apply_affine(matrix: Affine, xy: Points) -> Points:
    """Map points (n, 2) by one matrix (2, 3), or by k matrices (k, 2, 3) to (k, n, 2)."""
    linear, shift = matrix[..., :2], matrix[..., 2]
    mapped: Points = xy @ np.swapaxes(linear, -1, -2) + shift[..., None, :]
    return mapped


def invert_affine(matrix: Affine) -> Affine:
    """The map from image b back to image a.

    Raises:
        numpy.linalg.LinAlgError: the matrix collapses the plane.
    """
    inverse = np.linalg.inv(matrix[:, :2])
    return np.column_stack([inverse, -inverse @ matrix[:, 2]])


def fit_affine(xy_a: Points, xy_b: Points) -> Affine | None:
    """Least-squares affine map of points (n, 2) onto points (n, 2).

    Returns:
        The map, or None when the points of either image are fewer than three or on a line.
    """
    if len(xy_a) < _MIN_POINTS or _on_a_line(xy_a) or _on_a_line(xy_b):
        return None
    mean_a, mean_b = xy_a.mean(axis=0), xy_b.mean(axis=0)
    centred = xy_a - mean_a
    linear = np.linalg.solve(centred.T @ centred, centred.T @ (xy_b - mean_b)).T
    return np.column_stack([linear, mean_b - linear @ mean_a])


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
    xy_a, xy_b = features_a.xy[matches.index_a], features_b.xy[matches.index_b]
    hypotheses = _propose(features_a, features_b, matches, settings)
    long_side_px = features_b.long_side
    tolerances_px = _hypothesis_tolerances_px(hypotheses, long_side_px, settings)
    agreeing = _residuals_px(hypotheses, xy_a, xy_b) <= tolerances_px[:, None]
    # A stable sort: of equally good hypotheses the first listed is refined, on every machine.
    best = np.argsort(-agreeing.sum(axis=1), kind="stable")[: settings.num_refined]
    fits = [_refine(xy_a, xy_b, agreeing[i], long_side_px, settings) for i in best]
    return max((fit for fit in fits if fit is not None), key=_quality, default=None)


def _propose(
    features_a: LocalFeatures,
    features_b: LocalFeatures,
    matches: Correspondences,
    settings: GeometrySettings,
) -> Affine:
    scale = features_b.size[matches.index_b] / features_a.size[matches.index_a]
    rotation = features_b.angle[matches.index_b] - features_a.angle[matches.index_a]
    usable = np.flatnonzero((scale <= settings.max_scale) & (scale >= 1 / settings.max_scale))
    chosen = usable[_evenly_spaced(len(usable), settings.max_hypotheses)]
    return similarities_from_features(
        features_a.xy[matches.index_a[chosen]],
        features_b.xy[matches.index_b[chosen]],
        scale[chosen],
        rotation[chosen],
    )


def _evenly_spaced(count: int, most: int) -> NDArray[np.intp]:
    if count <= most:
        return np.arange(count)
    return np.arange(most) * count // most


def _hypothesis_tolerances_px(
    hypotheses: Affine, long_side_px: int, settings: GeometrySettings
) -> NDArray[np.float64]:
    scale = np.hypot(hypotheses[:, 0, 0], hypotheses[:, 1, 0])
    share = settings.hypothesis_tolerance * np.clip(scale, 0.5, 2.0)
    return np.asarray(share * long_side_px, np.float64)


def _residuals_px(matrix: Affine, xy_a: Points, xy_b: Points) -> NDArray[np.float64]:
    residuals_px: NDArray[np.float64] = np.linalg.norm(apply_affine(matrix, xy_a) - xy_b, axis=-1)
    return residuals_px


def _refine(
    xy_a: Points,
    xy_b: Points,
    inliers: NDArray[np.bool_],
    long_side_px: int,
    settings: GeometrySettings,
) -> AffineFit | None:
    shares = np.linspace(
        settings.hypothesis_tolerance, settings.tolerance, settings.num_refinements
    )
    best: AffineFit | None = None
    for tolerance_px in shares * long_side_px:
        matrix = fit_affine(xy_a[inliers], xy_b[inliers])
        if matrix is None:
            break
        residuals_px = _residuals_px(matrix, xy_a, xy_b)
        inliers = residuals_px <= tolerance_px
        counted = residuals_px <= settings.tolerance * long_side_px
        fit = AffineFit(matrix, counted, residuals_px)
        best = fit if best is None else max(best, fit, key=_quality)
    return best


def _quality(fit: AffineFit) -> tuple[int, float]:
    return fit.num_inliers, -float(fit.residuals_px[fit.inliers].sum())


def _on_a_line(xy: Points) -> bool:
    centred = xy - xy.mean(axis=0)
    smaller, larger = np.linalg.eigvalsh(centred.T @ centred)
    return bool(smaller <= _FLAT**2 * larger)
