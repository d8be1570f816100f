"""What the removal policies would do with a class, before anything is done."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from curation.overlap_evidence import CandidateKey, QueryKey, ReviewedCandidate
from curation.removal_policies import RemovalPlan, RemovalSettings, plan_removals
from manifests.decisions import DecisionRow
from manifests.rows import CandidateSource, Decision

PolicyName = Literal["paper", "confirmed", "strict"]
POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)


@dataclass(frozen=True)
class Contest:
    """The classes that people confirmed for one query, the most confirmed images first.

    Attributes:
        query: the query.
        standings: landmark id and number of confirmed images; none while nothing is confirmed.
        removed_by_paper: the class that the paper's policy removes for this query, if any.
    """

    query: QueryKey
    standings: tuple[tuple[int, int], ...]
    removed_by_paper: int | None


@dataclass(frozen=True)
class Outcome:
    """What one policy does with one class.

    Attributes:
        policy: its name.
        is_removed: whether the class goes.
        evidence: what that rests on, in words; None if it stays.
        confirmed_for: queries for which the class is confirmed although it stays.
    """

    policy: PolicyName
    is_removed: bool
    evidence: str | None
    confirmed_for: tuple[QueryKey, ...]


@dataclass(frozen=True)
class Outcomes:
    """The plans of all policies for one set of decisions.

    Attributes:
        candidates: of the run.
        confirmed: candidates that enough people confirmed.
        plans: policy -> its plan.
    """

    candidates: Sequence[ReviewedCandidate]
    confirmed: Sequence[ReviewedCandidate]
    plans: Mapping[PolicyName, RemovalPlan]

    def of_class(self, landmark_id: int) -> list[Outcome]:
        """What each policy does with a class."""
        confirmed_for = {c.key.query for c in self.confirmed if c.landmark_id == landmark_id}
        return [
            _describe(policy, plan, landmark_id, confirmed_for)
            for policy, plan in self.plans.items()
        ]

    def contests_of(self, landmark_id: int) -> list[Contest]:
        """For each query that hit the class, the classes confirmed for it."""
        hit = {
            c.key.query
            for c in self.candidates
            if c.landmark_id == landmark_id and c.source is CandidateSource.VISUAL
        }
        return [self._contest(query) for query in sorted(hit)]

    def _contest(self, query: QueryKey) -> Contest:
        images: Counter[int] = Counter()
        inliers: Counter[int] = Counter()
        for candidate in self.confirmed:
            if candidate.key.query == query:
                images[candidate.landmark_id] += 1
                inliers[candidate.landmark_id] += candidate.num_inliers or 0
        standings = sorted(images.items(), key=lambda s: (-s[1], -inliers[s[0]], s[0]))
        removed = [r.landmark_id for r in self.plans["paper"].removals if query in r.queries]
        return Contest(query, tuple(standings), removed[0] if removed else None)


def preview_outcomes(
    candidates: Iterable[ReviewedCandidate],
    decisions: Sequence[DecisionRow],
    min_confirmations: int,
) -> Outcomes:
    """Apply every policy to the decisions."""
    candidates = tuple(candidates)
    same = Counter(
        CandidateKey(row.eval_set, row.query_id, row.image_id)
        for row in decisions
        if row.decision is Decision.SAME
    )
    return Outcomes(
        candidates,
        [c for c in candidates if same[c.key] >= min_confirmations],
        {
            policy: plan_removals(
                candidates,
                decisions,
                RemovalSettings(policy=policy, min_confirmations=min_confirmations),
            )
            for policy in POLICIES
        },
    )


def _describe(
    policy: PolicyName, plan: RemovalPlan, landmark_id: int, confirmed_for: set[QueryKey]
) -> Outcome:
    removal = next((r for r in plan.removals if r.landmark_id == landmark_id), None)
    if removal is not None:
        return Outcome(policy, is_removed=True, evidence=removal.evidence, confirmed_for=())
    stays = tuple(sorted(confirmed_for))
    return Outcome(policy, is_removed=False, evidence=None, confirmed_for=stays)
