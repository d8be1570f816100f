"""What the app must know of a run or an audit; `cleanmark.review` reads it from the folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from curation.overlap import Candidate
from curation.overlap_evidence import CandidateKey, ReviewedCandidate
from manifests.lineage import digest_json

Points = NDArray[np.float64]
_ID_CHARS = 32


@dataclass(frozen=True)
class Photograph:
    """A photograph and where its bytes lie.

    Attributes:
        sha256: of the whole file.
        path: the shard, or a file of its own.
        offset: first byte.
        num_bytes: size.
        credit: author and licence in words; None if unknown.
    """

    sha256: str
    path: Path
    offset: int
    num_bytes: int
    credit: str | None = None

    @property
    def picture_id(self) -> str:
        """What addresses call it: says nothing of where it lies."""
        return digest_json(["picture", self.sha256])[:_ID_CHARS]


@dataclass(frozen=True)
class Query:
    """An evaluation query.

    Attributes:
        eval_set: name of the evaluation set.
        query_id: the query.
        photograph: the query's image.
        box: the part that is asked for, x1, y1, x2, y2 in pixels of the stored photograph; None
            for the whole of it.
    """

    eval_set: str
    query_id: str
    photograph: Photograph
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Pair:
    """A candidate, with the photographs that a reviewer compares.

    Attributes:
        candidate: the row of the table `candidates`.
        query: None for a class that was proposed by its name.
        image: the training photograph.
        text_term: the name that was found in the name of the class; None for a visual candidate.
    """

    candidate: Candidate
    query: Query | None
    image: Photograph
    text_term: str | None

    @cached_property
    def key(self) -> CandidateKey:
        """What ties exported decisions to the candidate."""
        return CandidateKey(
            self.candidate.eval_set, self.candidate.query_id, self.candidate.image_id
        )

    @cached_property
    def content_key(self) -> str:
        """What votes are tied to, SHA-256: what is compared, whatever the run calls it.

        Evaluation set, bytes and box of the query, bytes of the training photograph. Where there
        is no query photograph, the name and the class stand for it.
        """
        if self.query is None:
            asked: list[object] = [self.candidate.query_id, self.candidate.landmark_id]
        else:
            box = self.query.box
            asked = [self.query.photograph.sha256, None if box is None else list(box)]
        return digest_json(["pair", self.candidate.eval_set, asked, self.image.sha256])

    @cached_property
    def pair_id(self) -> str:
        """What addresses call the candidate."""
        return digest_json([self.content_key, *self.key, self.candidate.landmark_id])[:_ID_CHARS]

    @cached_property
    def evidence_digest(self) -> str:
        """SHA-256 of all that a reviewer is shown, so that a vote says what it rests on."""
        c = self.candidate
        model = None if c.transform is None else [round(number, 4) for number in c.transform]
        similarity = None if c.similarity is None else round(c.similarity, 4)
        shown = [c.landmark_id, c.landmark_name, c.verdict, c.reason, similarity]
        return digest_json([self.content_key, *shown, c.num_tentative, c.num_inliers, model])

    @cached_property
    def reviewed(self) -> ReviewedCandidate:
        """The candidate as the removal policies see it."""
        c = self.candidate
        return ReviewedCandidate(self.key, c.landmark_id, c.num_inliers, c.verdict, c.source)


@dataclass(frozen=True)
class LandmarkClass:
    """A class with candidates: its name, its size in the clean split, and its photographs.

    Attributes:
        landmark_id: its number.
        name: None if it has none.
        num_images: in the clean split, or in the list of an audit.
        photographs: some of these.
        is_numbered: whether anybody else calls it by its number; not so if the list of an audit
            has text for labels.
    """

    landmark_id: int
    name: str | None
    num_images: int
    photographs: tuple[Photograph, ...]
    is_numbered: bool = True

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or f"Class {self.landmark_id}"


@dataclass(frozen=True, eq=False)
class MatchPoints:
    """Where two photographs agree; point i of one belongs to point i of the other.

    Attributes:
        in_query: float64 (n, 2), x and y as shares of the upright query's width and height.
        in_image: the same of the training photograph.
    """

    in_query: Points
    in_image: Points


class MatchFinder(Protocol):
    """Finds again where two photographs agree: the tables keep how many points, not which."""

    def __hash__(self) -> int:
        """What is found is kept by finder and pair."""

    def find(self, pair: Pair) -> MatchPoints:
        """The inliers of the pair; the query must be a photograph.

        Raises:
            EvidenceError: a file is gone or is another one now.
        """


class EvidenceError(ValueError):
    """A photograph that cannot be shown; the message says why."""


class Purpose(StrEnum):
    """What decisions are for."""

    REMOVAL = "removal"
    """Of classes from the clean split of a run."""
    CERTIFICATE = "certificate"
    """Of an audit, which removes nothing."""


@dataclass(frozen=True)
class ReviewRun:
    """The evidence of a run, or of an audit.

    Attributes:
        name: what the header calls it.
        pairs: in the order of work (`review_ui.work_queue.order_pairs`).
        classes: landmark id -> class, of every class with a candidate.
        min_confirmations: how many `same` confirm a pair.
        finder: finds the points in which pairs agree.
        purpose: what the decisions are for.
    """

    name: str
    pairs: Sequence[Pair]
    classes: Mapping[int, LandmarkClass]
    min_confirmations: int
    finder: MatchFinder
    purpose: Purpose = Purpose.REMOVAL

    @cached_property
    def by_id(self) -> Mapping[str, Pair]:
        """Pair id -> pair."""
        return {pair.pair_id: pair for pair in self.pairs}

    @cached_property
    def pairs_of_class(self) -> Mapping[int, Sequence[Pair]]:
        """Landmark id -> its pairs, in the order of work."""
        groups: dict[int, list[Pair]] = {}
        for pair in self.pairs:
            groups.setdefault(pair.candidate.landmark_id, []).append(pair)
        return groups

    @cached_property
    def photographs(self) -> Mapping[str, Photograph]:
        """Picture id -> photograph, of everything that may be shown."""
        shown = [pair.image for pair in self.pairs]
        shown += [pair.query.photograph for pair in self.pairs if pair.query is not None]
        shown += [p for landmark in self.classes.values() for p in landmark.photographs]
        return {photograph.picture_id: photograph for photograph in shown}
