"""Are two files one photograph?"""

import math

from pydantic import Field

from curation.geometry import AffineFit
from manifests.features import LocalFeatures
from manifests.strict_model import StrictModel

_DOUBT = 2.0
"""Residuals of some inliers and of all may differ by this factor."""


class CopySettings(StrictModel):
    """When two files are one photograph: re-encoded, resized, turned or slightly cropped."""

    min_inlier_share: float = Field(0.25, gt=0, le=1)
    """Inliers, as a share of the features of the image that has fewer."""
    max_residual: float = Field(0.002, gt=0, lt=0.1)
    """Root mean square residual, as a share of the long side: under a pixel at 480. Two shots of
    a solid place from different spots leave more, because no affine map explains parallax."""


def is_copy(a: LocalFeatures, b: LocalFeatures, fit: AffineFit, settings: CopySettings) -> bool:
    """Whether two images that agree on an affine map are copies of one photograph.

    Args:
        a: features of image a.
        b: features of image b.
        fit: the map from a to b; no homography, which explains any view of a flat thing.
        settings: limits.
    """
    if fit.num_inliers < settings.min_inlier_share * min(len(a), len(b)):
        return False
    return _measure_rms_px(fit) <= settings.max_residual * b.long_side


def may_be_copy(b: LocalFeatures, fit: AffineFit, settings: CopySettings) -> bool:
    """Whether `is_copy` can be true once all features are compared.

    Args:
        b: features of image b.
        fit: the map from a to b that the strongest features agree on.
        settings: limits.
    """
    return _measure_rms_px(fit) <= _DOUBT * settings.max_residual * b.long_side


def _measure_rms_px(fit: AffineFit) -> float:
    residuals_px = fit.residuals_px[fit.inliers]
    return math.sqrt(residuals_px @ residuals_px / len(residuals_px))
