"""Descriptors against a benchmark: all protocols, the overlap split, intervals, as one record."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import numpy as np

from manifests.evaluation_sets import EvaluationSet
from manifests.strict_model import StrictModel
from training.bootstrap import BootstrapSettings, bootstrap_mean
from training.evaluation.ranking import SetRanking, rank_set
from training.overlap_split import split_scores
from training.revisited_metrics import (
    DEFAULT_CUTOFFS,
    Protocol,
    ProtocolScores,
    score_queries,
)
from training.search import Descriptors

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
    num_unanswered: int = 0
    """Queries without descriptor; they score 0."""
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
        ValueError: descriptors do not fit the set or each other.
    """
    ranking = rank_set(evaluation_set, queries, database, distractors=distractors)
    num_undescribed = int(np.isnan(database).all(axis=1).sum())
    return score_set(
        evaluation_set,
        ranking,
        num_undescribed=num_undescribed,
        overlapping=overlapping,
        settings=settings,
    )


def score_set(
    evaluation_set: EvaluationSet,
    ranking: SetRanking,
    *,
    num_undescribed: int = 0,
    overlapping: Collection[str] | None = None,
    settings: EvaluationSettings | None = None,
) -> SetResult:
    """Score the rankings of a set.

    Args:
        evaluation_set: the ground truth.
        ranking: of its queries.
        num_undescribed: database images that rank last for want of a descriptor.
        overlapping: ids of the queries that overlap the training set, None if unknown.
        settings: protocols, cutoffs, intervals.
    """
    settings = settings or EvaluationSettings()
    query_ids = [query.query_id for query in evaluation_set.queries]
    return SetResult(
        name=evaluation_set.name,
        num_database=len(evaluation_set.database),
        num_distractors=ranking.num_distractors,
        num_undescribed=num_undescribed,
        num_unanswered=sum(not ranks.is_answered for ranks in ranking.ranks),
        protocols=tuple(
            _summarise(
                protocol,
                score_queries(ranking.ranks, protocol, settings.cutoffs),
                query_ids,
                overlapping,
                settings.bootstrap,
            )
            for protocol in settings.protocols
        ),
    )


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
