"""Which correspondences agree in place, scale and orientation; see `curation.geometry`."""

import numpy as np
from numpy.typing import NDArray

from curation.kernels import affine_search
from curation.kernels.affine_search import (
    ANGLE_STEPS_PER_TURN,
    RADIANS_PER_ANGLE_STEP,
    SIZE_STEPS_PER_OCTAVE,
    Codes,
    Frames,
    Index,
    Map,
    Mask,
    Steps,
    hypothesis_limit,
    list_hypotheses,
    square_residuals,
)
from curation.kernels.compilation import compile_with

_MOST_SIZE_STEPS = 2.0 * 65535.0
"""Two changes between codes of 16 bits differ by no more."""


@compile_with(affine_search)
def search_consistent(
    codes_a: Codes,
    codes_b: Codes,
    index_a: Index,
    index_b: Index,
    max_hypotheses: int,
    max_scale: float,
    wide_px: float,
    max_octaves: float,
    max_turn: float,
) -> tuple[bool, Map, Mask, NDArray[np.float64]]:
    """The whole search of `curation.geometry.find_consistent`.

    The arguments are those of `affine_search.search_affine`, and the differences allowed between
    changes of scale, and between changes of angle, in radians.

    Returns:
        Whether there is any similarity; the best; who agrees with it; all residuals in pixels.
    """
    points, steps, chosen, maps = list_hypotheses(
        codes_a, codes_b, index_a, index_b, max_hypotheses, max_scale
    )
    most_steps = count_steps(max_octaves, max_turn)
    agreeing, squared = np.zeros(points.shape[1], np.bool_), np.empty(points.shape[1], np.float64)
    if len(maps) == 0:
        return False, np.empty(6, np.float64), agreeing, squared
    best, _ = find_best(points, steps, chosen, maps, wide_px, most_steps)
    square_residuals(maps[best], points, squared)
    limit = hypothesis_limit(maps[best], wide_px)
    find_agreeing(squared, limit, steps, chosen[best], most_steps, agreeing)
    return True, maps[best], agreeing, np.sqrt(squared)


@compile_with(affine_search)
def find_best(
    points: Frames,
    steps: Steps,
    chosen: NDArray[np.int64],
    maps: Map,
    wide_px: float,
    most_steps: tuple[int, int],
) -> tuple[int, int]:
    """Number of the similarity with which most agree, the first of equals, and how many do."""
    squared, agreeing = np.empty(points.shape[1], np.float64), np.empty(points.shape[1], np.bool_)
    best, best_count = 0, 0
    for k in range(len(maps)):
        square_residuals(maps[k], points, squared)
        limit = hypothesis_limit(maps[k], wide_px)
        count = find_agreeing(squared, limit, steps, chosen[k], most_steps, agreeing)
        if count > best_count:
            best, best_count = k, count
    return best, best_count


@compile_with(affine_search)
def count_steps(max_octaves: float, max_turn: float) -> tuple[int, int]:
    """Tolerances in scale and orientation, in stored steps, of which 32 bits hold any."""
    most_size = int(min(max_octaves * SIZE_STEPS_PER_OCTAVE, _MOST_SIZE_STEPS))
    return most_size, int(max_turn / RADIANS_PER_ANGLE_STEP + 0.5)


@compile_with(affine_search)
def find_agreeing(
    squared: NDArray[np.float64],
    limit: float,
    steps: Steps,
    proposer: int,
    most_steps: tuple[int, int],
    agreeing: Mask,
) -> int:
    """Which correspondences agree with the proposer of a similarity, into `agreeing` (n,).

    They do in place, scale and orientation: within squared pixels, steps of log2 diameter, and
    steps of angle. Returns how many do.
    """
    most_size, most_angle = np.int32(most_steps[0]), np.int32(most_steps[1])
    size, angle = steps[0, proposer], steps[1, proposer]
    half, mask = np.int32(ANGLE_STEPS_PER_TURN // 2), np.int32(ANGLE_STEPS_PER_TURN - 1)
    count = 0
    for i in range(len(squared)):
        # From minus half a turn to half a turn, in 32 bits, of which many fit a register.
        turn = np.int32(np.int32(np.int32(steps[1, i] - angle + half) & mask) - half)
        agrees = (
            (squared[i] <= limit)
            & (abs(np.int32(steps[0, i] - size)) <= most_size)
            & (abs(turn) <= most_angle)
        )
        agreeing[i] = agrees
        count += agrees
    return count


@compile_with(affine_search)
def count_consistent(
    codes_a: Codes,
    codes_b: Codes,
    index_a: Index,
    index_b: Index,
    max_hypotheses: int,
    max_scale: float,
    wide_px: float,
    max_octaves: float,
    max_turn: float,
) -> int:
    """How many correspondences agree with the similarity that `search_consistent` finds.

    The arguments are the same.
    """
    points, steps, chosen, maps = list_hypotheses(
        codes_a, codes_b, index_a, index_b, max_hypotheses, max_scale
    )
    return find_best(points, steps, chosen, maps, wide_px, count_steps(max_octaves, max_turn))[1]
