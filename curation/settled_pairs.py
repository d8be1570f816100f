"""Which pairs need not be verified because their answer can no longer change anything.

An image is kept for having enough verified neighbours, and a class falls into the components of
its verified pairs. Once two images lie in one component and both have neighbours enough, their
own pair changes neither. Pairs must come in a fixed order; most similar first skips most.
"""

from collections import defaultdict

from curation.disjoint_sets import DisjointSets
from manifests.rows import PairVerdict


class SettledPairs:
    """What the pairs verified so far say about the others of one class.

    Neighbours that are copies of one photograph count once, and copies of the image itself not at
    all, as the cleaning counts them. A pair of copies that is skipped is not known as one: where
    copies do not come first, an image may be kept for neighbours that are copies of each other.

    Args:
        min_neighbours: verified neighbours that settle an image.
    """

    def __init__(self, min_neighbours: int) -> None:
        self._min_neighbours = min_neighbours
        self._components = DisjointSets()
        self._photographs = DisjointSets()
        self._neighbours: defaultdict[str, set[str]] = defaultdict(set)

    def is_settled(self, image_id_a: str, image_id_b: str) -> bool:
        """Whether the answer for this pair would change nothing."""
        is_connected = self._components.find(image_id_a) == self._components.find(image_id_b)
        return is_connected and all(
            self._count_neighbours(image_id) >= self._min_neighbours
            for image_id in (image_id_a, image_id_b)
        )

    def record(self, image_id_a: str, image_id_b: str, verdict: PairVerdict) -> None:
        """Take note of the answer for a pair."""
        if verdict is PairVerdict.REJECTED:
            return
        self._components.unite(image_id_a, image_id_b)
        self._neighbours[image_id_a].add(image_id_b)
        self._neighbours[image_id_b].add(image_id_a)
        if verdict is PairVerdict.DUPLICATE:
            self._photographs.unite(image_id_a, image_id_b)

    def _count_neighbours(self, image_id: str) -> int:
        others = {self._photographs.find(i) for i in self._neighbours[image_id]}
        return len(others - {self._photographs.find(image_id)})
