"""Put pairs and where they stand into the words that the browser gets."""

from collections.abc import Sequence
from dataclasses import asdict

from manifests.rows import MEANINGS, CandidateSource, CandidateVerdict, PairReason
from review_ui.evidence import EvidenceError, Pair
from review_ui.messages import (
    EvidenceOut,
    LandmarkOut,
    PairOut,
    ProgressOut,
    QueryOut,
    QueueItem,
    QueueOut,
    SaidOut,
    StandingOut,
    ThumbnailOut,
)
from review_ui.people import Reviewer
from review_ui.review import Review
from review_ui.rules import PairState, find_state
from review_ui.sight import Sight
from review_ui.votes import Adjudication, Vote

MAX_STRIP = 12


def describe_pair(review: Review, pair: Pair, reviewer: Reviewer) -> PairOut:
    """All that the pair view shows to a reviewer."""
    candidate = pair.candidate
    landmark = review.run.classes[candidate.landmark_id]
    others = [p for p in landmark.photographs if p != pair.image]
    return PairOut(
        pair_id=pair.pair_id,
        landmark=LandmarkOut(
            landmark_id=landmark.landmark_id,
            title=landmark.title,
            num_images=landmark.num_images,
            is_numbered=landmark.is_numbered,
        ),
        query=_describe_query(review, pair),
        text_term=pair.text_term,
        eval_set=candidate.eval_set,
        image_id=candidate.image_id,
        picture_id=pair.image.picture_id,
        credit=pair.image.credit,
        evidence=describe_evidence(pair),
        strip=tuple(
            ThumbnailOut(picture_id=p.picture_id, credit=p.credit) for p in others[:MAX_STRIP]
        ),
        standing=describe_standing(review, pair, reviewer),
    )


def describe_evidence(pair: Pair) -> EvidenceOut:
    """What the machine found, with its meaning in words."""
    c = pair.candidate
    meaning = MEANINGS[CandidateVerdict(c.verdict)]
    is_named = c.source == CandidateSource.TEXT
    return EvidenceOut(
        source=c.source,
        verdict=c.verdict,
        found=MEANINGS[CandidateSource(c.source)],
        why=meaning if is_named else f"{meaning} {_explain_reason(pair)}".strip(),
        similarity=None if c.similarity is None else round(c.similarity, 3),
        num_tentative=c.num_tentative,
        num_inliers=c.num_inliers,
        rank=c.rank,
        digest=pair.evidence_digest,
    )


def describe_standing(review: Review, pair: Pair, reviewer: Reviewer) -> StandingOut:
    """Where a pair stands, without what the reviewer may not know yet."""
    votes = review.store.votes(content_key=pair.content_key)
    adjudication = review.store.find_adjudication(pair.content_key)
    mine = next((v.decision for v in votes if v.reviewer == reviewer.name), None)
    if mine is None:
        return StandingOut(
            pair_id=pair.pair_id,
            mine=None,
            others=None,
            adjudication=None,
            state=None,
            may_adjudicate=False,
        )
    state = find_state(votes, adjudication, review.rule)
    return StandingOut(
        pair_id=pair.pair_id,
        mine=mine,
        others=tuple(_said(v) for v in votes if v.reviewer != reviewer.name),
        adjudication=None if adjudication is None else _said(adjudication),
        state=state,
        may_adjudicate=reviewer.is_lead and state in (PairState.DISPUTED, PairState.ADJUDICATED),
    )


def describe_queue(review: Review, pairs: Sequence[Pair], sight: Sight) -> QueueOut:
    """Pairs in the order of work, and how far the whole review is."""
    return QueueOut(
        items=tuple(
            QueueItem(
                pair_id=pair.pair_id,
                landmark_id=pair.candidate.landmark_id,
                title=review.run.classes[pair.candidate.landmark_id].title,
                mine=sight.mine.get(pair.content_key),
            )
            for pair in pairs
        ),
        progress=ProgressOut(**asdict(sight.measure_progress(review.run.pairs))),
    )


def _describe_query(review: Review, pair: Pair) -> QueryOut | None:
    if pair.query is None:
        return None
    try:
        box = review.pictures.find_box(pair.query)
    except EvidenceError:
        # The picture itself will say in its place what is wrong with it.
        box = None
    return QueryOut(
        eval_set=pair.query.eval_set,
        query_id=pair.query.query_id,
        picture_id=pair.query.photograph.picture_id,
        box=box,
    )


def _explain_reason(pair: Pair) -> str:
    reason = pair.candidate.reason
    if reason == PairReason.ENOUGH_INLIERS:
        return ""
    return MEANINGS[PairReason(reason)]


def _said(source: Vote | Adjudication) -> SaidOut:
    if source.decision is None:
        raise ValueError("a vote that was taken back says nothing")
    comment = source.comment if isinstance(source, Adjudication) else None
    return SaidOut(reviewer=source.reviewer, decision=source.decision, comment=comment)
