"""The rule that removes a class because it shows a landmark of an evaluation set.

The published procedure (Song et al. 2024, "On Train-Test Class Overlap and Detection for Image
Retrieval") lets people confirm matches between queries and training images and then removes, for
each query, the whole class with most confirmed images; a class proposed by its name is removed
when a person confirms it. Further classes of the same landmark stay. The policies `confirmed` and
`strict` remove those too.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.overlap_evidence import (
    CandidateColumns,
    CandidateKey,
    CandidateKeys,
    QueryKey,
    ReviewedCandidate,
)
from curation.vote_tally import VoteTally, tally_votes
from manifests.decisions import DecisionRow
from manifests.rows import RemovalReason
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
    removes: Literal["classes", "images"] = "classes"
    """`classes`: whole classes, as the paper does. `images`: of these classes only the images that
    the removal rests on; other photographs of the landmark stay, so the overlap is not gone."""


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
    pending: Sequence[CandidateKey]
    unmatched: tuple[DecisionRow, ...]


_STRENGTH = (
    RemovalReason.VISUAL_MAJORITY,
    RemovalReason.VISUAL_CONFIRMED,
    RemovalReason.TEXT_CONFIRMED,
    RemovalReason.VISUAL_UNREFUSED,
)
_MAJORITY, _SEEN, _NAMED, _UNREFUSED = range(len(_STRENGTH))
_NO_REASON = -1
_IN_WORDS = {
    RemovalReason.VISUAL_MAJORITY: "most confirmed photographs for",
    RemovalReason.VISUAL_CONFIRMED: "confirmed photographs for",
    RemovalReason.TEXT_CONFIRMED: "class name confirmed for",
    RemovalReason.VISUAL_UNREFUSED: "matches that nobody refused for",
}

_Ranking = Mapping[QueryKey, tuple[Contender, ...]]


def plan_removals(
    candidates: Iterable[ReviewedCandidate] | CandidateColumns,
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
    if not isinstance(candidates, CandidateColumns):
        candidates = CandidateColumns.from_candidates(candidates)
    votes = tally_votes(candidates, decisions)
    needed = 1 if settings.policy == "strict" else settings.min_confirmations
    confirmed = votes.num_same >= needed
    ranking: _Ranking = {}
    if settings.policy == "paper":
        ranking = _rank_contenders(candidates, confirmed & ~candidates.is_text)
    reasons = _find_reasons(candidates, votes, confirmed, ranking, settings)
    return RemovalPlan(
        removals=tuple(_make_removals(candidates, votes, reasons, ranking)),
        ties=tuple(_find_ties(ranking)),
        pending=CandidateKeys(candidates, np.flatnonzero(~votes.is_decided)),
        unmatched=votes.unmatched,
    )


def remove_classes(classes: Mapping[int, _Value], removed: Collection[int]) -> dict[int, _Value]:
    """Take whole classes out of a split; doing it twice is doing it once.

    Args:
        classes: landmark id -> its images, or their number, or whatever is kept per class.
        removed: landmark ids; those that are not in the split are nothing to remove.
    """
    gone = frozenset(removed)
    return {landmark_id: kept for landmark_id, kept in classes.items() if landmark_id not in gone}


def _rank_contenders(candidates: CandidateColumns, is_counted: NDArray[np.bool_]) -> _Ranking:
    """Rank the classes of each visual query; the first is the one the published rule removes."""
    query, landmark = candidates.query[is_counted], candidates.landmark_ids[is_counted]
    order = np.lexsort((landmark, query))
    query, landmark = query[order], landmark[order]
    starts = np.flatnonzero(_differ_from_previous(query) | _differ_from_previous(landmark))
    if not len(starts):
        return {}
    num_images = np.diff(np.append(starts, len(query)))
    num_inliers = np.add.reduceat(candidates.num_inliers[is_counted][order], starts)
    query, landmark = query[starts], landmark[starts]
    best_first = np.lexsort((landmark, -num_inliers, -num_images, query))
    columns = (query, landmark, num_images, num_inliers)
    rows = zip(*(column[best_first].tolist() for column in columns), strict=True)
    return {
        (key := candidates.queries[position]): tuple(
            Contender(key, landmark_id, images, inliers) for _, landmark_id, images, inliers in own
        )
        for position, own in groupby(rows, key=lambda row: row[0])
    }


def _differ_from_previous(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each value differs from the one before; the first does."""
    return np.append(True, values[1:] != values[:-1])[: len(values)]


