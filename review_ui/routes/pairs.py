"""Reading: the queue, pairs, and the points in which they agree."""

from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from starlette.status import HTTP_404_NOT_FOUND

from review_ui.access import Reader
from review_ui.describe import describe_pair, describe_queue
from review_ui.evidence import EvidenceError, MatchFinder, Pair
from review_ui.messages import PairOut, PointsOut, Problem, QueueOut
from review_ui.review import CurrentReview
from review_ui.work_queue import Filter, select_pairs

_NUM_DIGITS = 5
_MAX_CACHED = 4096

router = APIRouter(
    prefix="/api",
    tags=["pairs"],
    responses={401: {"model": Problem}, 404: {"model": Problem}},
)


@router.get("/queue")
def read_queue(
    review: CurrentReview,
    session: Reader,
    show: Annotated[Filter, Query()] = Filter.ALL,
    landmark_id: Annotated[int | None, Query()] = None,
) -> QueueOut:
    """The pairs of a filter, in the order of work."""
    sight = review.open_sight(session.reviewer)
    pairs = review.run.pairs
    if landmark_id is not None:
        pairs = review.run.pairs_of_class.get(landmark_id, ())
    chosen = select_pairs(pairs, show, sight.mine, sight.states, sight.known_disputes)
    return describe_queue(review, chosen, sight)


@router.get("/pairs/{pair_id}")
def read_pair(review: CurrentReview, session: Reader, pair_id: str) -> PairOut:
    """All that the pair view shows."""
    return describe_pair(review, review.find_pair(pair_id), session.reviewer)


@router.get("/pairs/{pair_id}/points")
def read_points(review: CurrentReview, session: Reader, pair_id: str) -> PointsOut:  # noqa: ARG001
    """Where the pair agrees; nothing for a class found by its name."""
    pair = review.find_pair(pair_id)
    try:
        return _find_points(review.run.finder, pair)
    except EvidenceError as error:
        raise HTTPException(HTTP_404_NOT_FOUND, str(error)) from error


@lru_cache(maxsize=_MAX_CACHED)
def _find_points(finder: MatchFinder, pair: Pair) -> PointsOut:
    if pair.query is None:
        return PointsOut(in_query=(), in_image=())
    points = finder.find(pair)
    return PointsOut(
        in_query=tuple(map(tuple, points.in_query.round(_NUM_DIGITS).tolist())),
        in_image=tuple(map(tuple, points.in_image.round(_NUM_DIGITS).tolist())),
    )
