"""The rule that removes a class because it shows a landmark of an evaluation set.

The published procedure (Song et al. 2024, "On Train-Test Class Overlap and Detection for Image
Retrieval") lets people confirm matches between queries and training images and then removes, for
each query, the whole class with most confirmed images; a class proposed by its name is removed
when a person confirms it. Further classes of the same landmark stay. The policies `confirmed` and
`strict` remove those too.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar

from pydantic import Field

from manifests.decisions import DecisionRow
from manifests.rows import CandidateSource, CandidateVerdict, Decision, RemovalReason
from manifests.strict_model import StrictModel

_Value = TypeVar("_Value")


class RemovalSettings(StrictModel):
    """How much evidence removes a class.

    With the same decisions, `paper` removes no class that `confirmed` spares, and `confirmed`
    none that `strict` spares.
    """

    policy: Literal["paper", "confirmed", "strict"] = "paper"
    """`paper`: for each query the class with most confirmed images. `confirmed`: every class with
    a confirmed candidate. `strict`: every class with a candidate that one person confirmed,
    whatever `min_confirmations`, or with a match that nobody called different. All three remove
    the classes proposed by name that people confirmed."""
    min_confirmations: int = Field(1, ge=1)
    """Reviewers who must say `same` for a candidate to count as confirmed; the paper asks one."""


class QueryKey(NamedTuple):
    """An evaluation query, or `text:TERM`."""

    eval_set: str
    query_id: str


class CandidateKey(NamedTuple):
    """What ties decisions to a candidate."""

    eval_set: str
    query_id: str
    image_id: str

    @property
    def query(self) -> QueryKey:
        """The query alone."""
        return QueryKey(self.eval_set, self.query_id)


@dataclass(frozen=True)
class ReviewedCandidate:
    """What the rule must know of a row of `candidates`; `num_inliers` is None for text."""

    key: CandidateKey
    landmark_id: int
    num_inliers: int | None
    verdict: CandidateVerdict
    source: CandidateSource


@dataclass(frozen=True)
class Contender:
    """A class with `num_images` confirmed images for a query, and the sum of their inliers."""

    query: QueryKey
    landmark_id: int
    num_images: int
    num_inliers: int


@dataclass(frozen=True)
class Tie:
    """A query for which several classes have the most confirmed images.

    Of them the class with most inliers is removed, then the smallest id; the others are spared.
    """

    query: QueryKey
    removed: int
    spared: tuple[int, ...]


@dataclass(frozen=True)
class Removal:
    """A class to remove, and what the decision rests on.

    Attributes:
        landmark_id: the class.
        reason: the strongest one that holds; being confirmed is stronger than being unrefused,
            being seen is stronger than being named.
        queries: that the class overlaps with, sorted.
        images: of the class, that show it, sorted.
        reviewers: who said `same` of one of them, sorted.
        evidence: the same in words.
        runner_ups: further classes confirmed for one of the queries, by query and rank, which
            the policy `paper` does not remove on account of it; empty for the other policies.
    """

    landmark_id: int
    reason: RemovalReason
    queries: tuple[QueryKey, ...]
    images: tuple[str, ...]
    reviewers: tuple[str, ...]
    evidence: str
    runner_ups: tuple[Contender, ...]


@dataclass(frozen=True)
class RemovalPlan:
    """Everything that follows from the candidates and the decisions.

    Attributes:
        removals: by ascending landmark id.
        ties: of the policy `paper`, by query.
        pending: candidates nobody has decided on, sorted.
        unmatched: decisions on something that is no candidate, sorted. They remove nothing:
            without a candidate nobody can check what was compared.
    """

    removals: tuple[Removal, ...]
    ties: tuple[Tie, ...]
    pending: tuple[CandidateKey, ...]
    unmatched: tuple[DecisionRow, ...]


_CONFIRMED = {
    CandidateSource.VISUAL: RemovalReason.VISUAL_CONFIRMED,
    CandidateSource.TEXT: RemovalReason.TEXT_CONFIRMED,
}
_STRENGTH = (
    RemovalReason.VISUAL_MAJORITY,
    RemovalReason.VISUAL_CONFIRMED,
    RemovalReason.TEXT_CONFIRMED,
    RemovalReason.VISUAL_UNREFUSED,
)
_IN_WORDS = {
    RemovalReason.VISUAL_MAJORITY: "most confirmed photographs for",
    RemovalReason.VISUAL_CONFIRMED: "confirmed photographs for",
    RemovalReason.TEXT_CONFIRMED: "class name confirmed for",
    RemovalReason.VISUAL_UNREFUSED: "matches that nobody refused for",
}

_Votes = Mapping[CandidateKey, Mapping[str, Decision]]


class _Ground(NamedTuple):
    """A candidate that speaks for removing its class, and how."""

    reason: RemovalReason
    candidate: ReviewedCandidate


def plan_removals(
    candidates: Iterable[ReviewedCandidate],
    decisions: Iterable[DecisionRow],
    settings: RemovalSettings,
) -> RemovalPlan:
    """Find the classes to remove. The order of candidates and decisions does not matter.

    Args:
        candidates: each query and image once.
        decisions: the latest of each reviewer on each candidate (`latest_per_reviewer`).
        settings: the policy.

    Raises:
        ValueError: a candidate, or a reviewer's decision on one, occurs twice.
    """
    candidates = _sort_candidates(candidates)
    decisions = sorted(decisions, key=lambda decision: decision.key)
    votes = _tally_votes(decisions)
    confirmed = _list_confirmed(candidates, votes, settings)
    ranking = _rank_contenders(confirmed) if settings.policy == "paper" else {}
    if settings.policy == "paper":
        grounds = _find_paper_grounds(confirmed, ranking)
    else:
        grounds = [_Ground(_CONFIRMED[c.source], c) for c in confirmed]
    if settings.policy == "strict":
        grounds += _find_unrefused_grounds(candidates, votes)
    keys = {candidate.key for candidate in candidates}
    return RemovalPlan(
        removals=tuple(_make_removals(grounds, votes, ranking)),
        ties=tuple(_find_ties(ranking)),
        pending=tuple(c.key for c in candidates if c.key not in votes),
        unmatched=tuple(d for d in decisions if _find_key(d) not in keys),
    )


def remove_classes(classes: Mapping[int, _Value], removed: Collection[int]) -> dict[int, _Value]:
    """Take whole classes out of a split; doing it twice is doing it once.

    Args:
        classes: landmark id -> its images, or their number, or whatever is kept per class.
        removed: landmark ids; those that are not in the split are nothing to remove.
    """
    gone = frozenset(removed)
    return {landmark_id: kept for landmark_id, kept in classes.items() if landmark_id not in gone}


def _sort_candidates(candidates: Iterable[ReviewedCandidate]) -> list[ReviewedCandidate]:
    ordered = sorted(candidates, key=lambda candidate: candidate.key)
    for candidate, following in pairwise(ordered):
        if candidate.key == following.key:
            raise ValueError(f"{candidate.key} is a candidate twice: pass it once")
    return ordered


def _find_key(decision: DecisionRow) -> CandidateKey:
    return CandidateKey(decision.eval_set, decision.query_id, decision.image_id)


def _tally_votes(decisions: Iterable[DecisionRow]) -> _Votes:
    votes: dict[CandidateKey, dict[str, Decision]] = {}
    for decision in decisions:
        on_candidate = votes.setdefault(_find_key(decision), {})
        if decision.reviewer in on_candidate:
            raise ValueError(f"{decision.key} was decided twice: pass the latest decision only")
        on_candidate[decision.reviewer] = decision.decision
    return votes


def _list_confirmers(candidate: ReviewedCandidate, votes: _Votes) -> list[str]:
    on_candidate = votes.get(candidate.key, {})
    return [reviewer for reviewer, vote in on_candidate.items() if vote is Decision.SAME]


def _list_confirmed(
    candidates: Iterable[ReviewedCandidate], votes: _Votes, settings: RemovalSettings
) -> list[ReviewedCandidate]:
    needed = 1 if settings.policy == "strict" else settings.min_confirmations
    return [c for c in candidates if len(_list_confirmers(c, votes)) >= needed]


def _rank_contenders(
    confirmed: Iterable[ReviewedCandidate],
) -> dict[QueryKey, list[Contender]]:
    """Rank the classes of each visual query; the first is the one the published rule removes."""
    inliers: dict[QueryKey, dict[int, list[int]]] = {}
    for candidate in confirmed:
        if candidate.source is CandidateSource.VISUAL:
            by_class = inliers.setdefault(candidate.key.query, {})
            by_class.setdefault(candidate.landmark_id, []).append(candidate.num_inliers or 0)
    return {
        query: sorted(
            (Contender(query, landmark, len(n), sum(n)) for landmark, n in by_class.items()),
            key=lambda c: (-c.num_images, -c.num_inliers, c.landmark_id),
        )
        for query, by_class in inliers.items()
    }


def _find_paper_grounds(
    confirmed: Iterable[ReviewedCandidate], ranking: Mapping[QueryKey, list[Contender]]
) -> list[_Ground]:
    grounds = []
    for candidate in confirmed:
        if candidate.source is CandidateSource.TEXT:
            grounds.append(_Ground(RemovalReason.TEXT_CONFIRMED, candidate))
        elif ranking[candidate.key.query][0].landmark_id == candidate.landmark_id:
            grounds.append(_Ground(RemovalReason.VISUAL_MAJORITY, candidate))
    return grounds


def _find_unrefused_grounds(
    candidates: Iterable[ReviewedCandidate], votes: _Votes
) -> list[_Ground]:
    """Find matches that nobody called different, nor the same: those count as confirmed."""
    spoken = (Decision.SAME, Decision.DIFFERENT)
    return [
        _Ground(RemovalReason.VISUAL_UNREFUSED, candidate)
        for candidate in candidates
        if candidate.verdict is CandidateVerdict.MATCH
        and not any(vote in spoken for vote in votes.get(candidate.key, {}).values())
    ]


def _find_ties(ranking: Mapping[QueryKey, list[Contender]]) -> list[Tie]:
    ties = []
    for query in sorted(ranking):
        first, *others = ranking[query]
        spared = sorted(c.landmark_id for c in others if c.num_images == first.num_images)
        if spared:
            ties.append(Tie(query, first.landmark_id, tuple(spared)))
    return ties


def _make_removals(
    grounds: Iterable[_Ground], votes: _Votes, ranking: Mapping[QueryKey, list[Contender]]
) -> list[Removal]:
    by_class: dict[int, list[_Ground]] = {}
    for ground in grounds:
        by_class.setdefault(ground.candidate.landmark_id, []).append(ground)
    return [
        _make_removal(landmark, by_class[landmark], votes, ranking) for landmark in sorted(by_class)
    ]


def _make_removal(
    landmark_id: int,
    grounds: Collection[_Ground],
    votes: _Votes,
    ranking: Mapping[QueryKey, list[Contender]],
) -> Removal:
    candidates = [ground.candidate for ground in grounds]
    queries = sorted({candidate.key.query for candidate in candidates})
    reviewers = {name for candidate in candidates for name in _list_confirmers(candidate, votes)}
    return Removal(
        landmark_id=landmark_id,
        reason=min((ground.reason for ground in grounds), key=_STRENGTH.index),
        queries=tuple(queries),
        images=tuple(sorted({candidate.key.image_id for candidate in candidates})),
        reviewers=tuple(sorted(reviewers)),
        evidence=_put_in_words(grounds, sorted(reviewers)),
        runner_ups=tuple(c for query in queries for c in ranking.get(query, [])[1:]),
    )


def _put_in_words(grounds: Collection[_Ground], reviewers: Collection[str]) -> str:
    """Say what a removal rests on, the strongest reason first."""
    parts = []
    for reason in _STRENGTH:
        images = Counter(g.candidate.key.query for g in grounds if g.reason is reason)
        if images:
            counts = (f"{q.eval_set}/{q.query_id} ({images[q]})" for q in sorted(images))
            parts.append(f"{_IN_WORDS[reason]} {', '.join(counts)}")
    if reviewers:
        parts.append(f"confirmed by {', '.join(reviewers)}")
    return "; ".join(parts)
