"""The rule that turns votes into decisions.

Votes are kept as they were given. A rule is applied to them anew each time, so that another rule
needs no new review.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from manifests.decisions import DecisionRow
from manifests.rows import Decision
from manifests.strict_model import StrictModel
from review_ui.evidence import Pair
from review_ui.votes import Adjudication, Vote

RESOLVED_PREFIX = "rule:"
ADJUDICATION_SUFFIX = " (adjudication)"
"""Neither can stand in a reviewer's name, so an exported row says which kind it is."""


class RuleSettings(StrictModel):
    """How votes become decisions."""

    kind: Literal["any", "majority", "all", "weighted"] = "any"
    """`any`: every vote is passed on as it is, and one `same` confirms (or as many as the run's
    `emit.min_confirmations` asks for), as in Song et al. 2024. `majority`: more `same` than
    `different`, or the reverse; `unsure` abstains. `all`: everybody who voted says the same.
    `weighted`: the majority of the weights."""
    min_reviewers: int = Field(1, ge=1)
    """A pair on which fewer people have voted has no decision yet."""
    weights: dict[str, float] = Field(default_factory=dict)
    """For `weighted`: name -> weight, 1 for who is not named."""


class PairState(StrEnum):
    """Where a pair stands, all reviewers together."""

    OPEN = "open"
    DECIDED = "decided"
    DISPUTED = "disputed"
    ADJUDICATED = "adjudicated"


def find_state(
    votes: Iterable[Vote], adjudication: Adjudication | None, rule: RuleSettings
) -> PairState:
    """Say where a pair stands; disputed means that one says `same` and another `different`."""
    decisions = [vote.decision for vote in votes]
    if adjudication is not None:
        return PairState.ADJUDICATED
    if Decision.SAME in decisions and Decision.DIFFERENT in decisions:
        return PairState.DISPUTED
    return PairState.DECIDED if len(decisions) >= rule.min_reviewers else PairState.OPEN


def resolve(votes: Sequence[Vote], rule: RuleSettings) -> Decision | None:
    """Decide one pair by a rule other than `any`; None while too few have voted.

    What neither `same` nor `different` wins is `unsure`.
    """
    if not votes or len(votes) < rule.min_reviewers:
        return None
    if rule.kind == "all":
        decisions = {vote.decision for vote in votes}
        return votes[0].decision if len(decisions) == 1 else Decision.UNSURE
    balance = 0.0
    for vote in votes:
        weight = rule.weights.get(vote.reviewer, 1.0) if rule.kind == "weighted" else 1.0
        sign = {Decision.SAME: 1, Decision.DIFFERENT: -1}.get(vote.decision or Decision.UNSURE, 0)
        balance += sign * weight
    if balance == 0:
        return Decision.UNSURE
    return Decision.SAME if balance > 0 else Decision.DIFFERENT


def make_decisions(
    pairs: Iterable[Pair],
    votes: Iterable[Vote],
    adjudications: Mapping[str, Adjudication],
    rule: RuleSettings,
    min_confirmations: int,
) -> list[DecisionRow]:
    """The decisions that follow from votes: what the removal policies and `emit` take.

    An adjudication takes the place of all votes on its pair. It and what a rule resolved are
    final: they give as many rows as a policy wants confirmations.

    Args:
        pairs: of the run; a vote on something else gives no decision.
        votes: that stand, each reviewer at most once on a pair.
        adjudications: by content key.
        rule: how votes are put together.
        min_confirmations: how many a policy wants.

    Returns:
        Rows by candidate and reviewer.
    """
    by_key: dict[str, list[Vote]] = {}
    for vote in votes:
        by_key.setdefault(vote.content_key, []).append(vote)
    rows = []
    for pair in pairs:
        adjudication = adjudications.get(pair.content_key)
        of_pair = by_key.get(pair.content_key, [])
        if adjudication is not None:
            rows += _repeat(_adjudicated(pair, adjudication), min_confirmations)
        elif rule.kind == "any":
            rows += _pass_on(pair, of_pair, rule)
        elif (decision := resolve(of_pair, rule)) is not None:
            rows += _repeat(_resolved(pair, of_pair, decision, rule), min_confirmations)
    return sorted(rows, key=lambda row: row.key)


def _pass_on(pair: Pair, votes: Sequence[Vote], rule: RuleSettings) -> list[DecisionRow]:
    if len(votes) < rule.min_reviewers:
        return []
    return [
        DecisionRow(*pair.key, v.reviewer, v.decision, datetime.fromisoformat(v.decided_at), None)
        for v in votes
        if v.decision is not None
    ]


def _adjudicated(pair: Pair, adjudication: Adjudication) -> DecisionRow:
    who = adjudication.reviewer + ADJUDICATION_SUFFIX
    time = datetime.fromisoformat(adjudication.decided_at)
    return DecisionRow(*pair.key, who, adjudication.decision, time, adjudication.comment)


def _resolved(
    pair: Pair, votes: Sequence[Vote], decision: Decision, rule: RuleSettings
) -> DecisionRow:
    said = ", ".join(f"{vote.reviewer} {vote.decision}" for vote in votes)
    last = datetime.fromisoformat(max(vote.decided_at for vote in votes))
    return DecisionRow(*pair.key, RESOLVED_PREFIX + rule.kind, decision, last, said)


def _repeat(row: DecisionRow, times: int) -> list[DecisionRow]:
    more = (replace(row, reviewer=f"{row.reviewer} {n} of {times}") for n in range(2, times + 1))
    return [row, *more]
