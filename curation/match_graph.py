"""The match graph of one landmark class: which photographs show the same surface.

Nodes are images; an edge says that the verifier found enough inliers. Copies of one photograph
count once wherever neighbours are counted, and never for each other: three uploads of one picture
are no evidence that three people stood before the same building.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from curation.duplicates import DuplicateGroups

Numbers = NDArray[np.int64]

EdgeRule = Literal["directed", "either", "both"]
"""Which directions of a pair must pass: source to target, at least one, or both."""


class DirectedScore(NamedTuple):
    """What the verifier found when `source` looked for `target`.

    Only pairs that passed the verifier's guards become scores: inliers on a watermark or on a
    degenerate model are not evidence, however many there are.
    """

    source: str
    target: str
    num_inliers: int


def score_both_ways(
    image_id_a: str, image_id_b: str, num_inliers: int
) -> tuple[DirectedScore, DirectedScore]:
    """The two scores of a pair judged by a symmetric verifier."""
    return (
        DirectedScore(image_id_a, image_id_b, num_inliers),
        DirectedScore(image_id_b, image_id_a, num_inliers),
    )


@dataclass(frozen=True, eq=False)
class ScoreColumns:
    """Scores of one class as arrays; a large class has a million.

    Attributes:
        source: positions in the ascending ids of the class, int64 (s,).
        target: likewise.
        num_inliers: int64 (s,).
    """

    source: Numbers
    target: Numbers
    num_inliers: Numbers

    @classmethod
    def of_pairs(cls, first: Numbers, second: Numbers, num_inliers: Numbers) -> Self:
        """The scores, two each, of pairs judged by a symmetric verifier."""
        both = np.concatenate
        return cls(
            both([first, second]).astype(np.int64),
            both([second, first]).astype(np.int64),
            both([num_inliers, num_inliers]).astype(np.int64),
        )

    @classmethod
    def of_scores(cls, image_ids: Sequence[str], scores: Iterable[DirectedScore]) -> Self:
        """Scores by id, of a class with these ascending ids.

        Raises:
            ValueError: a score names an unknown image.
        """
        places = {image_id: place for place, image_id in enumerate(image_ids)}
        rows = []
        for score in scores:
            if not (score.source in places and score.target in places):
                raise ValueError(
                    f"{score} names an image outside the class: pass the scores of one class, "
                    "verified from the same table of images"
                )
            rows.append((places[score.source], places[score.target], score.num_inliers))
        columns = np.array(rows, np.int64).reshape(-1, 3).T
        return cls(columns[0], columns[1], columns[2])

    def check(self, image_ids: Sequence[str]) -> None:
        """Raise `ValueError` if a score is of an image with itself, or there are two of a pair."""
        if len(own := np.flatnonzero(self.source == self.target)):
            raise ValueError(
                f"{self._describe(image_ids, own[0])}: an image cannot verify itself; leave it out "
                "by its id"
            )
        keys, counts = np.unique(self.source * len(image_ids) + self.target, return_counts=True)
        if len(repeated := np.flatnonzero(counts > 1)):
            source, target = divmod(int(keys[repeated[0]]), len(image_ids))
            last = np.flatnonzero((self.source == source) & (self.target == target))[-1]
            raise ValueError(
                f"{self._describe(image_ids, last)}: this ordered pair was scored before; score it "
                "once"
            )

    def _describe(self, image_ids: Sequence[str], row: int) -> DirectedScore:
        source, target = image_ids[self.source[row]], image_ids[self.target[row]]
        return DirectedScore(source, target, int(self.num_inliers[row]))


class MatchGraph:
    """The verified pairs of one class.

    Args:
        image_ids: the images of the class.
        scores: at most one per ordered pair; a missing one counts as no inliers. Columns go by
            position in the ascending ids.
        duplicates: groups of copies; restricted to the class here.
        edges: which directions must reach the threshold.
        min_inliers: the threshold; a score equal to it passes.

    Raises:
        ValueError: a score names an unknown image, an image with itself, or a pair twice.
    """

    def __init__(
        self,
        image_ids: Collection[str],
        scores: Iterable[DirectedScore] | ScoreColumns,
        duplicates: DuplicateGroups,
        *,
        edges: EdgeRule,
        min_inliers: int,
    ) -> None:
        self.image_ids = frozenset(image_ids)
        self.duplicates = duplicates.restrict_to(self.image_ids)
        self._ids = sorted(self.image_ids)
        self._places = {image_id: place for place, image_id in enumerate(self._ids)}
        if not isinstance(scores, ScoreColumns):
            scores = ScoreColumns.of_scores(self._ids, scores)
        scores.check(self._ids)
        passing = scores.num_inliers >= min_inliers
        keys = self._key(scores.source[passing], scores.target[passing])
        self._contacts = self._choose_edges(keys, "either")
        self._edges = self._contacts if edges == "either" else self._choose_edges(keys, edges)

    def has_contact(self, image_id: str) -> bool:
        """Whether any other photograph reached the threshold with it, in any direction.

        Weaker than having a verified neighbour: with `directed` or `both` edges a pair that
        passes in one direction only may give this image none.
        """
        return bool(self._num_contacts[self._places[image_id]])

    def list_verified_neighbours(self, image_id: str) -> frozenset[str]:
        """Other photographs that verify the image, each by its representative."""
        sources, photographs = self._split(self._represent_others(self._edges))
        found = photographs[sources == self._places[image_id]]
        return frozenset(self._ids[place] for place in found.tolist())

    def count_verified_neighbours(self, image_id: str) -> int:
        """Number of other photographs that verify the image, copies counted once."""
        return int(self._num_neighbours[self._places[image_id]])

    def count_photographs(self, image_ids: Iterable[str]) -> int:
        """Number of images, copies counted once."""
        return len({self.duplicates.find_representative(i) for i in image_ids})

    def label_components(self) -> dict[str, str]:
        """The connected component of every image, named by its smallest image id.

        Edges count without direction (weakly connected). Copies lie in one component even when
        the pair was never put to the verifier: they show the same surface by definition.
        """
        source, target = self._split(self._edges)
        own = np.arange(len(self._ids))
        labels = _label_components(
            np.concatenate([source, own]), np.concatenate([target, self._representatives])
        )
        return {i: self._ids[k] for i, k in zip(self._ids, labels.tolist(), strict=True)}

    def find_core(self, k: int) -> frozenset[str]:
        """The largest set of images of which each has `k` verified neighbours inside the set.

        The k-core (Seidman 1983) with copies counted once; for a graph without copies it is the
        ordinary one. Counting neighbours is monotone in the set, hence the order in which images
        fall does not matter (generalised cores, Batagelj & Zaversnik 2002).
        """
        edges = self._edges
        while True:
            is_alive = self._count_others(edges) >= k
            source, target = self._split(edges)
            left = edges[is_alive[source] & is_alive[target]]
            if len(left) == len(edges):
                return frozenset(self._ids[place] for place in np.flatnonzero(is_alive).tolist())
            edges = left

    @cached_property
    def _num_contacts(self) -> Numbers:
        return self._count_others(self._contacts)

    @cached_property
    def _num_neighbours(self) -> Numbers:
        return self._count_others(self._edges)

    @cached_property
    def _representatives(self) -> Numbers:
        """The position of each image's best copy."""
        best = np.arange(len(self._ids))
        for group in self.duplicates.groups:
            best[[self._places[image_id] for image_id in group]] = self._places[group[0]]
        return best

    def _count_others(self, edges: Numbers) -> Numbers:
        sources, _ = self._split(self._represent_others(edges))
        return np.bincount(sources, minlength=len(self._ids))

    def _represent_others(self, edges: Numbers) -> Numbers:
        """Distinct keys of images and the other photographs that their edges lead to."""
        if not self.duplicates.groups:
            return edges
        source, target = self._split(edges)
        photographs = self._representatives[target]
        is_other = photographs != self._representatives[source]
        return np.unique(self._key(source[is_other], photographs[is_other]))

    def _key(self, source: Numbers, target: Numbers) -> Numbers:
        return source * len(self._ids) + target

    def _split(self, keys: Numbers) -> tuple[Numbers, Numbers]:
        source, target = np.divmod(keys, max(1, len(self._ids)))
        return source, target

    def _choose_edges(self, passing: Numbers, edges: EdgeRule) -> Numbers:
        """Distinct keys of the ordered pairs that count, ascending."""
        if edges == "directed":
            return np.sort(passing)
        source, target = self._split(passing)
        reverse = self._key(target, source)
        choose = np.union1d if edges == "either" else np.intersect1d
        return choose(passing, reverse)


def _label_components(source: Numbers, target: Numbers) -> Numbers:
    """The smallest number of each one's component; every number has an edge, maybe to itself.

    Each round hooks roots to smaller neighbours and then shortens all paths (Shiloach & Vishkin
    1982), so that a class takes a few rounds whatever its shape.
    """
    labels = np.arange(int(source.max(initial=-1)) + 1)
    while True:
        a, b = labels[source], labels[target]
        if (a == b).all():
            return labels
        smaller = np.minimum(a, b)
        np.minimum.at(labels, a, smaller)
        np.minimum.at(labels, b, smaller)
        while (labels[labels] != labels).any():
            labels = labels[labels]
