"""What reviewers said of each candidate, counted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.overlap_evidence import CandidateColumns
from manifests.decisions import DecisionRow
from manifests.rows import Decision


@dataclass(frozen=True, eq=False)
class VoteTally:
    """The votes on n candidates, row for row.

    Attributes:
        num_same: reviewers who said `same`, int64 (n,).
        num_different: reviewers who said `different`, int64 (n,).
        is_decided: whether anybody said anything, bool (n,).
        confirmers: row -> who said `same`, for the rows of which somebody did.
        unmatched: decisions on something that is no candidate, sorted.
    """

    num_same: NDArray[np.int64]
    num_different: NDArray[np.int64]
    is_decided: NDArray[np.bool_]
    confirmers: Mapping[int, Sequence[str]]
    unmatched: tuple[DecisionRow, ...]


def tally_votes(candidates: CandidateColumns, decisions: Iterable[DecisionRow]) -> VoteTally:
    """Count the decisions on each candidate; their order does not matter.

    Raises:
        ValueError: a reviewer decided something twice.
    """
    decisions = list(decisions)
    _check_distinct(decisions)
    queries = ((d.eval_set, d.query_id) for d in decisions)
    rows = candidates.find(queries, [d.image_id for d in decisions])
    confirmers: defaultdict[int, list[str]] = defaultdict(list)
    for row, decision in zip(rows.tolist(), decisions, strict=True):
        if row >= 0 and decision.decision is Decision.SAME:
            confirmers[row].append(decision.reviewer)
    unmatched = [d for row, d in zip(rows.tolist(), decisions, strict=True) if row < 0]
    words = np.array([str(d.decision) for d in decisions], np.str_)
    size = len(candidates)
    return VoteTally(
        np.bincount(rows[(rows >= 0) & (words == str(Decision.SAME))], minlength=size),
        np.bincount(rows[(rows >= 0) & (words == str(Decision.DIFFERENT))], minlength=size),
        np.bincount(rows[rows >= 0], minlength=size) > 0,
        dict(confirmers),
        tuple(sorted(unmatched, key=lambda decision: decision.key)),
    )


def _check_distinct(decisions: Sequence[DecisionRow]) -> None:
    keys = [decision.key for decision in decisions]
    if len(set(keys)) == len(keys):
        return
    seen: set[tuple[str, ...]] = set()
    for key in sorted(keys):
        if key in seen:
            raise ValueError(f"{key} was decided twice: pass the latest decision only")
        seen.add(key)
