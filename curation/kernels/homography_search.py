"""The refinement of an affine map to a homography; see `curation.homography`."""

import math

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call

Frames = NDArray[np.float64]
"""Points of correspondences, float64 (4, n): x and y in image a, x and y in image b."""
Map = NDArray[np.float64]
"""Homography, float64 (9,): row by row."""
Mask = NDArray[np.bool_]

_NUM_UNKNOWNS = 8
_MIN_POINTS = 4
_SINGULAR = 1e-9
"""Pivot, relative to the largest entry, below which points determine no homography."""
_ROUNDING_PX = 1e-6


@compile_on_first_call
def square_residuals(homography: Map, points: Frames, squared: NDArray[np.float64]) -> None:
    """Squared distances in image b, into `squared` (n,); infinite behind the vanishing line."""
    h = homography
    for i in range(points.shape[1]):
        x, y = points[0, i], points[1, i]
        depth = h[6] * x + h[7] * y + h[8]
        squared[i] = np.inf
        if depth > 0:
            dx = (h[0] * x + h[1] * y + h[2]) / depth - points[2, i]
            dy = (h[3] * x + h[4] * y + h[5]) / depth - points[3, i]
            squared[i] = dx * dx + dy * dy


@compile_on_first_call
def normalise(points: Frames, chosen: Mask, side: int) -> tuple[float, float, float]:
    """Centre of the chosen points of one image, and the factor that makes their spread sqrt(2)."""
    count, x, y = 0, 0.0, 0.0
    for i in range(points.shape[1]):
        if chosen[i]:
            count += 1
            x += points[side, i]
            y += points[side + 1, i]
    x, y = x / count, y / count
    total = 0.0
    for i in range(points.shape[1]):
        if chosen[i]:
            total += math.hypot(points[side, i] - x, points[side + 1, i] - y)
    return x, y, math.sqrt(2.0) * count / total


@compile_on_first_call
def solve(system: NDArray[np.float64]) -> bool:
    """Gaussian elimination of (8, 9) in place; the last column becomes the solution."""
    largest = np.abs(system).max()
    for k in range(_NUM_UNKNOWNS):
        pivot = k + np.abs(system[k:, k]).argmax()
        # Asked so that what is no number fails too.
        if not abs(system[pivot, k]) > _SINGULAR * largest:
            return False
        for j in range(_NUM_UNKNOWNS + 1):
            system[k, j], system[pivot, j] = system[pivot, j], system[k, j]
        for i in range(_NUM_UNKNOWNS):
            if i != k:
                factor = system[i, k] / system[k, k]
                for j in range(k, _NUM_UNKNOWNS + 1):
                    system[i, j] -= factor * system[k, j]
    for k in range(_NUM_UNKNOWNS):
        system[k, _NUM_UNKNOWNS] /= system[k, k]
    return True


@compile_on_first_call
def fit_homography(points: Frames, chosen: Mask, fitted: Map) -> bool:
    """Normalised direct linear transformation (Hartley and Zisserman 2004, section 4.4).

    The centre of the chosen points lies before the vanishing line, so that its depth can be set
    to one; what remains is a linear system.

    Returns:
        False where the points determine no homography.
    """
    count = 0
    for i in range(len(chosen)):
        count += chosen[i]
    if count < _MIN_POINTS:
        return False
    ax, ay, a_scale = normalise(points, chosen, 0)
    bx, by, b_scale = normalise(points, chosen, 2)
    if not (math.isfinite(a_scale) and math.isfinite(b_scale)):
        return False
    system = np.zeros((_NUM_UNKNOWNS, _NUM_UNKNOWNS + 1), np.float64)
    row = np.empty((2, _NUM_UNKNOWNS + 1), np.float64)
    for i in range(points.shape[1]):
        if not chosen[i]:
            continue
        x, y = (points[0, i] - ax) * a_scale, (points[1, i] - ay) * a_scale
        u, v = (points[2, i] - bx) * b_scale, (points[3, i] - by) * b_scale
        row[0] = (x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u)
        row[1] = (0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v)
        for side in range(2):
            for j in range(_NUM_UNKNOWNS):
                for k in range(_NUM_UNKNOWNS + 1):
                    system[j, k] += row[side, j] * row[side, k]
    if not solve(system):
        return False
    h = np.ones(9, np.float64)
    h[:_NUM_UNKNOWNS] = system[:, _NUM_UNKNOWNS]
    for j in range(3):  # from normalised to pixels of a
        h[3 * j] *= a_scale
        h[3 * j + 1] *= a_scale
        h[3 * j + 2] -= h[3 * j] * ax + h[3 * j + 1] * ay
    for k in range(3):  # and to pixels of b
        fitted[k] = h[k] / b_scale + bx * h[6 + k]
        fitted[3 + k] = h[3 + k] / b_scale + by * h[6 + k]
        fitted[6 + k] = h[6 + k]
    return True


@compile_on_first_call
def search_homography(
    points: Frames, inliers: Mask, total_px: float, tolerance_px: float, rounds: int
) -> tuple[bool, Map, NDArray[np.float64]]:
    """The whole search of `curation.homography.refine_homography`.

    Args:
        points: of all correspondences.
        inliers: those of the affine map.
        total_px: sum of their residuals.
        tolerance_px: residual allowed to an inlier.
        rounds: fits, each to the inliers of the one before.

    Returns:
        Whether a homography was found that has more inliers than the affine map, or as many that
        fit better; the homography; the squared residuals of all correspondences.
    """
    best_count, best_px, is_found = inliers.sum(), total_px, False
    chosen = inliers.copy()
    best, fitted = np.zeros((2, 9), np.float64)
    squared = np.empty(points.shape[1], np.float64)
    for _ in range(rounds):
        if not fit_homography(points, chosen, fitted):
            break
        square_residuals(fitted, points, squared)
        count, sum_px = 0, 0.0
        for i in range(len(squared)):
            chosen[i] = squared[i] <= tolerance_px * tolerance_px
            if chosen[i]:
                count += 1
                sum_px += math.sqrt(squared[i])
        if count > best_count or (count == best_count and sum_px < best_px - _ROUNDING_PX):
            best_count, best_px, is_found = count, sum_px, True
            best[:] = fitted
    square_residuals(best, points, squared)
    return is_found, best, squared
