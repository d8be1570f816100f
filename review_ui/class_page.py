"""What the overview and the class view show."""

from collections.abc import Sequence
from dataclasses import dataclass

from manifests.rows import CandidateSource, CandidateVerdict, Decision
from review_ui.describe import describe_evidence
from review_ui.evidence import LandmarkClass, Pair, Purpose
from review_ui.messages import EvidenceOut
from review_ui.outcomes import Contest, Outcome, Outcomes
from review_ui.review import Review
from review_ui.rules import PairState
from review_ui.sight import Progress, Sight
from review_ui.votes import Adjudication, Vote


@dataclass(frozen=True)
class ClassLine:
    """A class in the overview.

    Attributes:
        landmark: the class.
        cover: picture id of its strongest candidate.
        most_inliers: of its candidates; None if it was proposed by its name only.
        num_matches: candidates that the verifier calls a match.
        is_named: whether its name was found.
        progress: over its pairs.
        num_same: pairs that the reviewer called the same landmark.
        is_done: whether the reviewer has decided all.
    """

    landmark: LandmarkClass
    cover: str
    most_inliers: int | None
    num_matches: int
    is_named: bool
    progress: Progress
    num_same: int

    @property
    def is_done(self) -> bool:
        """Whether the reviewer has decided all its pairs."""
        return self.progress.mine == self.progress.total


@dataclass(frozen=True)
class PairCard:
    """A pair in the class view, with what the reviewer may know of it."""

    pair: Pair
    evidence: EvidenceOut
    mine: Decision | None
    others: Sequence[Vote]
    adjudication: Adjudication | None
    is_disputed: bool


@dataclass(frozen=True)
class ClassPage:
    """A class with all its evidence.

    Attributes:
        landmark: the class.
        cards: its pairs, in the order of work.
        progress: over its pairs.
        num_hidden: pairs of the whole run whose votes the reviewer may not see yet.
        outcomes: what each policy would do; empty in an audit, which removes nothing.
        contests: for each query that hit the class, the confirmed classes; likewise.
        titles: landmark id -> name, of the classes in `contests`.
    """

    landmark: LandmarkClass
    cards: Sequence[PairCard]
    progress: Progress
    num_hidden: int
    outcomes: Sequence[Outcome]
    contests: Sequence[Contest]
    titles: dict[int, str]

    @property
    def num_undecided(self) -> int:
        """Pairs that the reviewer has not decided."""
        return self.progress.total - self.progress.mine


def list_classes(review: Review, sight: Sight) -> list[ClassLine]:
    """The classes in the order of work."""
    return [
        _make_line(review.run.classes[landmark_id], pairs, sight)
        for landmark_id, pairs in review.run.pairs_of_class.items()
    ]


def describe_class(review: Review, landmark: LandmarkClass, sight: Sight) -> ClassPage:
    """All that the class view shows to a reviewer."""
    pairs = review.run.pairs_of_class[landmark.landmark_id]
    is_removal = review.run.purpose is Purpose.REMOVAL
    outcomes = review.preview(sight) if is_removal else Outcomes((), (), {})
    contests = outcomes.contests_of(landmark.landmark_id)
    shown = {landmark_id for contest in contests for landmark_id, _ in contest.standings}
    return ClassPage(
        landmark=landmark,
        cards=[_make_card(pair, sight) for pair in pairs],
        progress=sight.measure_progress(pairs),
        num_hidden=sight.count_hidden(review.run.pairs),
        outcomes=outcomes.of_class(landmark.landmark_id),
        contests=contests,
        titles={landmark_id: review.run.classes[landmark_id].title for landmark_id in shown},
    )


def _make_line(landmark: LandmarkClass, pairs: Sequence[Pair], sight: Sight) -> ClassLine:
    candidates = [pair.candidate for pair in pairs]
    inliers = [c.num_inliers for c in candidates if c.num_inliers is not None]
    return ClassLine(
        landmark=landmark,
        cover=pairs[0].image.picture_id,
        most_inliers=max(inliers, default=None),
        num_matches=sum(c.verdict == CandidateVerdict.MATCH for c in candidates),
        is_named=any(c.source == CandidateSource.TEXT for c in candidates),
        progress=sight.measure_progress(pairs),
        num_same=sum(sight.mine.get(p.content_key) is Decision.SAME for p in pairs),
    )


def _make_card(pair: Pair, sight: Sight) -> PairCard:
    key = pair.content_key
    mine = sight.mine.get(key)
    may_see = mine is not None
    votes = sight.votes.get(key, []) if may_see else []
    return PairCard(
        pair=pair,
        evidence=describe_evidence(pair),
        mine=mine,
        others=[vote for vote in votes if vote.reviewer != sight.reviewer.name],
        adjudication=sight.adjudications.get(key) if may_see else None,
        is_disputed=may_see and sight.states.get(key) is PairState.DISPUTED,
    )
