"""Two photographs side by side, with lines between the places that agree."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images import resize_long_side

Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]

PAPER = (247, 246, 243)
"""Background of drawings, RGB; lines and captions are readable on it."""

_SUBPIXEL_BITS = 4
_SUBPIXEL_STEPS = 1 << _SUBPIXEL_BITS
_LINE_OPACITY = 0.7
_OUTLIER_OPACITY = 0.45
_OUTLIER_GREY = (190, 190, 190)
_OUTLINE_YELLOW = (255, 214, 10)
_DARK = (20, 20, 20)
_FAR_PX = 1e6
_FULL_HUE = 150
"""Of OpenCV's 180 steps: the last would be red again, like the first."""


def _no_points() -> Points:
    return np.empty((0, 2))


@dataclass(frozen=True, eq=False)
class View:
    """One of the two images of a drawing.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, at any size.
        points: agreeing places, float64 (n, 2), x then y.
        width_px: width of the image in which the points were measured.
        outliers: places of correspondences that do not agree, float64 (m, 2).
        outline: corners of the other image's frame as the model maps it into this one, float64
            (4, 2); empty for none.
    """

    pixels: Pixels
    points: Points
    width_px: int
    outliers: Points = field(default_factory=_no_points)
    outline: Points = field(default_factory=_no_points)


@dataclass(frozen=True)
class DrawingSettings:
    """Sizes in pixels, and how many lines are drawn at most."""

    panel_px: int
    gap_px: int
    max_lines: int
    line_px: int
    max_outliers: int = 0