def _find_reasons(
    candidates: CandidateColumns,
    votes: VoteTally,
    confirmed: NDArray[np.bool_],
    ranking: _Ranking,
    settings: RemovalSettings,
) -> NDArray[np.int8]:
    """Why each candidate speaks for removing its class: a place in `_STRENGTH`, or none."""
    reasons = np.full(len(candidates), _NO_REASON, np.int8)
    reasons[confirmed & candidates.is_text] = _NAMED
    seen = confirmed & ~candidates.is_text
    if settings.policy == "paper":
        first = np.array(
            [ranking[q][0].landmark_id if q in ranking else 0 for q in candidates.queries], np.int64
        )
        is_first = np.flatnonzero(seen)
        is_first = is_first[candidates.landmark_ids[is_first] == first[candidates.query[is_first]]]
        reasons[is_first] = _MAJORITY
        return reasons
    reasons[seen] = _SEEN
    if settings.policy == "strict":
        # A match that nobody called different, nor the same: those count as confirmed.
        is_open = (votes.num_same == 0) & (votes.num_different == 0)
        reasons[candidates.is_match & is_open] = _UNREFUSED
    return reasons


def _find_ties(ranking: _Ranking) -> list[Tie]:
    ties = []
    for query in sorted(ranking):
        first, *others = ranking[query]
        spared = sorted(c.landmark_id for c in others if c.num_images == first.num_images)
        if spared:
            ties.append(Tie(query, first.landmark_id, tuple(spared)))
    return ties


class _Grounds(NamedTuple):
    """Rows that speak for removing classes, as columns of plain numbers."""

    landmark_ids: list[int]
    strengths: list[int]
    queries: list[int]
    images: list[int]
    rows: list[int]

    def take(self, first: int, last: int) -> "_Grounds":
        return _Grounds._make(column[first:last] for column in self)


def _make_removals(
    candidates: CandidateColumns, votes: VoteTally, reasons: NDArray[np.int8], ranking: _Ranking
) -> Iterator[Removal]:
    rows = np.flatnonzero(reasons != _NO_REASON)
    # Stable, so that the rows of a class stay in the order of their keys.
    rows = rows[np.argsort(candidates.landmark_ids[rows], kind="stable")]
    starts = np.flatnonzero(_differ_from_previous(candidates.landmark_ids[rows]))
    columns = (candidates.landmark_ids, reasons, candidates.query, candidates.image)
    grounds = _Grounds._make([*(column[rows].tolist() for column in columns), rows.tolist()])
    for first, last in pairwise([*starts.tolist(), len(rows)]):
        yield _make_removal(candidates, votes, ranking, grounds.take(first, last))


def _make_removal(
    candidates: CandidateColumns, votes: VoteTally, ranking: _Ranking, grounds: _Grounds
) -> Removal:
    """The removal of one class, from the rows that speak for it."""
    queries = [candidates.queries[place] for place in sorted(set(grounds.queries))]
    reviewers = sorted({name for row in grounds.rows for name in votes.confirmers.get(row, ())})
    counts = Counter(zip(grounds.strengths, grounds.queries, strict=True))
    return Removal(
        landmark_id=grounds.landmark_ids[0],
        reason=_STRENGTH[min(grounds.strengths)],
        queries=tuple(queries),
        images=tuple(candidates.images[place] for place in sorted(set(grounds.images))),
        reviewers=tuple(reviewers),
        evidence=_put_in_words(candidates, counts, reviewers),
        runner_ups=tuple(c for key in queries for c in ranking.get(key, ())[1:]),
    )


def _put_in_words(
    candidates: CandidateColumns, counts: Mapping[tuple[int, int], int], reviewers: Collection[str]
) -> str:
    """Say what a removal rests on, the strongest reason first.

    Args:
        candidates: for the names of the queries.
        counts: (place in `_STRENGTH`, position of the query) -> number of images.
        reviewers: sorted.
    """
    parts = []
    for strength, own in groupby(sorted(counts), key=lambda entry: entry[0]):
        images = (f"{candidates.query_names[entry[1]]} ({counts[entry]})" for entry in own)
        parts.append(f"{_IN_WORDS[_STRENGTH[strength]]} {', '.join(images)}")
    if reviewers:
        parts.append(f"confirmed by {', '.join(reviewers)}")
    return "; ".join(parts)
