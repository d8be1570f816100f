"""Guards: what fits a geometric model without showing one and the same place.

Each guard answers for one known way of being fooled. They look only at pairs that otherwise pass,
so a guard can refuse a match but never make one.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.geometry import Affine, Points
from curation.kernels import point_statistics as statistics
from manifests.rows import PairReason
from manifests.strict_model import StrictModel

_NUM_EDGES = 4
_MIN_EDGE_SHARE = 0.05
"""Share of the points of a frame that lie along each edge, at least."""


class GuardSettings(StrictModel):
    """Limits of the guards; lengths are shares of an image's long side or diagonal."""

    max_scale: float = Field(5.0, gt=1)
    """Largest change of scale, either way."""
    max_anisotropy: float = Field(4.0, gt=1)
    """Largest ratio of the model's singular values: façades seen from 75 degrees aside."""
    border_share: float = Field(0.1, gt=0, lt=0.5)
    """Width of the border in which watermarks sit, as a share of the diagonal (COLMAP's guard)."""
    overlay_share: float = Field(0.7, gt=0, le=1)
    """Share of the inliers in the border, and moving alike, from which they are an overlay."""
    overlay_tolerance: float = Field(0.005, gt=0, lt=0.1)
    """Deviation from one common shift: 4 px at 800."""
    frame_share: float = Field(0.1, gt=0, lt=0.5)
    """Width of a picture frame on each side, as a share of that side."""
    min_distinct_share: float = Field(0.5, gt=0, le=1)
    """Share of the inliers that must sit at places of their own, in both images."""
    distinct_cell: float = Field(0.005, gt=0, lt=0.1)
    """Size of such a place: 4 px at 800."""
    spread_cell: float = Field(0.05, gt=0, lt=0.5)
    """Cell of the grid on which the spread of the inliers is counted: 40 px at 800."""
    min_spread_cells: int = Field(5, ge=1)
    """Cells that the inliers must occupy in both images."""
    min_minor_axis: float = Field(0.015, gt=0, lt=0.5)
    """Standard deviation of the inliers across their main axis, in both images."""
    max_pasted_distortion: float = Field(0.05, gt=0, lt=1)
    """Largest deviation of the model from pure scaling, relative to the scale, at which the
    agreeing patch could have been pasted into both pictures."""
    min_pasted_cells: int = Field(10, ge=1)
    """Cells that a patch which could have been pasted must occupy in both images."""
    min_pasted_minor_axis: float = Field(0.03, gt=0, lt=0.5)
    """Likewise, standard deviation across its main axis."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """The inliers of a pair of images and the map they agree on.

    Attributes:
        xy_a: (n, 2) pixels of image a.
        xy_b: (n, 2) pixels of image b.
        matrix: affine map from a to b.
        shape_a: width and height of image a in pixels.
        shape_b: likewise of image b.
    """

    xy_a: Points
    xy_b: Points
    matrix: Affine
    shape_a: tuple[int, int]
    shape_b: tuple[int, int]


class AgreementMeasures(NamedTuple):
    """Where inliers lie and how they move; of what is a pair, the first is for image a."""

    num_inliers: int
    num_distinct: tuple[int, int]
    """Places that they occupy."""
    num_cells: tuple[int, int]
    """Cells of the coarse grid that they occupy."""
    minor_axis: tuple[float, float]
    """Standard deviation across their main axis, as a share of the long side."""
    num_in_frame: int
    num_shifted_in_frame: int
    """Those of them that move by the common shift."""
    num_in_border: int
    num_shifted_in_border: int


def find_objection(agreement: Agreement, settings: GuardSettings) -> PairReason | None:
    """The first guard that refuses the agreement, or None when all let it pass."""
    if is_degenerate(agreement.matrix, settings):
        return PairReason.DEGENERATE_MODEL
    measures = measure(agreement, settings)
    if is_many_to_one(measures, settings):
        return PairReason.MANY_TO_ONE
    if _is_overlay(
        measures.num_in_frame, measures.num_shifted_in_frame, measures.num_inliers, settings
    ):
        in_frame = _in_frame(agreement, settings)
        return PairReason.FRAME if _surrounds(in_frame, agreement) else PairReason.WATERMARK
    if _is_overlay(
        measures.num_in_border, measures.num_shifted_in_border, measures.num_inliers, settings
    ):
        return PairReason.WATERMARK
    if is_too_concentrated(agreement.matrix, measures, settings):
        return PairReason.TOO_CONCENTRATED
    return None


def measure(agreement: Agreement, settings: GuardSettings) -> AgreementMeasures:
    """Where the inliers lie and how they move, in numbers."""
    return AgreementMeasures(
        *statistics.measure_agreement(
            agreement.xy_a,
            agreement.xy_b,
            agreement.shape_a,
            agreement.shape_b,
            settings.distinct_cell,
            settings.spread_cell,
            settings.frame_share,
            settings.border_share,
            _measure_tolerance(agreement, settings),
        )
    )


def is_degenerate(matrix: Affine, settings: GuardSettings) -> bool:
    """Whether the map mirrors, collapses, or scales or stretches beyond belief."""
    (a, b, _), (c, d, _) = matrix.tolist()
    determinant = a * d - b * c
    if not np.isfinite(matrix).all() or determinant <= 0:
        return True
    # The singular values: their product is the determinant, their squares add up to the norm.
    total = math.sqrt(a * a + b * b + c * c + d * d + 2 * determinant)
    apart = math.sqrt(max(a * a + b * b + c * c + d * d - 2 * determinant, 0.0))
    larger, smaller = (total + apart) / 2, (total - apart) / 2
    scale = math.sqrt(larger * smaller)
    too_large = scale > settings.max_scale or scale < 1 / settings.max_scale
    return bool(too_large or larger > settings.max_anisotropy * smaller)


def is_many_to_one(measures: AgreementMeasures, settings: GuardSettings) -> bool:
    """Whether most inliers share their place with others, in either image."""
    return min(measures.num_distinct) < settings.min_distinct_share * measures.num_inliers


def is_too_concentrated(
    matrix: Affine, measures: AgreementMeasures, settings: GuardSettings
) -> bool:
    """Whether the inliers fill too small or too thin a part of either image.

    Logos, captions and date stamps are small and sit straight in the picture. A small patch that
    turns or slants from one image to the other is more likely a distant view of a real thing, and
    needs to fill less.
    """
    min_cells, min_minor_axis = settings.min_spread_cells, settings.min_minor_axis
    if could_be_pasted(matrix, settings):
        min_cells, min_minor_axis = settings.min_pasted_cells, settings.min_pasted_minor_axis
    return min(measures.num_cells) < min_cells or min(measures.minor_axis) < min_minor_axis


def could_be_pasted(matrix: Affine, settings: GuardSettings) -> bool:
    """Whether the map only shifts and scales, as it does for what was pasted into two pictures."""
    (a, b, _), (c, d, _) = matrix.tolist()
    scale = (a + d) / 2
    deviation = max(abs(a - scale), abs(b), abs(c), abs(d - scale))
    return bool(deviation <= settings.max_pasted_distortion * scale)


def share_one_shift(agreement: Agreement, settings: GuardSettings) -> NDArray[np.bool_]:
    """Which inliers move by the same shift, without turn or change of scale; bool (n,).

    The median is that shift whenever more than half of them do.
    """
    return statistics.find_common_shift(
        agreement.xy_a, agreement.xy_b, _measure_tolerance(agreement, settings)
    )


def overlay_inliers(agreement: Agreement, settings: GuardSettings) -> NDArray[np.bool_]:
    """Which inliers an overlay would explain: near the edges of both images, one shift; bool (n,).

    A photograph can carry a watermark and still show the place; without these inliers the pair
    may be judged again.
    """
    near_edge = _in_border(agreement, settings) | _in_frame(agreement, settings)
    overlay: NDArray[np.bool_] = share_one_shift(agreement, settings) & near_edge
    return overlay


def _is_overlay(num_inside: int, num_shifted: int, count: int, settings: GuardSettings) -> bool:
    """Most inliers lie inside a region, and most of those move alike."""
    share = settings.overlay_share
    return num_inside > 0 and num_inside >= share * count and num_shifted >= share * num_inside


def _in_border(agreement: Agreement, settings: GuardSettings) -> NDArray[np.bool_]:
    return statistics.find_near_edges(
        agreement.xy_a,
        agreement.xy_b,
        agreement.shape_a,
        agreement.shape_b,
        settings.border_share * math.hypot(*agreement.shape_a),
        settings.border_share * math.hypot(*agreement.shape_b),
    )


def _in_frame(agreement: Agreement, settings: GuardSettings) -> NDArray[np.bool_]:
    """In the outer share of both images' width or height, and at the same place in both."""
    return statistics.find_in_frame(
        agreement.xy_a,
        agreement.xy_b,
        agreement.shape_a,
        agreement.shape_b,
        settings.frame_share,
        _measure_tolerance(agreement, settings),
    )


def _surrounds(chosen: NDArray[np.bool_], agreement: Agreement) -> bool:
    """Whether chosen points lie along all four edges of image a, as those of a frame do.

    A date stamp that sits at the same place in both pictures lies along one or two.
    """
    xy, shape = agreement.xy_a[chosen], np.array(agreement.shape_a, np.float64)
    to_edges = np.concatenate([xy, shape - xy], axis=1) / np.concatenate([shape, shape])
    per_edge = np.bincount(to_edges.argmin(axis=1), minlength=_NUM_EDGES)
    return bool((per_edge >= _MIN_EDGE_SHARE * len(xy)).all())


def _measure_tolerance(agreement: Agreement, settings: GuardSettings) -> float:
    """The noise of a pasted thing's position, in pixels."""
    return settings.overlay_tolerance * max(*agreement.shape_a, *agreement.shape_b)
