"""Descriptors against a benchmark: all protocols, the overlap split, intervals, as one record."""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from manifests.atomic import write_text
from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from manifests.strict_model import StrictModel
from training.bootstrap import BootstrapSettings, bootstrap_mean
from training.overlap_split import split_scores
from training.revisited_metrics import (
    DEFAULT_CUTOFFS,
    Protocol,
    ProtocolScores,
    QueryRanks,
    Ranks,
    score_queries,
)
from training.search import Descriptors, rank_listed

REVISITED_PROTOCOLS: Final = (Protocol.EASY, Protocol.MEDIUM, Protocol.HARD)


class EvaluationSettings(StrictModel):
    """What is reported of a benchmark."""

    protocols: tuple[Protocol, ...] = REVISITED_PROTOCOLS
    cutoffs: tuple[int, ...] = DEFAULT_CUTOFFS
    """The k of mP@k."""
    bootstrap: BootstrapSettings = BootstrapSettings()
    """Of the interval of mAP over the queries."""


class MeanScores(StrictModel):
    """Means over some queries, as fractions; null where none of them has positives."""

    mean_average_precision: float | None
    interval: tuple[float, float] | None
    """Bootstrap interval of the mean average precision."""
    mean_precisions: dict[int, float | None]
    """k -> mP@k."""
    num_queries: int
    num_without_positives: int
    """Of those queries; the means leave them out."""


class ProtocolResult(StrictModel):
    """One protocol: all queries, and the two parts if it is known which queries overlap."""

    protocol: Protocol
    all_queries: MeanScores
    overlapping: MeanScores | None
    others: MeanScores | None
    average_precisions: dict[str, float | None]
    """Of each query; null without positives."""


class SetResult(StrictModel):
    """What one evaluation set says of one network."""

    name: str
    num_database: int
    num_distractors: int
    num_undescribed: int
    """Images of the database without descriptor; they rank last."""
    protocols: tuple[ProtocolResult, ...]


def evaluate_set(
    evaluation_set: EvaluationSet,
    queries: Descriptors,
    database: Descriptors,
    *,
    distractors: Iterable[Descriptors] = (),
    overlapping: Collection[str] | None = None,
    settings: EvaluationSettings | None = None,
) -> SetResult:
    """Rank the database for every query and score the rankings.

    Args:
        evaluation_set: the ground truth.
        queries: (num_queries, dimensions), of the cropped queries, in the order of the set.
        database: (num_database, dimensions), in the order of the set.
        distractors: chunks of further descriptors, such as R1M; read once.
        overlapping: ids of the queries that overlap the training set, None if unknown.
        settings: protocols, cutoffs, intervals.

    Raises:
        ValueError: descriptors do not fit the set or each other, or a query has none.
    """
    settings = settings or EvaluationSettings()
    _check_counts(evaluation_set, queries, database)
    truths = evaluation_set.queries
    listed = [np.array([*q.easy, *q.hard, *q.junk], np.intp) for q in truths]
    counted = _CountedRows(distractors)
    ranks = [
        _split_ranks(row, query)
        for row, query in zip(rank_listed(queries, database, listed, counted), truths, strict=True)
    ]
    return SetResult(
        name=evaluation_set.name,
        num_database=len(database),
        num_distractors=counted.num_rows,
        num_undescribed=int(np.isnan(database).all(axis=1).sum()),
        protocols=tuple(
            _summarise(
                protocol,
                score_queries(ranks, protocol, settings.cutoffs),
                [query.query_id for query in truths],
                overlapping,
                settings.bootstrap,
            )
            for protocol in settings.protocols
        ),
    )


def write_results(path: Path, results: Sequence[SetResult]) -> None:
    """Write results as JSON, atomically; equal results give equal bytes."""
    lines = ",\n".join(result.model_dump_json(indent=1) for result in results)
    write_text(path, f"[\n{lines}\n]\n")


class _CountedRows:
    """Passes chunks on and counts their rows; they are too many to be kept for counting."""

    def __init__(self, chunks: Iterable[Descriptors]) -> None:
        self._chunks = chunks
        self.num_rows = 0

    def __iter__(self) -> Iterator[Descriptors]:
        for chunk in self._chunks:
            self.num_rows += len(chunk)
            yield chunk


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


def _summarise(
    protocol: Protocol,
    scores: ProtocolScores,
    query_ids: Sequence[str],
    overlapping: Collection[str] | None,
    bootstrap: BootstrapSettings,
) -> ProtocolResult:
    parts = None if overlapping is None else split_scores(scores, query_ids, overlapping)
    per_query = zip(query_ids, scores.average_precisions.tolist(), strict=True)
    return ProtocolResult(
        protocol=protocol,
        all_queries=_take_means(scores, bootstrap),
        overlapping=parts and _take_means(parts.overlapping, bootstrap),
        others=parts and _take_means(parts.others, bootstrap),
        average_precisions={query_id: _null_if_nan(value) for query_id, value in per_query},
    )


def _take_means(scores: ProtocolScores, bootstrap: BootstrapSettings) -> MeanScores:
    has_scores = scores.num_queries > scores.num_without_positives
    interval = bootstrap_mean(scores.average_precisions, bootstrap) if has_scores else None
    means = zip(scores.cutoffs, scores.mean_precisions.tolist(), strict=True)
    return MeanScores(
        mean_average_precision=_null_if_nan(scores.mean_average_precision),
        interval=interval and (interval.low, interval.high),
        mean_precisions={cutoff: _null_if_nan(mean) for cutoff, mean in means},
        num_queries=scores.num_queries,
        num_without_positives=scores.num_without_positives,
    )


def _null_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value
