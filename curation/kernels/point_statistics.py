"""What the guards of `curation.plausibility` ask of the inliers of a pair, compiled."""

import math

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]
Shape = tuple[int, int]
"""Width and height in pixels."""

_XY_STEPS_PER_PX = 32.0
_NO_CELL = -1
"""No cell of a picture: its columns and rows begin at 0."""


@compile_on_first_call
def gather_places(codes: NDArray[np.uint16], index: NDArray[np.intp]) -> Points:
    """The positions of features, in pixels, float64 (n, 2)."""
    xy = np.empty((len(index), 2), np.float64)
    for i in range(len(index)):
        xy[i, 0] = codes[index[i], 0] / _XY_STEPS_PER_PX
        xy[i, 1] = codes[index[i], 1] / _XY_STEPS_PER_PX
    return xy


@compile_on_first_call
def measure_agreement(
    xy_a: Points,
    xy_b: Points,
    shape_a: Shape,
    shape_b: Shape,
    distinct_cell: float,
    spread_cell: float,
    frame_share: float,
    border_share: float,
    tolerance_px: float,
) -> tuple[int, tuple[int, int], tuple[int, int], tuple[float, float], int, int, int, int]:
    """All that `curation.plausibility.AgreementMeasures` says of inliers (n, 2), n >= 1.

    Args:
        xy_a: their places in image a.
        xy_b: their places in image b.
        shape_a: of image a.
        shape_b: of image b.
        distinct_cell: side of a place, as a share of the long side.
        spread_cell: side of a cell of the coarse grid, likewise.
        frame_share: width of a frame, as a share of width or height.
        border_share: width of the border, as a share of the diagonal.
        tolerance_px: deviation from a common shift.
    """
    long_a, long_b = float(max(shape_a)), float(max(shape_b))
    shifted = find_common_shift(xy_a, xy_b, tolerance_px)
    in_frame = find_in_frame(xy_a, xy_b, shape_a, shape_b, frame_share, tolerance_px)
    in_border = find_near_edges(
        xy_a,
        xy_b,
        shape_a,
        shape_b,
        border_share * math.hypot(shape_a[0], shape_a[1]),
        border_share * math.hypot(shape_b[0], shape_b[1]),
    )
    return (
        len(xy_a),
        (count_cells(xy_a, distinct_cell * long_a), count_cells(xy_b, distinct_cell * long_b)),
        (count_cells(xy_a, spread_cell * long_a), count_cells(xy_b, spread_cell * long_b)),
        (measure_minor_axis(xy_a) / long_a, measure_minor_axis(xy_b) / long_b),
        int(np.count_nonzero(in_frame)),
        int(np.count_nonzero(in_frame & shifted)),
        int(np.count_nonzero(in_border)),
        int(np.count_nonzero(in_border & shifted)),
    )


@compile_on_first_call
def count_cells(xy: Points, cell_px: float) -> int:
    """Cells of a grid that points (n, 2) occupy."""
    # Stored places are apart by a step at least: smaller cells would only outgrow integers.
    cell_px = max(cell_px, 1.0 / _XY_STEPS_PER_PX)
    size = 16
    while size < 2 * len(xy):
        size *= 2
    # A hash table of cells.
    cells = np.full(size, _NO_CELL, np.int64)
    count = 0
    for i in range(len(xy)):
        column, row = math.floor(xy[i, 0] / cell_px), math.floor(xy[i, 1] / cell_px)
        cell = (int(column) << 32) | int(row)
        slot = (int(column) * 40503 + int(row) * 30011) & (size - 1)
        while cells[slot] != _NO_CELL and cells[slot] != cell:
            slot = (slot + 1) & (size - 1)
        count += cells[slot] == _NO_CELL
        cells[slot] = cell
    return count


@compile_on_first_call
def measure_minor_axis(xy: Points) -> float:
    """Standard deviation of points (n, 2) across their main axis."""
    count = len(xy)
    mean_x = mean_y = 0.0
    for i in range(count):
        mean_x += xy[i, 0]
        mean_y += xy[i, 1]
    mean_x, mean_y = mean_x / count, mean_y / count
    xx = xy_ = yy = 0.0
    for i in range(count):
        x, y = xy[i, 0] - mean_x, xy[i, 1] - mean_y
        xx += x * x
        xy_ += x * y
        yy += y * y
    radius = math.sqrt(0.25 * (xx - yy) * (xx - yy) + xy_ * xy_)
    return math.sqrt(max(0.5 * (xx + yy) - radius, 0.0) / count)


