"""The guard against what was pasted into two different pictures: logos, captions, agency stamps.

A patch of equal pixels agrees far better than two photographs of a thing ever do: no turn, no
slant, a fraction of a pixel. Two copies of one picture agree as well, but everywhere. So where
everything that agrees lies in one box, and the rest of both pictures is full of features of which
none agrees, the box was pasted.

The smaller the patch, the less it tells of its distortion, and the larger the share of chance
agreement in it; but then, the less would a real thing of that size agree so well. Small patches
are judged by wider limits.

A translucent name across the whole picture agrees less well, and has no box to itself. But it
stands still. Two photographs that nobody held still differ in their framing; two that somebody did,
on a tripod or in a burst, agree in most of what they show. So where the map moves nothing and few
features agree, what agrees is an overlay.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.geometry import Affine, AffineFit, Points, apply_affine, invert_affine
from curation.plausibility import measure_minor_axis
from manifests.features import LocalFeatures
from manifests.strict_model import StrictModel


class OverlaySettings(StrictModel):
    """When agreement is too good to be a view and too local to be a copy."""

    max_distortion: float = Field(0.01, gt=0, lt=1)
    """Deviation of the model from pure scaling, relative to the scale."""
    max_residual: float = Field(0.001, gt=0, lt=0.1)
    """Median residual of the inliers, as a share of the long side: 0.8 px at 800."""
    small_patch: float = Field(0.05, ge=0, lt=0.5)
    """A patch is small when the standard deviation of its inliers across their main axis is below
    this in either image, as a share of the long side."""
    max_small_distortion: float = Field(0.07, gt=0, lt=1)
    """`max_distortion` of small patches."""
    max_small_residual: float = Field(0.003, gt=0, lt=0.1)
    """`max_residual` of small patches. Those of real things leave 0.004 and more."""
    box_margin: float = Field(0.03, ge=0, lt=0.5)
    """Added to the box around the inliers on each side, as a share of the long side."""
    min_outside_share: float = Field(0.3, gt=0, lt=1)
    """Share of the features in view that must lie outside the box."""
    min_outside: int = Field(30, ge=1)
    """Number of features that must lie outside the box."""
    max_drift: float = Field(0.02, gt=0, lt=0.5)
    """Distance by which a map that stands still may move any corner, as a share of the long
    side."""
    min_still_share: float = Field(0.1, gt=0, le=1)
    """Inliers that two photographs from one spot have at least, as a share of the features of the
    image that has fewer."""


def is_pasted(
    a: LocalFeatures, b: LocalFeatures, xy_a: Points, fit: AffineFit, settings: OverlaySettings
) -> bool:
    """Whether all that agrees was pasted into both pictures.

    Args:
        a: all features of image a.
        b: all features of image b.
        xy_a: (n, 2), the inliers in image a, in pixels.
        fit: the model from a to b.
        settings: limits.

    Returns:
        True when the inliers agree as equal pixels do, and either picture has many features in
        the view that both share but outside the box around the inliers; also when the map stands
        still and few features agree.
    """
    few_agree = fit.num_inliers < settings.min_still_share * min(len(a), len(b))
    if few_agree and stands_still(a, b, fit.matrix, settings):
        return True
    xy_b = apply_affine(fit.matrix, xy_a)
    extent = min(
        measure_minor_axis(xy_a) / a.long_side,
        measure_minor_axis(xy_b) / b.long_side,
    )
    if not _agrees_like_pixels(fit, b.long_side, extent < settings.small_patch, settings):
        return False
    back = invert_affine(fit.matrix)
    return _has_other_content(a, b, xy_a, fit.matrix, settings) or _has_other_content(
        b, a, xy_b, back, settings
    )


def stands_still(
    a: LocalFeatures, b: LocalFeatures, matrix: Affine, settings: OverlaySettings
) -> bool:
    """Whether the map leaves the corners of image a where they are, in images of one size."""
    corners = np.array([[0, 0], [a.width, 0], [0, a.height], [a.width, a.height]], np.float64)
    drift_px = np.linalg.norm(apply_affine(matrix, corners) - corners, axis=1).max()
    tolerance_px = settings.max_drift * a.long_side
    differ_px = max(abs(a.width - b.width), abs(a.height - b.height))
    return bool(max(drift_px, differ_px) <= tolerance_px)


def _agrees_like_pixels(
    fit: AffineFit,
    long_side_px: int,
    is_small: bool,  # noqa: FBT001  (private)
    settings: OverlaySettings,
) -> bool:
    max_distortion, max_residual = settings.max_distortion, settings.max_residual
    if is_small:
        max_distortion, max_residual = settings.max_small_distortion, settings.max_small_residual
    linear = fit.matrix[:, :2]
    scale = float(np.trace(linear)) / 2
    deviation = float(np.abs(linear - scale * np.eye(2)).max())
    if deviation > max_distortion * abs(scale):
        return False
    # The median: a few chance inliers at the edge of the tolerance must not hide the patch.
    residual_px = float(np.median(fit.residuals_px[fit.inliers]))
    return residual_px <= max_residual * long_side_px


def _has_other_content(
    image: LocalFeatures,
    other: LocalFeatures,
    inliers: Points,
    to_other: Affine,
    settings: OverlaySettings,
) -> bool:
    xy = image.xy
    mapped = apply_affine(to_other, xy)
    in_view = _inside(mapped, np.zeros(2), np.array([other.width, other.height], np.float64))
    margin_px = settings.box_margin * image.long_side
    low, high = np.percentile(inliers, [2, 98], axis=0)
    in_box = _inside(xy, low - margin_px, high + margin_px)
    num_outside = int((in_view & ~in_box).sum())
    enough = max(settings.min_outside, settings.min_outside_share * int(in_view.sum()))
    return num_outside >= enough


def _inside(xy: Points, low: Points, high: Points) -> NDArray[np.bool_]:
    return np.asarray(np.all((xy >= low) & (xy <= high), axis=1))
