"""Recording: votes, and the last word on disputed pairs."""

from fastapi import APIRouter, HTTPException
from starlette.status import (
    HTTP_201_CREATED,
    HTTP_409_CONFLICT,
    HTTP_422_UNPROCESSABLE_CONTENT,
)

from manifests.lineage import CODE_VERSION
from manifests.rows import Decision
from review_ui.access import Lead, Writer
from review_ui.describe import describe_standing
from review_ui.evidence import Pair
from review_ui.hash_chain import Event, EventKind, EventScope, NewEvent
from review_ui.messages import AdjudicationIn, Problem, RecordedOut, VoteIn, VotesIn
from review_ui.people import Reviewer
from review_ui.review import CurrentReview, Review
from review_ui.votes import ConflictError, utc_now

router = APIRouter(
    prefix="/api",
    tags=["votes"],
    responses={status: {"model": Problem} for status in (401, 403, 404, 409, 413)},
)


@router.post("/votes", status_code=HTTP_201_CREATED)
def record_votes(review: CurrentReview, session: Writer, said: VotesIn) -> RecordedOut:
    """Record votes, all or none; what is answered for is on disk."""
    pairs = [review.find_pair(vote.pair_id) for vote in said.votes]
    if said.scope is EventScope.CLASS and len({p.candidate.landmark_id for p in pairs}) > 1:
        raise HTTPException(
            HTTP_422_UNPROCESSABLE_CONTENT, [{"msg": "These pairs are of several classes."}]
        )
    events = [
        _make_event(session.reviewer, pair, vote, said.scope)
        for pair, vote in zip(pairs, said.votes, strict=True)
    ]
    return _record(review, session.reviewer, pairs, events)


@router.post("/adjudications", status_code=HTTP_201_CREATED)
def adjudicate(review: CurrentReview, session: Lead, said: AdjudicationIn) -> RecordedOut:
    """Give the last word on a disputed pair, after a vote like everybody's."""
    pair = review.find_pair(said.pair_id)
    if not describe_standing(review, pair, session.reviewer).may_adjudicate:
        raise HTTPException(
            HTTP_409_CONFLICT, "Only disputed pairs are adjudicated, and after a vote of one's own."
        )
    event = _make_event(session.reviewer, pair, said, EventScope.PAIR)
    return _record(review, session.reviewer, [pair], [event])


def _make_event(
    reviewer: Reviewer, pair: Pair, said: VoteIn | AdjudicationIn, scope: EventScope
) -> NewEvent:
    if said.evidence_digest != pair.evidence_digest:
        raise HTTPException(HTTP_409_CONFLICT, "The evidence has changed; reload the page.")
    return NewEvent(
        event_id=said.event_id,
        kind=_choose_kind(said, said.decision),
        scope=scope,
        reviewer=reviewer.name,
        decision=said.decision,
        content_key=pair.content_key,
        evidence_digest=pair.evidence_digest,
        eval_set=pair.candidate.eval_set,
        query_id=pair.candidate.query_id,
        image_id=pair.candidate.image_id,
        comment=said.comment if isinstance(said, AdjudicationIn) else None,
        app_version=CODE_VERSION,
        decided_at=utc_now(),
    )


def _choose_kind(said: VoteIn | AdjudicationIn, decision: Decision | None) -> EventKind:
    if isinstance(said, AdjudicationIn):
        return EventKind.ADJUDICATION
    return EventKind.WITHDRAWAL if decision is None else EventKind.VOTE


def _record(
    review: Review, reviewer: Reviewer, pairs: list[Pair], new_events: list[NewEvent]
) -> RecordedOut:
    try:
        events: list[Event] = review.store.append(new_events)
    except ConflictError as error:
        raise HTTPException(HTTP_409_CONFLICT, str(error)) from error
    return RecordedOut(
        positions=tuple(event.position for event in events),
        standings=tuple(describe_standing(review, pair, reviewer) for pair in pairs),
    )
