"""The match graph of one landmark class: which photographs show the same surface.

Nodes are images; an edge says that the verifier found enough inliers. Copies of one photograph
count once wherever neighbours are counted, and never for each other: three uploads of one picture
are no evidence that three people stood before the same building.
"""

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

import networkx as nx

from curation.duplicates import DuplicateGroups

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


class MatchGraph:
    """The verified pairs of one class.

    Args:
        image_ids: the images of the class.
        scores: at most one per ordered pair; a missing one counts as no inliers.
        duplicates: groups of copies; restricted to the class here.
        edges: which directions must reach the threshold.
        min_inliers: the threshold; a score equal to it passes.

    Raises:
        ValueError: a score names an unknown image, an image with itself, or a pair twice.
    """

    def __init__(
        self,
        image_ids: Collection[str],
        scores: Iterable[DirectedScore],
        duplicates: DuplicateGroups,
        *,
        edges: EdgeRule,
        min_inliers: int,
    ) -> None:
        self.image_ids = frozenset(image_ids)
        self.duplicates = duplicates.restrict_to(self.image_ids)
        passing = _collect_passing_scores(self.image_ids, scores, min_inliers)
        self._contacts = _make_digraph(self.image_ids, _choose_edges(passing, "either"))
        self._edges = _make_digraph(self.image_ids, _choose_edges(passing, edges))

    def has_contact(self, image_id: str) -> bool:
        """Whether any other photograph reached the threshold with it, in any direction.

        Weaker than having a verified neighbour: with `directed` or `both` edges a pair that
        passes in one direction only may give this image none.
        """
        return bool(self._represent_others(image_id, self._contacts.successors(image_id)))

    def list_verified_neighbours(self, image_id: str) -> frozenset[str]:
        """Other photographs that verify the image, each by its representative."""
        return self._represent_others(image_id, self._edges.successors(image_id))

    def count_verified_neighbours(self, image_id: str) -> int:
        """Number of other photographs that verify the image, copies counted once."""
        return len(self.list_verified_neighbours(image_id))

    def count_photographs(self, image_ids: Iterable[str]) -> int:
        """Number of images, copies counted once."""
        return len({self.duplicates.find_representative(i) for i in image_ids})

    def label_components(self) -> dict[str, str]:
        """The connected component of every image, named by its smallest image id.

        Edges count without direction (weakly connected). Copies lie in one component even when
        the pair was never put to the verifier: they show the same surface by definition.
        """
        undirected = self._edges.to_undirected()
        for group in self.duplicates.groups:
            nx.add_path(undirected, group)
        return {
            image_id: min(component)
            for component in nx.connected_components(undirected)
            for image_id in component
        }

    def find_core(self, k: int) -> frozenset[str]:
        """The largest set of images of which each has `k` verified neighbours inside the set.

        The k-core (Seidman 1983) with copies counted once; for a graph without copies it is the
        ordinary one. Counting neighbours is monotone in the set, hence the order in which images
        fall does not matter (generalised cores, Batagelj & Zaversnik 2002).
        """
        alive = set(self.image_ids)
        suspects = alive
        while suspects:
            fallen = {i for i in suspects if self._count_neighbours_among(i, alive) < k}
            alive = alive - fallen
            suspects = {p for i in fallen for p in self._edges.predecessors(i)} & alive
        return frozenset(alive)

    def _count_neighbours_among(self, image_id: str, alive: set[str]) -> int:
        neighbours = (i for i in self._edges.successors(image_id) if i in alive)
        return len(self._represent_others(image_id, neighbours))

    def _represent_others(self, image_id: str, neighbours: Iterable[str]) -> frozenset[str]:
        own = self.duplicates.find_representative(image_id)
        return frozenset(map(self.duplicates.find_representative, neighbours)) - {own}


def _collect_passing_scores(
    image_ids: frozenset[str], scores: Iterable[DirectedScore], min_inliers: int
) -> set[tuple[str, str]]:
    """Ordered pairs that reach the threshold."""
    seen: set[tuple[str, str]] = set()
    passing: set[tuple[str, str]] = set()
    for score in scores:
        pair = (score.source, score.target)
        if score.source == score.target:
            raise ValueError(f"{score}: an image cannot verify itself; leave it out by its id")
        if not image_ids.issuperset(pair):
            raise ValueError(
                f"{score} names an image outside the class: pass the scores of one class, "
                "verified from the same table of images"
            )
        if pair in seen:
            raise ValueError(f"{score}: this ordered pair was scored before; score it once")
        seen.add(pair)
        if score.num_inliers >= min_inliers:
            passing.add(pair)
    return passing


def _choose_edges(passing: set[tuple[str, str]], edges: EdgeRule) -> set[tuple[str, str]]:
    reverse = {(target, source) for source, target in passing}
    if edges == "directed":
        return passing
    return passing | reverse if edges == "either" else passing & reverse


def _make_digraph(image_ids: frozenset[str], pairs: Iterable[tuple[str, str]]) -> "nx.DiGraph[str]":
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(image_ids)
    graph.add_edges_from(pairs)
    return graph
