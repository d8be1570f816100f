"""Photographs that stand in two classes: which pairs are worth verifying, and which image goes.

The cleaning compares images within a class only, so that a photograph filed under two classes
passes in both. Pairs are proposed by equal bytes, by near perceptual hashes and, if wanted, by
near global descriptors; the verifier judges all but the first kind.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.disjoint_sets import DisjointSets
from curation.hamming_index import HammingIndex
from manifests.rows import DuplicateKind, PairVerdict
from manifests.strict_model import StrictModel

Pair = tuple[int, int]


class CrossDuplicateSettings(StrictModel):
    """Which images of different classes are compared."""

    enabled: bool = True
    """Whether photographs under two classes are looked for at all."""
    max_hash_bits: int = Field(7, ge=0, le=15)
    """Images whose perceptual hashes differ in at most this many of 64 bits are verified. 8 bits
    take some seven times as long as 7 on a large set; crops lie farther off: `num_neighbours`."""
    same_hash_bits: int = Field(3, ge=0, le=15)
    """Verified images whose hashes differ in at most this many bits are one photograph, even where
    pictures are so small that the verifier, which goes by residuals, cannot tell."""
    max_alike: int = Field(20, ge=1)
    """Of the images with a near hash and a larger id, so many nearest are verified with each."""
    num_neighbours: int = Field(0, ge=0)
    """Nearest images of other classes by global descriptor, of larger id, that are verified with
    each image. It finds crops and other photographs of one scene; 0 leaves it out, because the
    search compares every image with every other."""


class ResolveSettings(StrictModel):
    """What becomes of copies of one photograph in several classes."""

    cross_class_duplicates: Literal["report", "drop_both", "keep_larger_class"] = "report"
    """`report`: they are listed and stay. `drop_both`: all copies go. `keep_larger_class`: those
    of the class with most images stay, of equally large ones that of the smallest id. Other
    photographs of one scene always stay."""
    index_duplicates: Literal["report", "drop"] = "report"
    """What becomes of images of which the index split has a copy. `report`: they are listed and
    stay. `drop`: they go."""


@dataclass(frozen=True, eq=False)
class ImageColumns:
    """n images, sorted by id, row for row.

    Attributes:
        image_ids: distinct, ascending.
        landmark_ids: int64 (n,).
        sha256: of the files.
        hashes: perceptual hashes, uint64 (n,).
    """

    image_ids: Sequence[str]
    landmark_ids: NDArray[np.int64]
    sha256: Sequence[str]
    hashes: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.image_ids)

    def are_comparable(self, i: int, j: int) -> bool:
        """Whether two images are of different classes and of different bytes."""
        return self.landmark_ids[i] != self.landmark_ids[j] and self.sha256[i] != self.sha256[j]

    def count_hash_bits(self, i: int, j: int) -> int:
        """Number of bits in which the hashes of two images differ."""
        return (int(self.hashes[i]) ^ int(self.hashes[j])).bit_count()


def find_exact_pairs(images: ImageColumns) -> list[Pair]:
    """Pairs of equal bytes in different classes, as positions in ascending order.

    Each image is paired with the first of its group that is of another class: a file that occurs
    n times gives fewer than 2 n pairs, in which every copy occurs and all hang together.
    """
    seen: set[str] = set()
    repeated: set[str] = set()
    for digest in images.sha256:
        (repeated if digest in seen else seen).add(digest)
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for position, digest in enumerate(images.sha256):
        if digest in repeated:
            groups[digest].append(position)
    pairs = set()
    for group in groups.values():
        first = group[0]
        other = next((i for i in group if images.landmark_ids[i] != images.landmark_ids[first]), -1)
        if other < 0:
            continue
        for i in group:
            is_of_first = images.landmark_ids[i] == images.landmark_ids[first]
            partner = other if is_of_first else first
            pairs.add((min(i, partner), max(i, partner)))
    return sorted(pairs)


def find_alike(
    images: ImageColumns,
    index: HammingIndex,
    first: int,
    last: int,
    settings: CrossDuplicateSettings,
) -> Iterator[Pair]:
    """Pairs of different classes with near hashes, of which the smaller id is in a range.

    Args:
        images: all.
        index: of their hashes.
        first: position of the first image of the range.
        last: position behind the last one.
        settings: how many per image.
    """
    num_found: defaultdict[int, int] = defaultdict(int)
    for found in index.find_within(first, last):
        i, j = found.query, found.position
        if i < j and images.are_comparable(i, j) and num_found[i] < settings.max_alike:
            num_found[i] += 1
            yield i, j


def name_kind(
    verdict: PairVerdict, num_hash_bits: int, settings: CrossDuplicateSettings
) -> DuplicateKind | None:
    """What a pair of different bytes is.

    Args:
        verdict: of the verifier.
        num_hash_bits: in which the perceptual hashes differ.
        settings: how many make two files one photograph.

    Returns:
        None if the verifier rejects the pair, however near its hashes are.
    """
    if verdict is PairVerdict.REJECTED:
        return None
    is_copy = verdict is PairVerdict.DUPLICATE or num_hash_bits <= settings.same_hash_bits
    return DuplicateKind.NEAR if is_copy else DuplicateKind.SAME_SCENE


@dataclass(frozen=True)
class ClassedImage:
    """An image and its class."""

    image_id: str
    landmark_id: int


def choose_dropped(
    copies: Iterable[tuple[ClassedImage, ClassedImage]],
    class_sizes: Mapping[int, int],
    settings: ResolveSettings,
) -> dict[str, tuple[str, ...]]:
    """Choose which copies of a photograph go.

    Being a copy is taken as transitive, so that of a photograph under three classes not two
    remain because nobody compared them.

    Args:
        copies: pairs of copies in different classes.
        class_sizes: landmark_id -> number of images.
        settings: the rule.

    Returns:
        Image id -> ids of the copies in other classes, sorted, for the images that go.
    """
    if settings.cross_class_duplicates == "report":
        return {}
    dropped = {}
    for group in _group(copies):
        keeper = None
        if settings.cross_class_duplicates == "keep_larger_class":
            classes = {image.landmark_id for image in group}
            keeper = min(classes, key=lambda c: (-class_sizes[c], c))
        for image in group:
            if image.landmark_id != keeper:
                others = (i.image_id for i in group if i.landmark_id != image.landmark_id)
                dropped[image.image_id] = tuple(sorted(others))
    return dict(sorted(dropped.items()))


def _group(
    copies: Iterable[tuple[ClassedImage, ClassedImage]],
) -> list[list[ClassedImage]]:
    sets = DisjointSets()
    images: dict[str, ClassedImage] = {}
    for a, b in copies:
        images[a.image_id], images[b.image_id] = a, b
        sets.unite(a.image_id, b.image_id)
    groups: defaultdict[str, list[ClassedImage]] = defaultdict(list)
    for image_id in sorted(images):
        groups[sets.find(image_id)].append(images[image_id])
    return [groups[name] for name in sorted(groups)]
