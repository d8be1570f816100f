"""The search for the affine map that most correspondences agree with; see `curation.geometry`."""

import math

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call

Codes = NDArray[np.uint16]
"""Geometry as stored, uint16 (n, 4): x, y, log2 of the diameter, angle."""
Frames = NDArray[np.float64]
"""Points of correspondences, float64 (4, n): x and y in image a, x and y in image b."""
Map = NDArray[np.float64]
"""Affine map, float64 (6,): row by row."""
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]
Steps = NDArray[np.int32]
"""Changes of frames, int32 (2, n): of log2 diameter and of angle, in stored steps."""

_XY_STEPS_PER_PX = 32.0
SIZE_STEPS_PER_OCTAVE = 2048.0
ANGLE_STEPS_PER_TURN = 65536
RADIANS_PER_ANGLE_STEP = 2.0 * math.pi / 65536.0
_MIN_POINTS = 3
"""An affine map has six unknowns, two per point."""
_FLAT = 1e-4
"""Points whose spread across their main axis is below this share of the spread along it lie on a
line, and determine no affine map."""
_ROUNDING_PX = 1e-6
"""Maps through the same number of points whose residuals differ by less are equally good: three
points leave none but what rounding makes of it."""


@compile_on_first_call
def gather_points(codes_a: Codes, codes_b: Codes, index_a: Index, index_b: Index) -> Frames:
    """The points of correspondences, in pixels."""
    points = np.empty((4, len(index_a)), np.float64)
    for i in range(len(index_a)):
        a, b = index_a[i], index_b[i]
        points[0, i] = codes_a[a, 0] / _XY_STEPS_PER_PX
        points[1, i] = codes_a[a, 1] / _XY_STEPS_PER_PX
        points[2, i] = codes_b[b, 0] / _XY_STEPS_PER_PX
        points[3, i] = codes_b[b, 1] / _XY_STEPS_PER_PX
    return points


@compile_on_first_call
def compare_frames(codes_a: Codes, codes_b: Codes, index_a: Index, index_b: Index) -> Steps:
    """Changes of log2 diameter and of angle, from a to b."""
    steps = np.empty((2, len(index_a)), np.int32)
    for row in range(2):
        for i in range(len(index_a)):
            steps[row, i] = int(codes_b[index_b[i], 2 + row]) - int(codes_a[index_a[i], 2 + row])
    return steps


