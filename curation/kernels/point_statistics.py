"""What the guards of `curation.plausibility` ask of the inliers of a pair, compiled."""

import math

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call

Points = NDArray[np.float64]


@compile_on_first_call
def count_cells(xy: Points, cell_px: float) -> int:
    """Cells of a grid that points (n, 2) occupy."""
    cells = np.empty(len(xy), np.int64)
    for i in range(len(xy)):
        column, row = math.floor(xy[i, 0] / cell_px), math.floor(xy[i, 1] / cell_px)
        cells[i] = (int(column) << 32) | int(row)
    cells.sort()
    count = min(len(cells), 1)
    for i in range(1, len(cells)):
        count += cells[i] != cells[i - 1]
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
def find_within(vectors: Points, length: float) -> NDArray[np.bool_]:
    """Which vectors (n, 2) are at most so long; bool (n,)."""
    within = np.empty(len(vectors), np.bool_)
    for i in range(len(vectors)):
        x, y = vectors[i, 0], vectors[i, 1]
        within[i] = math.sqrt(x * x + y * y) <= length
    return within


@compile_on_first_call
def measure_edge_distances(
    xy: Points, width: float, height: float, unit_x: float, unit_y: float
) -> NDArray[np.float64]:
    """Distance of points (n, 2) to the nearest edge, (n,), in a unit for each direction."""
    distances = np.empty(len(xy), np.float64)
    for i in range(len(xy)):
        x, y = xy[i, 0], xy[i, 1]
        distances[i] = min(min(x, width - x) / unit_x, min(y, height - y) / unit_y)
    return distances


@compile_on_first_call
def find_median(vectors: Points) -> NDArray[np.float64]:
    """The median of vectors (n, 2), n >= 1, in each direction, (2,)."""
    medians = np.empty(2, np.float64)
    middle = len(vectors) // 2
    for axis in range(2):
        values = vectors[:, axis].copy()
        values.sort()
        medians[axis] = values[middle]
        if len(vectors) % 2 == 0:
            medians[axis] = (values[middle - 1] + values[middle]) / 2
    return medians
