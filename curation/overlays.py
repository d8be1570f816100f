"""The guard against what was pasted into two different pictures: logos, captions, agency stamps.

A patch of equal pixels agrees far better than two photographs of a thing ever do: no turn, no
slant, a fraction of a pixel. Two copies of one picture agree as well, but everywhere. So where
everything that agrees lies in one box, and the rest of both pictures is full of features of which
none agrees, the box was pasted.

Chance agreement around a patch bends the map that all of it is fitted to. So the guard fits the
half that agrees best anew (least trimmed squares, Rousseeuw 1984), and judges that.

A translucent name across the whole picture agrees less well, and has no box to itself. But it
stands still. Two photographs that nobody held still differ in their framing; two that somebody did,
on a tripod or in a burst, agree in most of what they show. So where the map moves nothing and few
features agree, what agrees is an overlay.
"""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.geometry import Affine, Points, apply_affine, invert_affine
from curation.kernels.affine_search import fit_core
from curation.kernels.point_statistics import count_outside
from curation.plausibility import Agreement
from manifests.features import LocalFeatures
from manifests.strict_model import StrictModel

_CORE_ROUNDS = 5
_CORE_TOLERANCE = 4.0
"""Points of a patch deviate from its map by so many times the largest median, at most."""


class OverlaySettings(StrictModel):
    """When agreement is too good to be a view and too local to be a copy."""

    max_distortion: float = Field(0.01, gt=0, lt=1)
    """Deviation of the core's map from pure scaling, relative to the scale."""
    max_residual: float = Field(0.0006, gt=0, lt=0.1)
    """Median residual of the inliers from the core's map, as a share of the long side: 0.5 px at
    800. Pasted patches leave 0.0002, views of things that turn as little 0.001 and more."""
    box_margin: float = Field(0.03, ge=0, lt=0.5)
    """Added to the box around the core on each side, as a share of the long side."""
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
    a: LocalFeatures,
    b: LocalFeatures,
    agreement: Agreement,
    settings: OverlaySettings,
) -> bool:
    """Whether all that agrees was pasted into both pictures.

    Args:
        a: all features of image a.
        b: all features of image b.
        agreement: the inliers and the model from a to b.
        settings: limits.

    Returns:
        True when the core of the inliers agrees as equal pixels do, and either picture has many
        features in the view that both share but outside the box around it; also when the map
        stands still and few features agree.
    """
    xy_a, xy_b = agreement.xy_a, agreement.xy_b
    few_agree = len(xy_a) < settings.min_still_share * min(len(a), len(b))
    if few_agree and stands_still(a, b, agreement.matrix, settings):
        return True
    # The median: a few chance inliers at the edge of the tolerance must not hide the patch.
    is_found, core, median_squared, is_core = fit_core(xy_a, xy_b, _CORE_ROUNDS)
    if not is_found:
        return False
    core_map = core.reshape(2, 3)
    if (
        math.sqrt(median_squared) > settings.max_residual * b.long_side
        or _measure_distortion(core_map) > settings.max_distortion
    ):
        return False
    back = invert_affine(core_map)
    return _has_other_content(a, b, xy_a[is_core], core_map, settings) or _has_other_content(
        b, a, xy_b[is_core], back, settings
    )


def pasted_inliers(
    b: LocalFeatures, agreement: Agreement, settings: OverlaySettings
) -> NDArray[np.bool_]:
    """Which inliers a pasted patch explains: those that move as the core does; bool (n,).

    The others may show a place that both photographs share: a map bends to take in some of both.
    """
    xy_a, xy_b = agreement.xy_a, agreement.xy_b
    is_found, core, _, _ = fit_core(xy_a, xy_b, _CORE_ROUNDS)
    if not is_found:
        return np.ones(len(xy_a), np.bool_)
    tolerance_px = _CORE_TOLERANCE * settings.max_residual * b.long_side
    residuals_px = np.linalg.norm(apply_affine(core.reshape(2, 3), xy_a) - xy_b, axis=1)
    return np.asarray(residuals_px <= tolerance_px)


def stands_still(
    a: LocalFeatures, b: LocalFeatures, matrix: Affine, settings: OverlaySettings
) -> bool:
    """Whether the map leaves the corners of image a where they are, in images of one size."""
    tolerance_px = settings.max_drift * a.long_side
    if max(abs(a.width - b.width), abs(a.height - b.height)) > tolerance_px:
        return False
    (xx, xy, x0), (yx, yy, y0) = matrix.tolist()
    return all(
        math.hypot(xx * x + xy * y + x0 - x, yx * x + yy * y + y0 - y) <= tolerance_px
        for x in (0, a.width)
        for y in (0, a.height)
    )


def _measure_distortion(matrix: Affine) -> float:
    """Largest deviation of the map from pure scaling, relative to the scale."""
    (xx, xy, _), (yx, yy, _) = matrix.tolist()
    scale = (xx + yy) / 2
    deviation = max(abs(xx - scale), abs(xy), abs(yx), abs(yy - scale))
    return deviation / abs(scale) if scale != 0 else math.inf


def _has_other_content(
    image: LocalFeatures,
    other: LocalFeatures,
    inliers: Points,
    to_other: Affine,
    settings: OverlaySettings,
) -> bool:
    num_in_view, num_outside = count_outside(
        image.geometry_codes,
        inliers,
        to_other,
        (other.width, other.height),
        settings.box_margin * image.long_side,
    )
    return num_outside >= max(settings.min_outside, settings.min_outside_share * num_in_view)
