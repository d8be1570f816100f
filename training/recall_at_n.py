"""Recall@N of visual place recognition, and the ground truths that it is measured against.

A query is recognised at N if one of its first N database images was taken at the same place
(Arandjelović et al. 2016, "NetVLAD", section 5.1). What the same place is differs by data set:
within 25 m, within some frames of a synchronised video, or within 25 m and 40 degrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

DEFAULT_CUTOFFS: Final = (1, 5, 10, 20)
DEFAULT_RADIUS_M: Final = 25.0
DEFAULT_HEADING_DEGREES: Final = 40.0
"""Of the Mapillary challenge (Warburg et al. 2020)."""
DEFAULT_FRAMES: Final = 10
"""Of Nordland in Patch-NetVLAD (Hausler et al. 2021); others use 1 or 2: say which."""
TOKYO_VIEWS_PER_PANORAMA: Final = 12

NO_IMAGE: Final = -1
"""What fills a ranking up when the database has fewer images, as faiss does."""

_FULL_TURN_DEGREES = 360.0

Positives = Sequence[NDArray[np.int64]]
"""For each query the database positions taken at its place, ascending."""


@dataclass(frozen=True)
class Recall:
    """Recall at each cutoff.

    Attributes:
        recall_at: N -> share of the counted queries that were recognised.
        num_queries: all queries.
        num_without_positives: of them, those that no database image can recognise.
        skipped_empty: whether those are left out of the shares.
    """

    recall_at: dict[int, float]
    num_queries: int
    num_without_positives: int
    skipped_empty: bool


def find_positives_by_distance(
    query_xy_m: NDArray[np.float64],
    database_xy_m: NDArray[np.float64],
    radius_m: float = DEFAULT_RADIUS_M,
) -> list[NDArray[np.int64]]:
    """Find the database images within a distance of each query, the limit included.

    Args:
        query_xy_m: float64 (num_queries, 2), metres in a plane, e.g. UTM east and north. Single
            precision would round them to half a metre.
        database_xy_m: float64 (num_database, 2), likewise.
        radius_m: the limit.
    """
    return [_find_near(xy, database_xy_m, radius_m) for xy in query_xy_m]


def find_positives_by_heading(
    query_xy_m: NDArray[np.float64],
    database_xy_m: NDArray[np.float64],
    query_headings_degrees: NDArray[np.float64],
    database_headings_degrees: NDArray[np.float64],
    *,
    radius_m: float = DEFAULT_RADIUS_M,
    max_turn_degrees: float = DEFAULT_HEADING_DEGREES,
) -> list[NDArray[np.int64]]:
    """Find the database images near each query that look the same way, the limits included.

    Args:
        query_xy_m: float64 (num_queries, 2), metres in a plane.
        database_xy_m: float64 (num_database, 2), likewise.
        query_headings_degrees: float64 (num_queries,), of any range.
        database_headings_degrees: float64 (num_database,), likewise.
        radius_m: the largest distance.
        max_turn_degrees: the largest angle between two headings, the short way round.
    """
    positives = []
    for xy, heading in zip(query_xy_m, query_headings_degrees, strict=True):
        near = _find_near(xy, database_xy_m, radius_m)
        turn = np.abs(database_headings_degrees[near] - heading) % _FULL_TURN_DEGREES
        positives.append(near[np.minimum(turn, _FULL_TURN_DEGREES - turn) <= max_turn_degrees])
    return positives


def find_positives_by_frame(
    query_frames: NDArray[np.integer],
    database_frames: NDArray[np.integer],
    max_frames: int = DEFAULT_FRAMES,
) -> list[NDArray[np.int64]]:
    """Find the database frames at most so many frames away, in synchronised videos.

    Args:
        query_frames: int (num_queries,), frame numbers.
        database_frames: int (num_database,), likewise.
        max_frames: the limit, included.
    """
    # Unsigned frame numbers would wrap round where the difference is negative.
    database = database_frames.astype(np.int64)
    return [
        np.flatnonzero(np.abs(database - frame) <= max_frames)
        for frame in query_frames.astype(np.int64)
    ]


def keep_first_views(
    rankings: NDArray[np.integer], views_per_panorama: int = TOKYO_VIEWS_PER_PANORAMA
) -> NDArray[np.int64]:
    """Keep the best view of each panorama, as Tokyo 24/7 is scored (Arandjelović et al. 2016).

    Args:
        rankings: int (num_queries, depth) of database positions, where each panorama has so many
            views in a row. For N results search N times `views_per_panorama` deep.
        views_per_panorama: views cut out of one panorama.

    Returns:
        int64 (num_queries, depth), filled up with `NO_IMAGE`.
    """
    kept = np.full(rankings.shape, NO_IMAGE, np.int64)
    for row, ranking in enumerate(rankings):
        found = ranking[ranking != NO_IMAGE]
        _, first = np.unique(found // views_per_panorama, return_index=True)
        kept[row, : len(first)] = found[np.sort(first)]
    return kept


def compute_recall(
    rankings: NDArray[np.integer],
    positives: Positives,
    cutoffs: Sequence[int] = DEFAULT_CUTOFFS,
    *,
    skip_empty: bool = False,
) -> Recall:
    """Share of queries that have a positive among their first N.

    Args:
        rankings: int (num_queries, depth), database positions, the best first; `NO_IMAGE` where
            the database has fewer images.
        positives: one array per query.
        cutoffs: the N, each from 1 to depth.
        skip_empty: leave queries without positives out of the shares. The benchmarks keep them,
            as failures.

    Raises:
        ValueError: the number of rankings is wrong, a cutoff lies beyond them, or no query counts.
    """
    _check_rankings(rankings, positives, cutoffs)
    is_empty = np.array([len(truth) == 0 for truth in positives], np.bool_)
    # Position -1 is no image: it is never a positive, so it never counts.
    is_right = np.array(
        [np.isin(row, truth) for row, truth in zip(rankings, positives, strict=True)], np.bool_
    )
    counted = is_right[~is_empty] if skip_empty else is_right
    if len(counted) == 0:
        raise ValueError("no query has a positive: the ground truth is not that of these images")
    return Recall(
        {cutoff: float(counted[:, :cutoff].any(axis=1).mean()) for cutoff in cutoffs},
        num_queries=len(positives),
        num_without_positives=int(is_empty.sum()),
        skipped_empty=skip_empty,
    )


def _find_near(
    xy_m: NDArray[np.float64], database_xy_m: NDArray[np.float64], radius_m: float
) -> NDArray[np.int64]:
    east_m, north_m = (database_xy_m - xy_m).T
    return np.flatnonzero(np.hypot(east_m, north_m) <= radius_m)


def _check_rankings(
    rankings: NDArray[np.integer], positives: Positives, cutoffs: Sequence[int]
) -> None:
    if rankings.ndim != 2 or len(rankings) != len(positives) or len(positives) == 0:
        raise ValueError(
            f"rankings of shape {rankings.shape} for {len(positives)} queries: give one row each"
        )
    if not all(1 <= cutoff <= rankings.shape[1] for cutoff in cutoffs):
        raise ValueError(
            f"recall at {list(cutoffs)} of rankings {rankings.shape[1]} deep: search deeper, or "
            f"fill up with {NO_IMAGE} if the database has no more images"
        )
    if any((truth < 0).any() for truth in positives):
        raise ValueError("the positives hold a negative position; they count from 0")
