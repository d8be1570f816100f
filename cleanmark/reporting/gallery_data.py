"""What the retrieval gallery shows: queries with their first results, and what each of these is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cleanmark.reporting.pictures import MissingPictureError
from curation.images import ImageError
from manifests.evaluation_sets import EvaluationQuery
from manifests.input_error import InputError
from training.evaluation.evaluation_images import EvaluationImage
from training.evaluation.ranking import SetRanking
from training.evaluation.reranking import NOT_VERIFIED
from training.recall_at_n import NO_IMAGE

Pixels = NDArray[np.uint8]


class Relevance(StrEnum):
    """What a result is to a query."""

    EASY = "easy"
    HARD = "hard"
    RIGHT = "right"
    JUNK = "junk"
    WRONG = "wrong"
    DISTRACTOR = "distractor"


@dataclass(frozen=True)
class GalleryResult:
    """One result of a query.

    Attributes:
        name: of the image.
        similarity: of the descriptors.
        relevance: what it is to the query.
        num_inliers: where the verifier confirmed it; None where not.
        load: gives its pixels, or raises `MissingPictureError`.
    """

    name: str
    similarity: float
    relevance: Relevance
    num_inliers: int | None
    load: Callable[[], Pixels]


@dataclass(frozen=True)
class GalleryQuery:
    """One query with its first results.

    Attributes:
        name: its id.
        score: by which the hardest come first; None where nothing could be found.
        words: what there was to find, and what the score is.
        overlaps: whether its landmark is in the training set; None if unknown.
        results: the best first; none if the query could not be described.
        load: gives the pixels of the crop, or raises `MissingPictureError`.
    """

    name: str
    score: float | None
    words: str
    overlaps: bool | None
    results: tuple[GalleryResult, ...]
    load: Callable[[], Pixels]


@dataclass(frozen=True, eq=False)
class Gallery:
    """The queries of a set, hardest first, and its descriptors in a plane.

    Attributes:
        title: what is shown.
        score_name: what the score of a query is.
        queries: hardest first.
        points: float64 (n, 2), projected descriptors of database images; None for no picture.
        groups: int64 (n,), the landmark of each point.
        group_names: name of each landmark.
    """

    title: str
    score_name: str
    queries: tuple[GalleryQuery, ...]
    points: NDArray[np.float64] | None = None
    groups: NDArray[np.int64] | None = None
    group_names: Sequence[str] = ()


def judge_by_lists(query: EvaluationQuery, num_database: int) -> Callable[[int], Relevance]:
    """What a position is by the lists of the ground truth; behind the database, a distractor."""
    known = {
        position: relevance
        for listed, relevance in (
            (query.easy, Relevance.EASY),
            (query.hard, Relevance.HARD),
            (query.junk, Relevance.JUNK),
        )
        for position in listed
    }

    def judge(position: int) -> Relevance:
        if position >= num_database:
            return Relevance.DISTRACTOR
        return known.get(position, Relevance.WRONG)

    return judge


def take_results(
    ranking: SetRanking,
    row: int,
    images: Callable[[int], EvaluationImage],
    judge: Callable[[int], Relevance],
    count: int,
) -> tuple[GalleryResult, ...]:
    """The first results of one query."""
    results = []
    for position, similarity, inliers in zip(
        ranking.positions[row, :count].tolist(),
        ranking.similarities[row, :count].tolist(),
        ranking.num_inliers[row, :count].tolist(),
        strict=True,
    ):
        if position != NO_IMAGE:
            image = images(position)
            confirmed = None if inliers == NOT_VERIFIED else inliers
            results.append(
                GalleryResult(
                    image.name, similarity, judge(position), confirmed, make_loader(image)
                )
            )
    return tuple(results)


def sort_hardest_first(queries: Sequence[GalleryQuery]) -> tuple[GalleryQuery, ...]:
    """By rising score, then in the given order; what has no score comes last."""
    return tuple(sorted(queries, key=lambda q: (q.score is None, q.score or 0.0)))


def make_loader(image: EvaluationImage) -> Callable[[], Pixels]:
    """Gives the pixels of an image, or the reason why there are none in a report's words."""

    def load() -> Pixels:
        try:
            return image.load()
        except ImageError as error:
            raise MissingPictureError(f"No picture: {error.reason}") from error
        except (OSError, InputError) as error:
            raise MissingPictureError(f"No picture: {error}") from error

    return load
