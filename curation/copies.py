"""Are two files one photograph?"""

import numpy as np
from pydantic import Field

from curation.geometry import AffineFit
from manifests.features import LocalFeatures
from manifests.strict_model import StrictModel


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
    residuals_px = fit.residuals_px[fit.inliers]
    rms_px = float(np.sqrt(np.mean(residuals_px**2)))
    return rms_px <= settings.max_residual * b.long_side
