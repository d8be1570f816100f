"""Which numbers of inliers are so near the threshold that people may judge otherwise.

A count just below the threshold is more than chance gives, and one just above it is no proof.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curation.calibration import ControlPair, find_one_place
from manifests.rows import PairReason

_THRESHOLD_REASONS = (
    PairReason.ENOUGH_INLIERS,
    PairReason.TOO_FEW_INLIERS,
    PairReason.TOO_FEW_TENTATIVE,
)
"""Reasons of verdicts that rest on the number of inliers; guards and copies are another matter."""


@dataclass(frozen=True)
class UncertainBand:
    """Numbers of inliers, both ends included, at which a verdict is uncertain."""

    lowest: int
    highest: int

    def holds(self, num_inliers: int, reason: str) -> bool:
        """Whether a pair's verdict rests on its inliers and these are in the band."""
        return reason in _THRESHOLD_REASONS and self.lowest <= num_inliers <= self.highest

    def choose(self, num_inliers: pa.ChunkedArray, reasons: pa.ChunkedArray) -> pa.ChunkedArray:
        """As `holds`, of many pairs."""
        is_at_threshold = pc.is_in(reasons, pa.array([str(r) for r in _THRESHOLD_REASONS]))
        is_high = pc.greater_equal(num_inliers, self.lowest)
        is_low = pc.less_equal(num_inliers, self.highest)
        return pc.and_(is_at_threshold, pc.and_(is_high, is_low))


def find_band(
    controls: Sequence[ControlPair], threshold: int, suggested: int | None, width: float
) -> UncertainBand:
    """Choose the band around the threshold.

    It reaches down and up by `width` times the threshold, with two corrections that the run's own
    control pairs make. Counts that chance reaches are not uncertain: the band begins above every
    rejected control pair (but at the threshold at the latest). Where the calibration asks for a
    higher threshold, all pairs up to that one are uncertain.

    Args:
        controls: verified pairs of images of different classes; there may be none.
        threshold: inliers of a verified pair, at least.
        suggested: the threshold that the calibration suggests; None for none.
        width: share of the threshold.
    """
    one_place = find_one_place(controls)
    chance = [
        pair.num_inliers
        for pair in controls
        # A pair above the threshold was rejected by a guard; chance has nothing to do with it.
        if pair.num_inliers < threshold and pair.classes not in one_place
    ]
    lowest = max(math.ceil((1 - width) * threshold), max(chance, default=0) + 1)
    highest = max(math.floor((1 + width) * threshold), (suggested or threshold) - 1)
    return UncertainBand(lowest, highest)
