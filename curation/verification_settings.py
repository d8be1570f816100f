"""How strictly pairs of images are verified."""

import math
from typing import Self

from pydantic import Field

from curation.cascade import CascadeSettings
from curation.copies import CopySettings
from curation.geometry import ConsistencyLimits, GeometrySettings
from curation.overlays import OverlaySettings
from curation.plausibility import GuardSettings
from manifests.strict_model import StrictModel


class VerificationSettings(StrictModel):
    """How strictly a pair of images is verified."""

    max_ratio: float = Field(0.9, gt=0, le=1)
    """Lowe's ratio. Looser than the usual 0.8: the mutual test and the scales and orientations of
    the features keep false pairs out."""
    min_inliers: int = Field(30, ge=3)
    """Inliers of a verified pair, at least (Weyand et al. 2020)."""
    cascade: CascadeSettings = CascadeSettings()
    geometry: GeometrySettings = GeometrySettings()
    guards: GuardSettings = GuardSettings()
    overlays: OverlaySettings = OverlaySettings()
    copies: CopySettings = CopySettings()

    @property
    def consistency_limits(self) -> ConsistencyLimits:
        """What is consistent for a look at sketches."""
        return ConsistencyLimits(
            self.geometry.max_hypotheses,
            self.geometry.max_scale,
            self.geometry.hypothesis_tolerance,
            self.cascade.max_octaves,
            math.radians(self.cascade.max_turn_deg),
        )

    def count_all_inliers(self) -> Self:
        """The same, but the inliers of every verified pair are those among all its features.

        For ranks and sums of inliers, which those of a look at the strongest would distort.
        """
        if self.cascade.mode != "decide_early":
            return self
        cascade = self.cascade.model_copy(update={"mode": "reject_early"})
        return self.model_copy(update={"cascade": cascade})
