"""The metrics of Google Landmarks v2 (Weyand et al. 2020, section 5).

Recognition is scored by the global average precision (GAP, also called micro-AP), retrieval by
mAP@100. The numbers are those of the official evaluation code, to the last edge case.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_PREDICTIONS: Final = 100
"""Retrieved images per query that count."""

RecognitionSolution = Mapping[str, AbstractSet[int]]
"""Test image -> its landmarks; none for an image that shows no landmark."""

RetrievalSolution = Mapping[str, AbstractSet[str]]
"""Query image -> the index images that show the same landmark."""

Retrieved = Mapping[str, Sequence[str]]
"""Query image -> index images, the best first."""


@dataclass(frozen=True)
class Recognition:
    """The one landmark that a submission names for a test image.

    Attributes:
        landmark_id: the class.
        score: confidence, of any range; comparable between images.
    """

    landmark_id: int
    score: float


def compute_global_average_precision(
    predictions: Mapping[str, Recognition],
    solution: RecognitionSolution,
    *,
    ignore_images_without_landmark: bool = False,
) -> float:
    """GAP: the precisions at the right answers, all images in one list, over what is findable.

    The list is sorted by falling score; of equal scores, the smaller image id comes first. The
    sum is divided by the number of images that show a landmark, whether or not one was named.

    Args:
        predictions: test image -> answer; images may be absent.
        solution: the truth of every image that is scored.
        ignore_images_without_landmark: do not count an answer for such an image as wrong. The
            challenge counts it.

    Raises:
        ValueError: no image of the solution shows a landmark, or an image is not of the solution.
    """
    _check_known(predictions, solution)
    ranked = sorted(predictions.items(), key=lambda item: (-item[1].score, item[0]))
    total, num_seen, num_right = 0.0, 0, 0
    for image_id, prediction in ranked:
        if ignore_images_without_landmark and not solution[image_id]:
            continue
        num_seen += 1
        if prediction.landmark_id in solution[image_id]:
            num_right += 1
            total += num_right / num_seen
    return total / _count_findable(solution)


def compute_top1_accuracy(
    predictions: Mapping[str, Recognition], solution: RecognitionSolution
) -> float:
    """Share of right answers among the images that show a landmark; no answer is a wrong one.

    Raises:
        ValueError: no image of the solution shows a landmark, or an image is not of the solution.
    """
    _check_known(predictions, solution)
    num_right = sum(
        prediction.landmark_id in solution[image_id] for image_id, prediction in predictions.items()
    )
    return num_right / _count_findable(solution)


def compute_average_precisions(
    predictions: Retrieved, solution: RetrievalSolution, max_predictions: int = MAX_PREDICTIONS
) -> NDArray[np.float64]:
    """Average precision at k of each query, float64 (num_queries,), in the solution's order.

    The precisions at the right images, summed and divided by the number of right images or k,
    whichever is less. An image named again counts for nothing but takes its rank. A query without
    an answer scores 0.

    Raises:
        ValueError: a query is not of the solution, or nothing can be right for one.
    """
    scores = [
        sum(np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1))
        / min(len(solution[query_id]), max_predictions)
        for query_id, hits in _find_hits(predictions, solution, max_predictions)
    ]
    return np.array(scores, np.float64)


def compute_mean_average_precision(
    predictions: Retrieved, solution: RetrievalSolution, max_predictions: int = MAX_PREDICTIONS
) -> float:
    """mAP@k over all queries of the solution; see `compute_average_precisions`."""
    return float(compute_average_precisions(predictions, solution, max_predictions).mean())


def compute_mean_precisions(
    predictions: Retrieved, solution: RetrievalSolution, max_predictions: int = MAX_PREDICTIONS
) -> NDArray[np.float64]:
    """Mean precision at 1, 2, ... k, float64 (k,); what a list lacks counts as wrong.

    Raises:
        ValueError: as `compute_average_precisions`.
    """
    total = np.zeros(max_predictions)
    for _, hits in _find_hits(predictions, solution, max_predictions):
        total[: len(hits)] += np.cumsum(hits)
        total[len(hits) :] += hits.sum()
    return total / np.arange(1, max_predictions + 1) / len(solution)


def find_first_positions(
    predictions: Retrieved, solution: RetrievalSolution, max_predictions: int = MAX_PREDICTIONS
) -> NDArray[np.int64]:
    """Position (from 1) of each query's first right image, int64 (num_queries,); k + 1 if none.

    The challenge reports their mean and median.

    Raises:
        ValueError: as `compute_average_precisions`.
    """
    firsts = [
        int(hits.argmax()) + 1 if hits.any() else max_predictions + 1
        for _, hits in _find_hits(predictions, solution, max_predictions)
    ]
    return np.array(firsts, np.int64)


def _find_hits(
    predictions: Retrieved, solution: RetrievalSolution, max_predictions: int
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """For each query, which of its first k images are right and named for the first time."""
    _check_known(predictions, solution)
    if not solution:
        raise ValueError("the solution has no queries: score the Public or the Private part")
    for query_id, right in solution.items():
        if not right:
            raise ValueError(f"query {query_id!r}: no index image is right; mark it Ignored")
        unseen = set(right)
        hits = []
        for image_id in predictions.get(query_id, ())[:max_predictions]:
            hits.append(image_id in unseen)
            unseen.discard(image_id)
        yield query_id, np.array(hits, np.bool_)


def _check_known(predictions: Mapping[str, object], solution: Mapping[str, object]) -> None:
    unknown = sorted(predictions.keys() - solution.keys())
    if unknown:
        raise ValueError(
            f"{len(unknown)} predictions are for images that the solution lacks, the first for "
            f"{unknown[0]!r}; score each part (Public, Private) with its own predictions"
        )


def _count_findable(solution: RecognitionSolution) -> int:
    num_findable = sum(bool(landmarks) for landmarks in solution.values())
    if num_findable == 0:
        raise ValueError("no image of the solution shows a landmark; nothing can be scored")
    return num_findable
