"""Sets of images that grow together as pairs are verified."""


class DisjointSets:
    """Union-find over image ids; an id that was never named is a set of its own."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def find(self, image_id: str) -> str:
        """The smallest id of the set that holds this one.

        Halves the path on its way (Tarjan and van Leeuwen 1984).
        """
        parents = self._parents
        while (parent := parents.setdefault(image_id, image_id)) != image_id:
            parents[image_id] = image_id = parents[parent]
        return image_id

    def unite(self, image_id_a: str, image_id_b: str) -> None:
        """Make one set of the sets of two images."""
        smaller, larger = sorted((self.find(image_id_a), self.find(image_id_b)))
        self._parents[larger] = smaller
