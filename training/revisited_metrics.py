"""Mean average precision and precision at k of Revisited Oxford and Paris.

Radenović et al. 2018, "Revisiting Oxford and Paris: Large-Scale Image Retrieval Benchmarking".
The average precision is that of the original Oxford5k and Paris6k (Philbin et al. 2007): the area
under the precision-recall curve by trapezoids, which can differ by tens of points from the mean of
the precisions at the positives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from manifests.evaluation_sets import EvaluationQuery, EvaluationSet

DEFAULT_CUTOFFS: Final = (1, 5, 10)
"""The k of mP@k that the benchmark reports."""

Ranks = NDArray[np.int64]


class Protocol(StrEnum):
    """Which images of the ground truth count as right, and which are left out as if absent."""

    EASY = "E"
    MEDIUM = "M"
    HARD = "H"
    ORIGINAL = "O"
    """Oxford5k and Paris6k with `good` as easy and `ok` as hard: scored as Medium."""


_POSITIVES: Final = {
    Protocol.EASY: ("easy",),
    Protocol.MEDIUM: ("easy", "hard"),
    Protocol.HARD: ("hard",),
    Protocol.ORIGINAL: ("easy", "hard"),
}
_IGNORED: Final = {
    Protocol.EASY: ("junk", "hard"),
    Protocol.MEDIUM: ("junk",),
    Protocol.HARD: ("junk", "easy"),
    Protocol.ORIGINAL: ("junk",),
}


@dataclass(frozen=True, eq=False)
class QueryRanks:
    """Where the images that a query's ground truth lists stand in its complete ranking.

    Ranks count from 0 (the most similar image). That is all that a score depends on, so that a
    million distractors need not be sorted: see `training.search.rank_listed`.

    Attributes:
        easy: int64 (num_easy,), in the order of the ground truth.
        hard: int64 (num_hard,), likewise.
        junk: int64 (num_junk,), likewise.
        is_answered: False for a query that could not be described. It finds nothing: leaving it
            out of the means would flatter.
    """

    easy: Ranks
    hard: Ranks
    junk: Ranks
    is_answered: bool = True

    def select(self, names: Sequence[str]) -> Ranks:
        """The ranks in some of the lists (`easy`, `hard`, `junk`), ascending."""
        return np.sort(np.concatenate([getattr(self, name) for name in names]))


@dataclass(frozen=True, eq=False)
class ProtocolScores:
    """Scores of all queries under one protocol, as fractions (not percent).

    Attributes:
        average_precisions: float64 (num_queries,); NaN for a query without positives.
        precisions: float64 (num_queries, len(cutoffs)); NaN likewise.
        cutoffs: the k of each column.
    """

    average_precisions: NDArray[np.float64]
    precisions: NDArray[np.float64]
    cutoffs: tuple[int, ...]

    @property
    def num_queries(self) -> int:
        """All queries."""
        return len(self.average_precisions)

    @property
    def num_without_positives(self) -> int:
        """Queries that the means leave out, because nothing could be found."""
        return int(np.isnan(self.average_precisions).sum())

    @property
    def mean_average_precision(self) -> float:
        """Mean over the queries that have positives; NaN if none has."""
        return float(_mean_of_scored(self.average_precisions[:, None])[0])

    @property
    def mean_precisions(self) -> NDArray[np.float64]:
        """mP@k for each cutoff, float64 (len(cutoffs),), over the queries that have positives."""
        return _mean_of_scored(self.precisions)

    def select(self, mask: NDArray[np.bool_]) -> "ProtocolScores":
        """The scores of some of the queries; bool (num_queries,)."""
        return ProtocolScores(self.average_precisions[mask], self.precisions[mask], self.cutoffs)


def find_ranks(ranking: NDArray[np.integer], query: EvaluationQuery) -> QueryRanks:
    """Look up the ground truth of a query in its complete ranking.

    Args:
        ranking: int (num_database,), every position of the database once, the best first.
        query: the ground truth.

    Raises:
        ValueError: the ranking is cut short, or holds a position twice or one out of range.
    """
    num_database = len(ranking)
    inverse = np.full(num_database, -1, np.int64)
    # Checked first, because NumPy would take a negative position for one from the end.
    if num_database and ranking.min() >= 0 and ranking.max() < num_database:
        inverse[ranking] = np.arange(num_database)
    needed = [i for listed in (query.easy, query.hard, query.junk) for i in listed]
    if (inverse < 0).any() or max(needed, default=-1) >= num_database:
        raise ValueError(
            f"query {query.query_id!r}: its ranking of {num_database} images does not hold every "
            "position of the database exactly once; rank the whole database, or take the ranks "
            "from rank_listed"
        )
    easy, hard, junk = (
        inverse[np.asarray(listed, np.intp)] for listed in (query.easy, query.hard, query.junk)
    )
    return QueryRanks(easy, hard, junk)


def compute_average_precision(positive_ranks: NDArray[np.integer], num_positives: int) -> float:
    """Area under the precision-recall curve by the trapezoid rule (Philbin et al. 2007).

    Args:
        positive_ranks: int (num_found,), ranks of the positives that were found, counted from 0,
            ascending, junk already taken out.
        num_positives: all positives of the query, found or not.

    Returns:
        0 to 1.

    Raises:
        ValueError: there are no positives, or more were found than there are.
    """
    if not 0 < num_positives >= len(positive_ranks):
        raise ValueError(
            f"{len(positive_ranks)} of {num_positives} positives found: the average precision "
            "needs at least one positive, and all of them counted"
        )
    ranks = np.asarray(positive_ranks, np.float64)
    num_before = np.arange(len(ranks), dtype=np.float64)
    # At rank 0 nothing has been seen yet; the precision there starts at 1.
    precision_before = np.divide(num_before, ranks, out=np.ones_like(ranks), where=ranks > 0)
    precision_after = (num_before + 1) / (ranks + 1)
    return float((precision_before + precision_after).sum() / (2 * num_positives))


def compute_precision(positive_ranks: NDArray[np.integer], cutoff: int) -> float:
    """Precision at k, where k stops at the last positive (Radenović et al. 2018).

    A query whose positives all stand within fewer than k ranks is thus not punished for having so
    few: four positives on the first four ranks have a precision at 10 of 1.

    Args:
        positive_ranks: int (num_positives,), counted from 0, junk already taken out; not empty.
        cutoff: k, at least 1.
    """
    last = min(int(np.max(positive_ranks)) + 1, cutoff)
    return int(np.count_nonzero(positive_ranks < last)) / last


def remove_ignored(positive_ranks: Ranks, ignored_ranks: Ranks) -> Ranks:
    """Lower each rank by the number of ignored images before it; both ascending, from 0."""
    lowered: Ranks = positive_ranks - np.searchsorted(ignored_ranks, positive_ranks)
    return lowered


def score_queries(
    ranks: Sequence[QueryRanks],
    protocol: Protocol,
    cutoffs: Sequence[int] = DEFAULT_CUTOFFS,
) -> ProtocolScores:
    """Score the rankings of all queries under one protocol.

    Args:
        ranks: one per query.
        protocol: what counts as right.
        cutoffs: the k of mP@k, each at least 1.
    """
    average_precisions = np.full(len(ranks), np.nan)
    precisions = np.full((len(ranks), len(cutoffs)), np.nan)
    for row, query_ranks in enumerate(ranks):
        positives = remove_ignored(
            query_ranks.select(_POSITIVES[protocol]), query_ranks.select(_IGNORED[protocol])
        )
        if len(positives) and not query_ranks.is_answered:
            average_precisions[row] = 0.0
            precisions[row] = 0.0
        elif len(positives):
            average_precisions[row] = compute_average_precision(positives, len(positives))
            precisions[row] = [compute_precision(positives, cutoff) for cutoff in cutoffs]
    return ProtocolScores(average_precisions, precisions, tuple(cutoffs))


def score_rankings(
    rankings: NDArray[np.integer],
    evaluation_set: EvaluationSet,
    protocol: Protocol,
    cutoffs: Sequence[int] = DEFAULT_CUTOFFS,
) -> ProtocolScores:
    """Score complete rankings of the database.

    Args:
        rankings: int (num_queries, num_ranked), one row per query, the best first. The
            benchmark's own code has one column per query: transpose those. Positions behind the
            database of the set are distractors.
        evaluation_set: the ground truth.
        protocol: what counts as right.
        cutoffs: the k of mP@k, each at least 1.

    Raises:
        ValueError: there is not one complete ranking for each query.
    """
    num_queries, num_database = len(evaluation_set.queries), len(evaluation_set.database)
    if rankings.ndim != 2 or len(rankings) != num_queries or rankings.shape[1] < num_database:
        raise ValueError(
            f"rankings of shape {rankings.shape}: {evaluation_set.name} needs one row for each of "
            f"its {num_queries} queries, of at least {num_database} positions"
        )
    pairs = zip(rankings, evaluation_set.queries, strict=True)
    return score_queries([find_ranks(row, query) for row, query in pairs], protocol, cutoffs)


def _mean_of_scored(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the rows that are numbers; NaN if there are none."""
    scored = values[~np.isnan(values).any(axis=1)]
    if len(scored) == 0:
        return np.full(values.shape[1], np.nan)
    mean: NDArray[np.float64] = scored.mean(axis=0)
    return mean
