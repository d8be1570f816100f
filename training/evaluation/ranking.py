"""The rankings of an evaluation set: the ranks that scores need, and the first results to show."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from training.evaluation.reranking import NOT_VERIFIED, Reranked
from training.recall_at_n import NO_IMAGE
from training.revisited_metrics import QueryRanks, Ranks
from training.search import Descriptors, rank_listed, search_top_k

Rerank = Callable[[int, NDArray[np.int64]], Reranked]
"""Row of a query and its first positions -> these in a new order."""


@dataclass(frozen=True, eq=False)
class SetRanking:
    """What is known of the rankings of all queries.

    Attributes:
        ranks: for each query, where the images of its ground truth stand.
        positions: int64 (num_queries, k), the first results, re-ranked if that was asked for;
            `NO_IMAGE` for a query without descriptor. Positions behind the database are
            distractors.
        similarities: float32 (num_queries, k), in the same order.
        num_inliers: int64 (num_queries, k), `NOT_VERIFIED` where the verifier gave none.
        num_distractors: rows behind the database.
    """

    ranks: tuple[QueryRanks, ...]
    positions: NDArray[np.int64]
    similarities: NDArray[np.float32]
    num_inliers: NDArray[np.int64]
    num_distractors: int


def rank_set(
    evaluation_set: EvaluationSet,
    queries: Descriptors,
    database: Descriptors,
    *,
    distractors: Iterable[Descriptors] = (),
    top_k: int = 0,
    rerank: Rerank | None = None,
) -> SetRanking:
    """Rank database and distractors for every query.

    Memory: descriptors and similarities of the database, one chunk of distractors, and `top_k`
    results per query. Ranks are exact, as if everything were sorted in one list.

    Args:
        evaluation_set: the ground truth.
        queries: (num_queries, dimensions), of the cropped queries, in the order of the set; a row
            of NaN where one has no descriptor.
        database: (num_database, dimensions), in the order of the set.
        distractors: chunks of further descriptors, such as R1M. Read a second time if `top_k` is
            above 0, so give what can be read twice.
        top_k: first results to keep.
        rerank: puts them into a new order. All other ranks stay.

    Raises:
        ValueError: descriptors do not fit the set or each other.
    """
    _check_counts(evaluation_set, queries, database)
    answered = np.flatnonzero(~np.isnan(queries).all(axis=1))
    truths = [evaluation_set.queries[row] for row in answered]
    listed = [np.array([*q.easy, *q.hard, *q.junk], np.intp) for q in truths]
    counted = _CountedRows(distractors)
    ranks = rank_listed(queries[answered], database, listed, counted)
    firsts = _Firsts.search(queries, answered, chain([database], distractors), top_k)
    if rerank is not None:
        for row, listed_positions, query_ranks in zip(answered, listed, ranks, strict=True):
            firsts.reorder(int(row), rerank, listed_positions, query_ranks)
    split = dict(zip(answered.tolist(), map(_split_ranks, ranks, truths), strict=True))
    return SetRanking(
        tuple(split.get(row) or _unanswered(q) for row, q in enumerate(evaluation_set.queries)),
        firsts.positions,
        firsts.similarities,
        firsts.num_inliers,
        counted.num_rows,
    )


def search_set(queries: Descriptors, database: Iterable[Descriptors], top_k: int) -> SetRanking:
    """The first results of every query, for protocols that need no more; `ranks` is empty.

    Memory: the queries, one chunk of the database, and `top_k` results per query.

    Args:
        queries: (num_queries, dimensions); a row of NaN where one has no descriptor.
        database: chunks of descriptors, read once.
        top_k: results per query, at least 1.
    """
    answered = np.flatnonzero(~np.isnan(queries).all(axis=1))
    firsts = _Firsts.search(queries, answered, database, top_k)
    return SetRanking((), firsts.positions, firsts.similarities, firsts.num_inliers, 0)


class _CountedRows:
    """Passes chunks on and counts their rows; they are too many to be kept for counting."""

    def __init__(self, chunks: Iterable[Descriptors]) -> None:
        self._chunks = chunks
        self.num_rows = 0

    def __iter__(self) -> Iterator[Descriptors]:
        for chunk in self._chunks:
            self.num_rows += len(chunk)
            yield chunk


@dataclass(frozen=True, eq=False)
class _Firsts:
    """The first results of all queries; rows of unanswered ones hold `NO_IMAGE`."""

    positions: NDArray[np.int64]
    similarities: NDArray[np.float32]
    num_inliers: NDArray[np.int64]

    @classmethod
    def search(
        cls,
        queries: Descriptors,
        answered: NDArray[np.intp],
        everything: Iterable[Descriptors],
        top_k: int,
    ) -> "_Firsts":
        found = search_top_k(queries[answered], everything if top_k else (), max(top_k, 1))
        shape = len(queries), found.positions.shape[1]
        firsts = cls(
            np.full(shape, NO_IMAGE, np.int64),
            np.full(shape, -np.inf, np.float32),
            np.full(shape, NOT_VERIFIED, np.int64),
        )
        firsts.positions[answered] = found.positions
        firsts.similarities[answered] = found.similarities
        return firsts

    def reorder(
        self, row: int, rerank: Rerank, listed: NDArray[np.intp], query_ranks: Ranks
    ) -> None:
        """Re-rank a query's results in place, and correct the ranks of listed images."""
        before = self.positions[row].copy()
        found = rerank(row, before)
        moved = {int(position): rank for rank, position in enumerate(found.positions)}
        for index, position in enumerate(listed.tolist()):
            query_ranks[index] = moved.get(position, query_ranks[index])
        similarities = dict(zip(before.tolist(), self.similarities[row].tolist(), strict=True))
        self.positions[row] = found.positions
        self.num_inliers[row] = found.num_inliers
        self.similarities[row] = [similarities[position] for position in found.positions.tolist()]


def _check_counts(
    evaluation_set: EvaluationSet, queries: Descriptors, database: Descriptors
) -> None:
    needed = len(evaluation_set.queries), len(evaluation_set.database)
    if (len(queries), len(database)) != needed:
        raise ValueError(
            f"{len(queries)} query and {len(database)} database descriptors: "
            f"{evaluation_set.name} has {needed[0]} queries and {needed[1]} images"
        )


def _split_ranks(ranks: Ranks, query: EvaluationQuery) -> QueryRanks:
    ends = np.cumsum([len(query.easy), len(query.hard)])
    easy, hard, junk = np.split(ranks, ends)
    return QueryRanks(easy, hard, junk)


def _unanswered(query: EvaluationQuery) -> QueryRanks:
    easy, hard, junk = (
        np.zeros(len(listed), np.int64) for listed in (query.easy, query.hard, query.junk)
    )
    return QueryRanks(easy, hard, junk, is_answered=False)
