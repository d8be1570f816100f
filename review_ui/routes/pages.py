"""The pages: overview, pair view, class view, team, signing in."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from starlette.status import HTTP_303_SEE_OTHER

from review_ui.agreement import measure_agreement
from review_ui.class_page import describe_class, list_classes
from review_ui.describe import describe_pair, describe_queue
from review_ui.rendering import Visitor, render
from review_ui.review import CurrentReview
from review_ui.work_queue import Filter, select_pairs

router = APIRouter(include_in_schema=False)


@router.get("/")
def show_overview(request: Request, review: CurrentReview, session: Visitor) -> Response:
    """Progress, and the classes in the order of work."""
    sight = review.open_sight(session.reviewer)
    return render(
        request,
        "overview.html.j2",
        session,
        progress=sight.measure_progress(review.run.pairs),
        classes=list_classes(review, sight),
    )


@router.get("/review")
def show_pairs(
    request: Request,
    review: CurrentReview,
    session: Visitor,
    show: Annotated[Filter, Query()] = Filter.UNDECIDED,
    landmark_id: Annotated[int | None, Query()] = None,
    pair: Annotated[str | None, Query()] = None,
) -> Response:
    """The pair view, opened at a pair, or at the first of the filter."""
    sight = review.open_sight(session.reviewer)
    pairs = review.run.pairs
    if landmark_id is not None:
        review.find_class(landmark_id)
        pairs = review.run.pairs_of_class[landmark_id]
    chosen = select_pairs(pairs, show, sight.mine, sight.states, sight.known_disputes)
    first = chosen[0] if chosen else None
    if pair is not None:
        first = review.find_pair(pair)
        if first not in chosen:
            chosen = [first, *chosen]
    return render(
        request,
        "pair.html.j2",
        session,
        show=show,
        landmark=None if landmark_id is None else review.find_class(landmark_id),
        queue=describe_queue(review, chosen, sight).model_dump(mode="json"),
        first=None
        if first is None
        else describe_pair(review, first, session.reviewer).model_dump(mode="json"),
    )


@router.get("/classes/{landmark_id}")
def show_class(
    request: Request, review: CurrentReview, session: Visitor, landmark_id: int
) -> Response:
    """A class with all its evidence, and what each policy would do with it."""
    landmark = review.find_class(landmark_id)
    sight = review.open_sight(session.reviewer)
    page = describe_class(review, landmark, sight)
    return render(request, "class.html.j2", session, page=page)


@router.get("/team")
def show_team(request: Request, review: CurrentReview, session: Visitor) -> Response:
    """How far reviewers agree, and who they are."""
    sight = review.open_sight(session.reviewer)
    counts: dict[str, int] = {}
    for votes in sight.votes.values():
        for vote in votes:
            counts[vote.reviewer] = counts.get(vote.reviewer, 0) + 1
    return render(
        request,
        "team.html.j2",
        session,
        agreement=asdict(measure_agreement(sight.visible_votes)),
        progress=sight.measure_progress(review.run.pairs),
        hidden=sight.count_hidden(review.run.pairs),
        people=review.people.list(),
        counts=counts,
        rule=review.rule,
    )


@router.get("/sign-in")
def show_sign_in(request: Request, review: CurrentReview) -> Response:
    """The page that takes the token out of a link."""
    if review.access.open_as is not None:
        raise HTTPException(HTTP_303_SEE_OTHER, "Open.", headers={"Location": "/"})
    return render(request, "sign_in.html.j2", None)
