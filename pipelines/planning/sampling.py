"""Which images and classes a probe takes: decided by hashes, spread over shards and class sizes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.planning.located import LocatedImages
from pipelines.planning.pair_counts import count_pairs
from pipelines.planning.settings import ProbeSettings

SIZE_EDGES = (2, 5, 10, 20, 50, 102, 300, 1000, 3000)
"""Smallest class size of each stratum: pairs of small and of large classes cost differently."""

_FEWEST_CLASSES = 2


@dataclass(frozen=True)
class SampledClass:
    """A class of the probe.

    Attributes:
        landmark_id: the class.
        num_images: images of the whole class that are to be worked on, as far as known.
        stratum: position in `SIZE_EDGES`.
        positions: its images in the probe, as positions in the located images.
    """

    landmark_id: int
    num_images: int
    stratum: int
    positions: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether no image of the class was left out."""
        return len(self.positions) >= self.num_images

    def thin_neighbours(self, k: int) -> int:
        """Neighbours among the sample that are as near as `k` are among the whole class."""
        if self.is_whole:
            return k
        return max(1, round(k * (len(self.positions) - 1) / (self.num_images - 1)))


def find_strata(class_sizes: ArrayLike) -> NDArray[np.int64]:
    """The stratum of each class, int64 (c,); -1 for a class without pairs."""
    sizes = np.round(np.asarray(class_sizes, np.float64))
    return np.searchsorted(SIZE_EDGES, sizes, side="right").astype(np.int64) - 1


def weigh_strata(class_sizes: ArrayLike, k: int, mutual: float) -> list[float]:
    """Pairs that the classes of each stratum of sizes propose together; see `count_pairs`."""
    strata = find_strata(class_sizes)
    pairs = count_pairs(class_sizes, k, mutual)
    return [float(pairs[strata == stratum].sum()) for stratum in range(len(SIZE_EDGES))]


def count_wanted(num_images: float, settings: ProbeSettings) -> int:
    """How many images the settings ask to measure, of so many."""
    wanted = round(settings.share * num_images)
    return int(min(max(wanted, settings.min_images), settings.max_images, num_images))


def sample_images(located: LocatedImages, count: int, seed: int) -> list[int]:
    """Positions of `count` images, from all shards in turns; a smaller sample is part of a larger.

    Args:
        located: the images.
        count: how many; fewer if there are fewer.
        seed: another seed gives other images.
    """
    order = sorted(range(len(located)), key=lambda i: rank_by_hash(seed, located.image_ids[i]))
    turns: dict[int, int] = {}
    keyed = []
    for rank, position in enumerate(order):
        shard = int(located.shard_numbers[position])
        turns[shard] = turns.get(shard, 0) + 1
        keyed.append((turns[shard], rank, position))
    return [position for _, _, position in sorted(keyed)[:count]]


def sample_classes(
    located: LocatedImages,
    class_sizes: dict[int, int],
    weights: Sequence[float],
    max_images: int,
    settings: ProbeSettings,
) -> list[SampledClass]:
    """Classes of every size, more of those that make most pairs.

    Args:
        located: the images at hand.
        class_sizes: landmark_id -> images of the whole class.
        weights: pairs that the classes of each stratum propose together.
        max_images: images that the sample may take, about; every stratum gets two classes at
            least, so that it shows how classes differ.
        settings: how many images of a class, and the seed.
    """
    by_stratum = _deal_classes(located, class_sizes, settings)
    total = sum(weights[stratum] for stratum in by_stratum) or 1.0
    chosen = []
    for stratum, classes in sorted(by_stratum.items()):
        budget = max_images * weights[stratum] / total
        taken = 0
        for number, sampled in enumerate(classes):
            if number >= _FEWEST_CLASSES and taken + len(sampled.positions) > budget:
                break
            chosen.append(sampled)
            taken += len(sampled.positions)
    return chosen


def rank_by_hash(seed: int, name: object) -> bytes:
    """A key that sorts names in an order like any other, the same on every machine."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def _deal_classes(
    located: LocatedImages, class_sizes: dict[int, int], settings: ProbeSettings
) -> dict[int, list[SampledClass]]:
    """The classes of each stratum that have a pair at hand, in the order of their hashes."""
    by_class = np.argsort(located.landmark_ids, kind="stable")
    ids, starts = np.unique(located.landmark_ids[by_class], return_index=True)
    groups = zip(ids.tolist(), np.split(by_class, starts[1:]), strict=True)
    dealt: dict[int, list[SampledClass]] = {}
    for landmark_id, positions in sorted(
        groups, key=lambda group: rank_by_hash(settings.seed, group[0])
    ):
        if len(positions) < 2:
            continue
        size = max(class_sizes[landmark_id], len(positions))
        stratum = int(find_strata(size))
        sampled = _thin(located, positions, settings)
        dealt.setdefault(stratum, []).append(SampledClass(landmark_id, size, stratum, sampled))
    return dealt


def _thin(
    located: LocatedImages, positions: NDArray[np.int64], settings: ProbeSettings
) -> tuple[int, ...]:
    ranked = sorted(
        positions.tolist(), key=lambda i: rank_by_hash(settings.seed, located.image_ids[i])
    )
    return tuple(sorted(ranked[: settings.max_images_per_class]))
