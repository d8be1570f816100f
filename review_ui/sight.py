"""What a reviewer may see: nobody sees others' votes on a pair before giving one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from manifests.rows import Decision
from review_ui.evidence import Pair
from review_ui.people import Reviewer
from review_ui.rules import PairState, RuleSettings, find_state
from review_ui.votes import Adjudication, EventStore, Vote


@dataclass(frozen=True)
class Progress:
    """How far the review is.

    Attributes:
        total: pairs of the run.
        mine: of these, decided by the asking reviewer.
        by_all: of these, decided by enough reviewers, or adjudicated.
        disputed: of these the reviewer may know of, disputed.
    """

    total: int
    mine: int
    by_all: int
    disputed: int


@dataclass(frozen=True)
class Sight:
    """The state of a review as one reviewer may see it.

    Attributes:
        reviewer: who is asking.
        votes: all that stand, by content key. Not to be shown: `visible_votes` is.
        adjudications: by content key; likewise.
        rule: how votes become decisions.
    """

    reviewer: Reviewer
    votes: Mapping[str, list[Vote]]
    adjudications: Mapping[str, Adjudication]
    rule: RuleSettings

    @cached_property
    def mine(self) -> dict[str, Decision]:
        """Content key -> what the reviewer said."""
        return {
            vote.content_key: vote.decision
            for votes in self.votes.values()
            for vote in votes
            if vote.reviewer == self.reviewer.name and vote.decision is not None
        }

    @cached_property
    def states(self) -> dict[str, PairState]:
        """Content key -> where the pair stands, of pairs that anybody voted on."""
        return {
            key: find_state(votes, self.adjudications.get(key), self.rule)
            for key, votes in self.votes.items()
        }

    @cached_property
    def known_disputes(self) -> frozenset[str]:
        """Disputed pairs that the reviewer may know of; a lead knows that they are disputed.

        A lead too gives a vote before seeing who said what.
        """
        return frozenset(
            key
            for key, state in self.states.items()
            if state is PairState.DISPUTED and (self.reviewer.is_lead or key in self.mine)
        )

    @property
    def visible_votes(self) -> list[Vote]:
        """Votes on pairs that the reviewer has decided."""
        return [vote for key in self.mine for vote in self.votes[key]]

    @property
    def visible_adjudications(self) -> dict[str, Adjudication]:
        """Adjudications of pairs that the reviewer has decided."""
        return {key: a for key, a in self.adjudications.items() if key in self.mine}

    def count_hidden(self, pairs: Iterable[Pair]) -> int:
        """Number of pairs that others voted on and the reviewer did not."""
        return sum(p.content_key in self.votes and p.content_key not in self.mine for p in pairs)

    def measure_progress(self, pairs: Iterable[Pair]) -> Progress:
        """Count what is done of some pairs."""
        keys = [pair.content_key for pair in pairs]
        done = (PairState.DECIDED, PairState.DISPUTED, PairState.ADJUDICATED)
        return Progress(
            total=len(keys),
            mine=sum(key in self.mine for key in keys),
            by_all=sum(self._is_enough(key) and self.states.get(key) in done for key in keys),
            disputed=sum(key in self.known_disputes for key in keys),
        )

    def _is_enough(self, key: str) -> bool:
        return key in self.adjudications or len(self.votes.get(key, ())) >= self.rule.min_reviewers


def open_sight(store: EventStore, reviewer: Reviewer, rule: RuleSettings) -> Sight:
    """Read the state of the review."""
    votes: dict[str, list[Vote]] = {}
    for vote in store.votes():
        votes.setdefault(vote.content_key, []).append(vote)
    return Sight(reviewer, votes, store.adjudications(), rule)
