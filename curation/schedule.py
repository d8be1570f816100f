"""How the pairs of all classes are cut into units of work of about equal cost."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from manifests.strict_model import StrictModel


class ScheduleSettings(StrictModel):
    """Size of a unit of work. The number of workers must not matter: it would change the parts."""

    pairs_per_unit: int = Field(50_000, ge=1)
    """Expected pairs of a unit; a class with more is cut into parts."""
    min_units: int = Field(16, ge=1)
    """Small jobs are cut into this many units, as far as there are classes, to occupy workers."""


@dataclass(frozen=True, order=True)
class PairBlock:
    """One of `num_parts` parts of the pairs of a class."""

    landmark_id: int
    part: int
    num_parts: int


def expected_pairs(num_images: int, k: int) -> int:
    """Largest number of distinct pairs when every image proposes k others."""
    return min(num_images * (num_images - 1) // 2, num_images * k)


def schedule_blocks(
    class_sizes: Mapping[int, int], k: int, settings: ScheduleSettings
) -> list[tuple[PairBlock, ...]]:
    """Cut classes into blocks and pack the blocks into bins of about equal expected pairs.

    Largest first into the emptiest bin (Graham 1969): the units come out even, and the dearest
    ones are started first.

    Args:
        class_sizes: landmark_id -> number of images.
        k: neighbours that every image proposes.
        settings: size of a unit.

    Returns:
        Units as sorted blocks, dearest unit first. Classes of one image have no pairs and no
        block.
    """
    costs = _block_costs(class_sizes, k, settings.pairs_per_unit)
    wanted = -(-sum(costs.values()) // settings.pairs_per_unit)
    num_bins = max(wanted, min(settings.min_units, len(costs)))
    bins: list[list[PairBlock]] = [[] for _ in range(num_bins)]
    loads = [(0, number) for number in range(num_bins)]
    for block, cost in sorted(costs.items(), key=lambda item: (-item[1], item[0])):
        load, number = heapq.heappop(loads)
        bins[number].append(block)
        heapq.heappush(loads, (load + cost, number))
    filled = [tuple(sorted(blocks)) for blocks in bins if blocks]
    return sorted(filled, key=lambda blocks: (-sum(costs[b] for b in blocks), blocks))


def _block_costs(
    class_sizes: Mapping[int, int], k: int, pairs_per_unit: int
) -> dict[PairBlock, int]:
    costs: dict[PairBlock, int] = {}
    for landmark_id, num_images in class_sizes.items():
        num_pairs = expected_pairs(num_images, k)
        num_parts = -(-num_pairs // pairs_per_unit)
        for part in range(num_parts):
            costs[PairBlock(landmark_id, part, num_parts)] = -(-num_pairs // num_parts)
    return costs
