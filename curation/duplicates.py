"""Groups of copies of one photograph, so that a photograph never counts as its own witness."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

import networkx as nx


@dataclass(frozen=True)
class ImageFile:
    """What is needed to find the copies of an image and to choose among them.

    Attributes:
        image_id: the image's id.
        sha256: of the file's bytes; equal digests are copies.
        width: pixels.
        height: pixels.
    """

    image_id: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class DuplicateGroups:
    """Which images are copies of which; an image without copies belongs to no group.

    Attributes:
        groups: each at least two image ids, best copy first; sorted by the best copy's id. The
            best copy, called the representative, has the most pixels; ties go to the smaller id.
    """

    groups: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def _group_by_image(self) -> dict[str, tuple[str, ...]]:
        return {image_id: group for group in self.groups for image_id in group}

    def list_copies(self, image_id: str) -> tuple[str, ...]:
        """The image and its copies, best first; the image alone if it has none."""
        return self._group_by_image.get(image_id, (image_id,))

    def find_representative(self, image_id: str) -> str:
        """The best copy of the image; the image itself if it has no copies."""
        return self.list_copies(image_id)[0]

    def restrict_to(self, image_ids: Collection[str]) -> "DuplicateGroups":
        """The groups as seen from some images alone, for example those of one class.

        Two images that are copies of one photograph stay copies of each other, even if the
        copy that links them lies outside.
        """
        if not self.groups:
            return self
        inside = set(image_ids)
        touched = {group for group in map(self.list_copies, inside) if len(group) > 1}
        restricted = (tuple(i for i in group if i in inside) for group in touched)
        return DuplicateGroups(tuple(sorted(group for group in restricted if len(group) > 1)))


def group_duplicates(
    files: Iterable[ImageFile], duplicate_pairs: Iterable[tuple[str, str]]
) -> DuplicateGroups:
    """Group the copies of each photograph: equal bytes, or a pair judged duplicate.

    Being a copy is taken as transitive: a crop of a crop is a copy of the original. The order of
    the files, of the pairs and within a pair does not matter.

    Args:
        files: the images, each once.
        duplicate_pairs: pairs of image ids that the verifier calls copies of one photograph.

    Raises:
        ValueError: an image occurs twice, or a pair names an image that is not among the files.
    """
    file_by_id = _index_by_id(files)
    ids_by_digest: defaultdict[str, list[str]] = defaultdict(list)
    for image_id, file in file_by_id.items():
        ids_by_digest[file.sha256].append(image_id)
    graph: nx.Graph[str] = nx.Graph()
    for image_ids in ids_by_digest.values():
        nx.add_path(graph, image_ids)
    for pair in duplicate_pairs:
        for image_id in pair:
            if image_id not in file_by_id:
                raise ValueError(
                    f"duplicate pair {pair} names image {image_id}, which is not among the files: "
                    "pass the file of every image that was verified"
                )
        graph.add_edge(*pair)
    copies = (component for component in nx.connected_components(graph) if len(component) > 1)
    return DuplicateGroups(
        tuple(sorted(tuple(_sort_best_first(group, file_by_id)) for group in copies))
    )


def _index_by_id(files: Iterable[ImageFile]) -> dict[str, ImageFile]:
    file_by_id: dict[str, ImageFile] = {}
    for file in files:
        if file.image_id in file_by_id:
            raise ValueError(f"image {file.image_id} occurs twice: pass every image once")
        file_by_id[file.image_id] = file
    return file_by_id


def _sort_best_first(group: Iterable[str], file_by_id: dict[str, ImageFile]) -> list[str]:
    def rank(image_id: str) -> tuple[int, str]:
        file = file_by_id[image_id]
        return (-file.width * file.height, image_id)

    return sorted(group, key=rank)
