"""GLDv2's two benchmarks: answers from descriptors, and what the official metrics say of them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from manifests.strict_model import StrictModel
from training.bootstrap import BootstrapSettings, bootstrap_mean
from training.gldv2_metrics import (
    Recognition,
    RecognitionSolution,
    RetrievalSolution,
    Retrieved,
    compute_average_precisions,
    compute_global_average_precision,
    compute_mean_precisions,
    compute_top1_accuracy,
    find_first_positions,
)
from training.gldv2_submissions import Solution, Submission
from training.recall_at_n import NO_IMAGE
from training.search import Neighbours

_MEAN_PRECISION_CUTOFFS = (1, 5, 10, 100)


class RetrievalScores(StrictModel):
    """Retrieval on one part, as fractions."""

    mean_average_precision_at_100: float
    interval: tuple[float, float]
    """Bootstrap interval of it."""
    mean_precisions: dict[int, float]
    mean_first_position: float
    median_first_position: float
    num_queries: int
    num_answered: int


class RecognitionScores(StrictModel):
    """Recognition on one part, as fractions."""

    global_average_precision: float
    without_images_of_no_landmark: float
    """The same if answers for such images were not counted as wrong."""
    top1_accuracy: float
    num_images: int
    num_with_landmark: int
    num_answered: int


class Gldv2Scores(StrictModel):
    """Both parts of a solution, which are scored apart; null for a part without images."""

    public_retrieval: RetrievalScores | None = None
    private_retrieval: RetrievalScores | None = None
    public_recognition: RecognitionScores | None = None
    private_recognition: RecognitionScores | None = None


def score_retrieval(
    solution: Solution[frozenset[str]],
    submission: Submission[tuple[str, ...]],
    bootstrap: BootstrapSettings,
) -> Gldv2Scores:
    """Score both parts of a retrieval submission."""
    return Gldv2Scores(
        public_retrieval=_score_retrieval_part(submission.public, solution.public, bootstrap),
        private_retrieval=_score_retrieval_part(submission.private, solution.private, bootstrap),
    )


def score_recognition(
    solution: Solution[frozenset[int]], submission: Submission[Recognition]
) -> Gldv2Scores:
    """Score both parts of a recognition submission."""
    return Gldv2Scores(
        public_recognition=_score_recognition_part(submission.public, solution.public),
        private_recognition=_score_recognition_part(submission.private, solution.private),
    )


def name_results(
    query_ids: Sequence[str], positions: NDArray[np.int64], index_ids: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Index images per query, the best first; a query without results is absent.

    Args:
        query_ids: one per row.
        positions: int64 (num_queries, k), positions in the index; `NO_IMAGE` for none.
        index_ids: ids of the index images.
    """
    named = {
        query_id: tuple(index_ids[position] for position in row if position != NO_IMAGE)
        for query_id, row in zip(query_ids, positions.tolist(), strict=True)
    }
    return {query_id: images for query_id, images in named.items() if images}


def vote_for_landmarks(
    query_ids: Sequence[str], neighbours: Neighbours, landmark_ids: NDArray[np.int64]
) -> dict[str, Recognition]:
    """Name the class with the greatest sum of similarities among the nearest training images.

    Args:
        query_ids: one per row.
        neighbours: the nearest training images of each query.
        landmark_ids: int64 (num_database,), classes of the training images.

    Returns:
        Query -> its class and the sum, as confidence; of equal sums the smaller class. A query
        without results is absent.
    """
    answers = {}
    for query_id, positions, similarities in zip(
        query_ids, neighbours.positions, neighbours.similarities.astype(np.float64), strict=True
    ):
        found = (positions != NO_IMAGE) & np.isfinite(similarities)
        if found.any():
            classes, index = np.unique(landmark_ids[positions[found]], return_inverse=True)
            sums = np.bincount(index, similarities[found])
            best = int(sums.argmax())
            answers[query_id] = Recognition(int(classes[best]), float(sums[best]))
    return answers


def _score_retrieval_part(
    predictions: Retrieved, solution: RetrievalSolution, bootstrap: BootstrapSettings
) -> RetrievalScores | None:
    if not solution:
        return None
    interval = bootstrap_mean(compute_average_precisions(predictions, solution), bootstrap)
    precisions = compute_mean_precisions(predictions, solution)
    firsts = find_first_positions(predictions, solution)
    return RetrievalScores(
        mean_average_precision_at_100=interval.mean,
        interval=(interval.low, interval.high),
        mean_precisions={k: float(precisions[k - 1]) for k in _MEAN_PRECISION_CUTOFFS},
        mean_first_position=float(firsts.mean()),
        median_first_position=float(np.median(firsts)),
        num_queries=len(solution),
        num_answered=len(predictions),
    )


def _score_recognition_part(
    predictions: Mapping[str, Recognition], solution: RecognitionSolution
) -> RecognitionScores | None:
    num_with_landmark = sum(bool(landmarks) for landmarks in solution.values())
    if num_with_landmark == 0:
        return None
    return RecognitionScores(
        global_average_precision=compute_global_average_precision(predictions, solution),
        without_images_of_no_landmark=compute_global_average_precision(
            predictions, solution, ignore_images_without_landmark=True
        ),
        top1_accuracy=compute_top1_accuracy(predictions, solution),
        num_images=len(solution),
        num_with_landmark=num_with_landmark,
        num_answered=len(predictions),
    )
