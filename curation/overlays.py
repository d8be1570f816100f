"""The guard against what was pasted into two different pictures: logos, captions, agency stamps.

A patch of equal pixels agrees far better than two photographs of a thing ever do: no turn, no
slant, a fraction of a pixel. Two copies of one picture agree as well, but everywhere. So where
everything that agrees lies in one box, and the rest of both pictures is full of features of which
none agrees, the box was pasted.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.geometry import Affine, AffineFit, Points, apply_affine, invert_affine
from manifests.features import LocalFeatures
from manifests.strict_model import StrictModel


class OverlaySettings(StrictModel):
    """When agreement is too good to be a view and too local to be a copy."""

    max_distortion: float = Field(0.01, gt=0, lt=1)
    """Deviation of the model from pure scaling, relative to the scale."""
    max_residual: float = Field(0.001, gt=0, lt=0.1)
    """Median residual of the inliers, as a share of the long side: 0.8 px at 800."""
    box_margin: float = Field(0.03, ge=0, lt=0.5)
    """Added to the box around the inliers on each side, as a share of the long side."""
    min_outside_share: float = Field(0.3, gt=0, lt=1)
    """Share of the features in view that must lie outside the box."""
    min_outside: int = Field(30, ge=1)
    """Number of features that must lie outside the box."""


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
        the view that both share but outside the box around the inliers.
    """
    if not _agrees_like_pixels(fit, b.long_side, settings):
        return False
    xy_b = apply_affine(fit.matrix, xy_a)
    back = invert_affine(fit.matrix)
    return _has_other_content(a, b, xy_a, fit.matrix, settings) or _has_other_content(
        b, a, xy_b, back, settings
    )


def _agrees_like_pixels(fit: AffineFit, long_side_px: int, settings: OverlaySettings) -> bool:
    linear = fit.matrix[:, :2]
    scale = float(np.trace(linear)) / 2
    deviation = float(np.abs(linear - scale * np.eye(2)).max())
    if deviation > settings.max_distortion * abs(scale):
        return False
    # The median: a few chance inliers at the edge of the tolerance must not hide the patch.
    residual_px = float(np.median(fit.residuals_px[fit.inliers]))
    return residual_px <= settings.max_residual * long_side_px


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