@compile_on_first_call
def choose_hypotheses(steps: Steps, max_scale: float, most: int) -> NDArray[np.int64]:
    """At most `most` correspondences, evenly spaced over those that change the scale little."""
    most_steps = math.log2(max_scale) * SIZE_STEPS_PER_OCTAVE
    usable = np.flatnonzero(np.abs(steps[0]) <= most_steps)
    places = np.arange(min(len(usable), most))
    return usable[places * len(usable) // max(len(places), 1)]


@compile_on_first_call
def propose_similarities(points: Frames, steps: Steps, chosen: NDArray[np.int64]) -> Map:
    """The similarities of single correspondences, float64 (k, 6)."""
    maps = np.empty((len(chosen), 6), np.float64)
    for k in range(len(chosen)):
        i = chosen[k]
        scale = 2.0 ** (steps[0, i] / SIZE_STEPS_PER_OCTAVE)
        turn = steps[1, i] * RADIANS_PER_ANGLE_STEP
        cos, sin = scale * math.cos(turn), scale * math.sin(turn)
        maps[k, 0], maps[k, 1] = cos, -sin
        maps[k, 3], maps[k, 4] = sin, cos
        maps[k, 2] = points[2, i] - (cos * points[0, i] - sin * points[1, i])
        maps[k, 5] = points[3, i] - (sin * points[0, i] + cos * points[1, i])
    return maps


@compile_on_first_call
def list_hypotheses(
    codes_a: Codes,
    codes_b: Codes,
    index_a: Index,
    index_b: Index,
    max_hypotheses: int,
    max_scale: float,
) -> tuple[Frames, Steps, NDArray[np.int64], Map]:
    """Points and steps of correspondences, those that propose a similarity, and what they do."""
    points = gather_points(codes_a, codes_b, index_a, index_b)
    steps = compare_frames(codes_a, codes_b, index_a, index_b)
    chosen = choose_hypotheses(steps, max_scale, max_hypotheses)
    return points, steps, chosen, propose_similarities(points, steps, chosen)


@compile_on_first_call
def square_residuals(linear: Map, points: Frames, squared: NDArray[np.float64]) -> None:
    """Squared distances in image b between mapped and matched points, into `squared` (n,)."""
    # In registers: the compiler cannot know that `squared` is not part of the map.
    xx, xy, x0 = linear[0], linear[1], linear[2]
    yx, yy, y0 = linear[3], linear[4], linear[5]
    for i in range(points.shape[1]):
        x, y = points[0, i], points[1, i]
        dx = xx * x + xy * y + x0 - points[2, i]
        dy = yx * x + yy * y + y0 - points[3, i]
        squared[i] = dx * dx + dy * dy


@compile_on_first_call
def count_agreeing(maps: Map, points: Frames, tolerance_px: float) -> NDArray[np.int64]:
    """For every similarity the correspondences within its tolerance, int64 (k,)."""
    counts = np.empty(len(maps), np.int64)
    for k in range(len(maps)):
        xx, xy, x0 = maps[k, 0], maps[k, 1], maps[k, 2]
        yx, yy, y0 = maps[k, 3], maps[k, 4], maps[k, 5]
        limit = hypothesis_limit(maps[k], tolerance_px)
        count = 0
        # As `square_residuals`, but without writing them down.
        for i in range(points.shape[1]):
            x, y = points[0, i], points[1, i]
            dx = xx * x + xy * y + x0 - points[2, i]
            dy = yx * x + yy * y + y0 - points[3, i]
            count += dx * dx + dy * dy <= limit
        counts[k] = count
    return counts


@compile_on_first_call
def hypothesis_limit(similarity: Map, tolerance_px: float) -> float:
    """Largest squared residual of a similarity; frames of coarse features are coarser."""
    scale = math.hypot(similarity[0], similarity[3])
    limit_px = tolerance_px * min(max(scale, 0.5), 2.0)
    return limit_px * limit_px


@compile_on_first_call
def lies_on_line(xx: float, xy: float, yy: float) -> bool:
    """Whether the scatter matrix of points belongs to points on a line."""
    middle, radius = 0.5 * (xx + yy), math.sqrt(0.25 * (xx - yy) * (xx - yy) + xy * xy)
    return middle - radius <= _FLAT * _FLAT * (middle + radius)


@compile_on_first_call
def fit_map(points: Frames, chosen: Mask, fitted: Map) -> bool:
    """Least-squares affine map of the chosen points, into `fitted`; False where none exists."""
    index = np.empty(points.shape[1], np.int64)
    count = 0
    for i in range(points.shape[1]):
        # Written in any case: a branch on what looks random would stall the processor.
        index[count] = i
        count += chosen[i]
    if count < _MIN_POINTS:
        return False
    mean_x_a = mean_y_a = mean_x_b = mean_y_b = 0.0
    for k in range(count):
        i = index[k]
        mean_x_a += points[0, i]
        mean_y_a += points[1, i]
        mean_x_b += points[2, i]
        mean_y_b += points[3, i]
    mean_x_a, mean_y_a = mean_x_a / count, mean_y_a / count
    mean_x_b, mean_y_b = mean_x_b / count, mean_y_b / count
    # Scatter of a, of b, and between them.
    aa_xx = aa_xy = aa_yy = bb_xx = bb_xy = bb_yy = 0.0
    ab_xx = ab_xy = ab_yx = ab_yy = 0.0
    for k in range(count):
        i = index[k]
        x_a, y_a = points[0, i] - mean_x_a, points[1, i] - mean_y_a
        x_b, y_b = points[2, i] - mean_x_b, points[3, i] - mean_y_b
        aa_xx += x_a * x_a
        aa_xy += x_a * y_a
        aa_yy += y_a * y_a
        bb_xx += x_b * x_b
        bb_xy += x_b * y_b
        bb_yy += y_b * y_b
        ab_xx += x_a * x_b
        ab_xy += x_a * y_b
        ab_yx += y_a * x_b
        ab_yy += y_a * y_b
    if lies_on_line(aa_xx, aa_xy, aa_yy) or lies_on_line(bb_xx, bb_xy, bb_yy):
        return False
    determinant = aa_xx * aa_yy - aa_xy * aa_xy
    fitted[0] = (ab_xx * aa_yy - ab_yx * aa_xy) / determinant
    fitted[1] = (ab_yx * aa_xx - ab_xx * aa_xy) / determinant
    fitted[3] = (ab_xy * aa_yy - ab_yy * aa_xy) / determinant
    fitted[4] = (ab_yy * aa_xx - ab_xy * aa_xy) / determinant
    fitted[2] = mean_x_b - (fitted[0] * mean_x_a + fitted[1] * mean_y_a)
    fitted[5] = mean_y_b - (fitted[3] * mean_x_a + fitted[4] * mean_y_a)
    return True


@compile_on_first_call
def is_better(count: int, total_px: float, best_count: int, best_total_px: float) -> bool:
    """Whether a map has more inliers than the best so far, or as many that fit better."""
    return count > best_count or (count == best_count and total_px < best_total_px - _ROUNDING_PX)


@compile_on_first_call
def refine(
    similarity: Map,
    points: Frames,
    wide_px: float,
    narrow_px: float,
    rounds: int,
    best: Map,
    squared: NDArray[np.float64],
) -> tuple[int, float]:
    """Fit again and again while the tolerance shrinks, and keep the best map seen in `best`.

    Returns:
        Its inliers within `narrow_px` and the sum of their residuals; -1 and 0 where no map
        could be fitted.
    """
    best_count, best_sum = -1, 0.0
    fitted = np.empty(6, np.float64)
    square_residuals(similarity, points, squared)
    agreeing = squared <= hypothesis_limit(similarity, wide_px)
    for number in range(rounds):
        if not fit_map(points, agreeing, fitted):
            break
        square_residuals(fitted, points, squared)
        share = number / (rounds - 1) if rounds > 1 else 0.0
        limit_px = wide_px + share * (narrow_px - wide_px)
        count, total = 0, 0.0
        for i in range(len(squared)):
            agreeing[i] = squared[i] <= limit_px * limit_px
            is_inlier = squared[i] <= narrow_px * narrow_px
            count += is_inlier
            total += math.sqrt(squared[i]) if is_inlier else 0.0
        if is_better(count, total, best_count, best_sum):
            best_count, best_sum = count, total
            best[:] = fitted
    return best_count, best_sum


@compile_on_first_call
def search_affine(
    codes_a: Codes,
    codes_b: Codes,
    index_a: Index,
    index_b: Index,
    max_hypotheses: int,
    max_scale: float,
    wide_px: float,
    narrow_px: float,
    rounds: int,
    num_refined: int,
) -> tuple[bool, Map, Mask, NDArray[np.float64]]:
    """The whole search of `curation.geometry.estimate_affine`.

    Args:
        codes_a: stored geometry of image a, and so `codes_b`.
        codes_b: likewise.
        index_a: features of a, one per correspondence, intp (n,); `index_b` has their partners.
        index_b: likewise.
        max_hypotheses: similarities tried.
        max_scale: largest change of scale of a similarity.
        wide_px: residual allowed to a similarity.
        narrow_px: residual allowed to an inlier.
        rounds: fits per refined similarity.
        num_refined: similarities refined.

    Returns:
        Whether a map was found; the map; who agrees with it; all residuals in pixels.
    """
    points, _, _, maps = list_hypotheses(
        codes_a, codes_b, index_a, index_b, max_hypotheses, max_scale
    )
    counts = count_agreeing(maps, points, wide_px)
    squared = np.empty(points.shape[1], np.float64)
    best, found = np.empty(6, np.float64), np.empty(6, np.float64)
    best_count, best_sum = -1, 0.0
    for _ in range(min(num_refined, len(maps))):
        # The first of equally good ones, on every machine.
        leader = counts.argmax()
        counts[leader] = -1
        count, total = refine(maps[leader], points, wide_px, narrow_px, rounds, found, squared)
        if is_better(count, total, best_count, best_sum):
            best_count, best_sum = count, total
            best[:] = found
    if best_count >= 0:
        square_residuals(best, points, squared)
    agreeing = squared <= narrow_px * narrow_px
    return best_count >= 0, best, agreeing, np.sqrt(squared)


@compile_on_first_call
def fit_core(
    xy_a: NDArray[np.float64], xy_b: NDArray[np.float64], rounds: int
) -> tuple[bool, Map, float, Mask]:
    """Fit all points (n, 2), n >= 1, then again and again the half that agrees best.

    Returns whether a map was found; it; the median of all squared residuals; who is in the half.
    """
    points = np.concatenate((xy_a, xy_b), axis=1).T.copy()
    best, squared = np.empty(6, np.float64), np.empty(len(xy_a), np.float64)
    is_core = np.ones(len(squared), np.bool_)
    for _ in range(rounds):
        if not fit_map(points, is_core, best):
            return False, best, 0.0, is_core
        square_residuals(best, points, squared)
        middle = (len(squared) - 1) // 2
        is_core = squared <= np.partition(squared, middle)[middle]
    return True, best, np.median(squared), is_core
