"""Scores of the queries whose landmark is in the training set, beside those of the others.

Song et al. 2024, "On Train-Test Class Overlap and Detection for Image Retrieval", Table A13. The
database stays whole; only the mean is taken over one part of the queries or the other. The paper
does not publish its list of queries; ours follows from the reviewers' decisions.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from manifests.decisions import DecisionRow, latest_per_reviewer
from manifests.rows import CandidateSource, Decision
from training.revisited_metrics import ProtocolScores


@dataclass(frozen=True, eq=False)
class OverlapScores:
    """Scores of one evaluation set in two parts, which together hold each query once.

    Attributes:
        overlapping: queries with a confirmed photograph in a removed class.
        others: the remaining queries.
    """

    overlapping: ProtocolScores
    others: ProtocolScores


def find_overlapping_queries(
    eval_set: str,
    candidates: pa.Table,
    decisions: Iterable[DecisionRow],
    removed_classes: Collection[int],
    min_confirmations: int = 1,
) -> frozenset[str]:
    """Queries for which a photograph of a removed class was confirmed to show their landmark.

    Candidates found by the name of their class belong to no query, so they make none overlap;
    neither does a decision on what is no candidate, whose class is unknown.

    Args:
        eval_set: name of the evaluation set.
        candidates: the table `CANDIDATES`; eval_set, query_id, image_id,
            landmark_id and source are used.
        decisions: all decisions; of each reviewer on each candidate, the latest counts.
        removed_classes: landmark ids.
        min_confirmations: reviewers who must say `same`, as for the removal.

    Returns:
        Ids of queries of this set.
    """
    confirmations: dict[tuple[str, str], int] = {}
    for decision in latest_per_reviewer(d for d in decisions if d.eval_set == eval_set):
        if decision.decision is Decision.SAME:
            key = decision.query_id, decision.image_id
            confirmations[key] = confirmations.get(key, 0) + 1
    columns = ("eval_set", "query_id", "image_id", "landmark_id", "source")
    rows = zip(*(candidates[name].to_pylist() for name in columns), strict=True)
    removed = frozenset(removed_classes)
    return frozenset(
        query_id
        for row_set, query_id, image_id, landmark_id, source in rows
        if row_set == eval_set
        and source == CandidateSource.VISUAL
        and landmark_id in removed
        and confirmations.get((query_id, image_id), 0) >= min_confirmations
    )


def split_scores(
    scores: ProtocolScores, query_ids: Sequence[str], overlapping: Collection[str]
) -> OverlapScores:
    """Split the scores of a set by whether a query overlaps.

    The mean over all queries is the mean of the two parts, weighted by their scored queries.

    Args:
        scores: of all queries.
        query_ids: their ids, in the same order.
        overlapping: ids of the overlapping ones.

    Raises:
        ValueError: the numbers differ, or an overlapping query is not of the set.
    """
    if len(query_ids) != scores.num_queries:
        raise ValueError(f"{len(query_ids)} query ids for {scores.num_queries} scored queries")
    unknown = sorted(set(overlapping) - set(query_ids))
    if unknown:
        raise ValueError(
            f"overlapping queries that the evaluation set lacks, the first {unknown[0]!r} of "
            f"{len(unknown)}; take decisions and ground truth of the same set"
        )
    mask = np.array([query_id in overlapping for query_id in query_ids], np.bool_)
    return OverlapScores(scores.select(mask), scores.select(~mask))