@compile_on_first_call
def find_common_shift(xy_a: Points, xy_b: Points, tolerance_px: float) -> Mask:
    """Which points (n, 2), n >= 1, move from a to b as the median of them does; bool (n,)."""
    shift = xy_b - xy_a
    median = find_median(shift)
    moves_alike = np.empty(len(shift), np.bool_)
    for i in range(len(shift)):
        x, y = shift[i, 0] - median[0], shift[i, 1] - median[1]
        moves_alike[i] = math.sqrt(x * x + y * y) <= tolerance_px
    return moves_alike


@compile_on_first_call
def find_near_edges(
    xy_a: Points, xy_b: Points, shape_a: Shape, shape_b: Shape, reach_a: float, reach_b: float
) -> Mask:
    """Which points (n, 2) lie nearer than so many pixels to an edge, in both images; bool (n,)."""
    near = np.empty(len(xy_a), np.bool_)
    for i in range(len(xy_a)):
        near[i] = (
            edge_distance(xy_a[i], shape_a, (1, 1)) < reach_a
            and edge_distance(xy_b[i], shape_b, (1, 1)) < reach_b
        )
    return near


@compile_on_first_call
def find_in_frame(
    xy_a: Points,
    xy_b: Points,
    shape_a: Shape,
    shape_b: Shape,
    frame_share: float,
    tolerance_px: float,
) -> Mask:
    """Which points (n, 2) lie in the outer share of both images, at the same place; bool (n,)."""
    in_frame = np.empty(len(xy_a), np.bool_)
    for i in range(len(xy_a)):
        x, y = xy_b[i, 0] - xy_a[i, 0], xy_b[i, 1] - xy_a[i, 1]
        in_frame[i] = (
            edge_distance(xy_a[i], shape_a, shape_a) < frame_share
            and edge_distance(xy_b[i], shape_b, shape_b) < frame_share
            and math.sqrt(x * x + y * y) <= tolerance_px
        )
    return in_frame


@compile_on_first_call
def edge_distance(xy: Points, shape: Shape, unit: Shape) -> float:
    """Distance of a point (2,) to the nearest edge, in a unit for each direction."""
    x, y = float(xy[0]), float(xy[1])
    return min(min(x, shape[0] - x) / unit[0], min(y, shape[1] - y) / unit[1])


@compile_on_first_call
def count_outside(
    codes: NDArray[np.uint16], inliers: Points, to_other: Points, shape: Shape, margin_px: float
) -> tuple[int, int]:
    """How many features both images show, and how many of those lie outside the inliers' box.

    Args:
        codes: stored geometry of all features of an image, uint16 (n, 4).
        inliers: some of its points, (m, 2), m >= 1; the outermost 4 % in each direction do not
            count for the box.
        to_other: affine map to the other image, (2, 3).
        shape: of the other image.
        margin_px: width by which the box is enlarged on every side.
    """
    shares = np.array([2.0, 98.0])
    low_x, high_x = np.percentile(inliers[:, 0].copy(), shares)
    low_y, high_y = np.percentile(inliers[:, 1].copy(), shares)
    low_x, high_x = low_x - margin_px, high_x + margin_px
    low_y, high_y = low_y - margin_px, high_y + margin_px
    num_in_view = num_outside = 0
    for i in range(len(codes)):
        x, y = codes[i, 0] / _XY_STEPS_PER_PX, codes[i, 1] / _XY_STEPS_PER_PX
        mapped_x = to_other[0, 0] * x + to_other[0, 1] * y + to_other[0, 2]
        mapped_y = to_other[1, 0] * x + to_other[1, 1] * y + to_other[1, 2]
        in_view = 0 <= mapped_x <= shape[0] and 0 <= mapped_y <= shape[1]
        in_box = low_x <= x <= high_x and low_y <= y <= high_y
        num_in_view += in_view
        num_outside += in_view and not in_box
    return num_in_view, num_outside


@compile_on_first_call
def find_median(vectors: Points) -> NDArray[np.float64]:
    """The median of vectors (n, 2), n >= 1, in each direction, (2,)."""
    medians = np.empty(2, np.float64)
    middle = len(vectors) // 2
    for axis in range(2):
        values = np.partition(vectors[:, axis].copy(), middle)
        medians[axis] = values[middle]
        if len(vectors) % 2 == 0:
            medians[axis] = (values[:middle].max() + values[middle]) / 2
    return medians