def draw_side_by_side(view_a: View, view_b: View, settings: DrawingSettings) -> Pixels:
    """Draw two images beside each other and join the places that agree.

    Point i of one image belongs to point i of the other. Where there are too many lines to tell
    apart, a subset that is spread over the first image is drawn; which one depends on the points
    alone. The colour of a line follows its height in the first image, so that order is visible.
    Outliers are joined faintly in grey, underneath. The outline of the other image's frame is
    yellow.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    panel_a, panel_b = (_make_panel(view, settings) for view in (view_a, view_b))
    canvas, corner_a, corner_b = _lay_out(panel_a, panel_b, settings.gap_px)
    scale_a = panel_a.shape[1] / view_a.width_px
    scale_b = panel_b.shape[1] / view_b.width_px
    outliers = spread_points(view_a.outliers, settings.max_outliers)
    if len(outliers) > 0:
        ends_a = corner_a + view_a.outliers[outliers] * scale_a
        ends_b = corner_b + view_b.outliers[outliers] * scale_b
        canvas = _join_faintly(canvas, ends_a, ends_b)
    shown = spread_points(view_a.points, settings.max_lines)
    if len(shown) == 0:
        return canvas
    ends_a = corner_a + view_a.points[shown] * scale_a
    ends_b = corner_b + view_b.points[shown] * scale_b
    colours = _colours_by_height(ends_a[:, 1])
    return _join(canvas, ends_a, ends_b, colours, settings.line_px)


def spread_points(points: Points, max_points: int) -> NDArray[np.intp]:
    """Choose points that are far from each other (farthest-point sampling, Gonzalez 1985).

    Args:
        points: float64 (n, 2).
        max_points: how many at most.

    Returns:
        Indices in ascending order; all of them when there are few enough.
    """
    if len(points) <= max_points:
        return np.arange(len(points))
    if max_points == 0:
        return np.empty(0, np.intp)
    chosen = [int(np.argmin(np.sum((points - points.mean(axis=0)) ** 2, axis=1)))]
    distance = np.full(len(points), np.inf)
    while len(chosen) < max_points:
        to_last = np.sum((points - points[chosen[-1]]) ** 2, axis=1)
        distance = np.minimum(distance, to_last)
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance)))
    return np.array(sorted(chosen), np.intp)


def _make_panel(view: View, settings: DrawingSettings) -> Pixels:
    """The image at its size in the drawing; what of the outline lies outside is cut off."""
    panel = resize_long_side(view.pixels, settings.panel_px)
    if len(view.outline) == 0:
        return panel
    outlined = panel.copy()
    corners = _clip_far(view.outline * (panel.shape[1] / view.width_px))
    polygon = np.array(_subpixels(corners), np.int32)
    rim, core = (settings.line_px + 3, _DARK), (settings.line_px + 1, _OUTLINE_YELLOW)
    for width_px, colour in (rim, core):
        cv2.polylines(
            outlined,
            [polygon],
            isClosed=True,
            color=colour,
            thickness=width_px,
            lineType=cv2.LINE_AA,
            shift=_SUBPIXEL_BITS,
        )
    return outlined


def _lay_out(panel_a: Pixels, panel_b: Pixels, gap_px: int) -> tuple[Pixels, Points, Points]:
    """Place two panels, centred on one line; return the canvas and their upper left corners."""
    height = max(panel_a.shape[0], panel_b.shape[0])
    width = panel_a.shape[1] + gap_px + panel_b.shape[1]
    canvas: Pixels = np.full((height, width, 3), PAPER, np.uint8)
    corners = []
    left = 0
    for panel in (panel_a, panel_b):
        top = (height - panel.shape[0]) // 2
        canvas[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
        corners.append(np.array([left, top], np.float64))
        left += panel.shape[1] + gap_px
    return canvas, corners[0], corners[1]


def _colours_by_height(heights: NDArray[np.float64]) -> list[tuple[int, int, int]]:
    span = max(float(np.ptp(heights)), 1.0)
    hues = np.rint((heights - heights.min()) / span * _FULL_HUE).astype(np.uint8)
    full = np.full_like(hues, 255)
    hsv = np.stack([hues, full, full], axis=1)[None]
    return [(int(r), int(g), int(b)) for r, g, b in cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]]


def _join(
    canvas: Pixels,
    ends_a: Points,
    ends_b: Points,
    colours: list[tuple[int, int, int]],
    line_px: int,
) -> Pixels:
    drawn = canvas.copy()
    for a, b, colour in zip(_subpixels(ends_a), _subpixels(ends_b), colours, strict=True):
        cv2.line(drawn, a, b, colour, line_px, cv2.LINE_AA, _SUBPIXEL_BITS)
    blended = cv2.addWeighted(drawn, _LINE_OPACITY, canvas, 1.0 - _LINE_OPACITY, 0.0)
    joined = np.asarray(blended, np.uint8)
    for a, b, colour in zip(_subpixels(ends_a), _subpixels(ends_b), colours, strict=True):
        for end in (a, b):
            _draw_dot(joined, end, colour, line_px)
    return joined


def _join_faintly(canvas: Pixels, ends_a: Points, ends_b: Points) -> Pixels:
    drawn = canvas.copy()
    for a, b in zip(_subpixels(ends_a), _subpixels(ends_b), strict=True):
        cv2.line(drawn, a, b, _OUTLIER_GREY, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    blended = cv2.addWeighted(drawn, _OUTLIER_OPACITY, canvas, 1.0 - _OUTLIER_OPACITY, 0.0)
    return np.asarray(blended, np.uint8)


def _draw_dot(
    canvas: Pixels, centre: tuple[int, int], colour: tuple[int, int, int], line_px: int
) -> None:
    """Draw a dot with a dark rim, so that it shows on bright and on dark pictures."""
    for radius_px, fill in ((line_px + 2, _DARK), (line_px + 1, colour)):
        radius = radius_px * _SUBPIXEL_STEPS
        cv2.circle(canvas, centre, radius, fill, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _clip_far(points: Points) -> Points:
    """Keep what a wild model maps far away within what OpenCV's whole numbers hold."""
    return np.clip(points, -_FAR_PX, _FAR_PX)


def _subpixels(points: Points) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in np.rint(points * _SUBPIXEL_STEPS)]
