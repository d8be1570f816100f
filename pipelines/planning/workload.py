"""The work of a whole job, from what it is given and what was learned of it."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from curation.schedule import schedule_blocks
from pipelines.planning.amounts import Amount
from pipelines.planning.inventory import Inventory
from pipelines.planning.pair_counts import bound_pairs, count_pairs
from pipelines.planning.rates import Rates
from pipelines.planning.run_facts import RunFacts, find_pairs
from pipelines.planning.steps import (
    CALIBRATE,
    CLEAN,
    CODEBOOK,
    DESCRIBE,
    DUPLICATES,
    EMBED,
    EMIT,
    INDEX,
    JOIN,
    OVERLAP,
    QUERIES,
    SCAN,
    UNCERTAIN,
    VERIFY,
    Workload,
    count_parts,
)
from pipelines.run_config import RunConfig
from pipelines.stages.digest_queries import choose_block_size

_IMAGES_PER_UNIT = 20_000
_CONTROL_PAIRS_PER_UNIT = 1000


def measure_workload(
    config: RunConfig,
    inventory: Inventory,
    rates: Rates,
    facts: RunFacts,
    described_sizes: Mapping[int, int] | None = None,
) -> Workload:
    """Count what each step of a job will work on.

    Args:
        config: the job.
        inventory: what it is given.
        rates: shares of it that are readable, described, kept.
        facts: what a run has done already.
        described_sizes: landmark_id -> images with a descriptor, where that is known.
    """
    files = Amount.exact(inventory.num_files)
    num_allowed = float(inventory.class_sizes.sum()) * inventory.present_share
    images = rates.readable.scale(min(num_allowed, inventory.num_files))
    sizes, left = _choose_sizes(inventory, rates, described_sizes)
    proposed = _count_proposed(config, sizes, left, rates.mutual)
    pairs = proposed.times(rates.asked)
    if (known := find_pairs(facts)) is not None:
        proposed, pairs = Amount.exact(known[0]), Amount.exact(known[1])
    expected = np.round(sizes * left.value)
    bounds = tuple(float(b.sum()) for b in bound_pairs(sizes, config.verify.num_neighbours))
    work = Workload(
        num_listed=inventory.num_listed,
        files=files,
        images=images,
        kept=images.times(rates.kept),
        classes=int((sizes > 0).sum()),
        paired_classes=int((expected > 1).sum()),
        largest_class=int(expected.max(initial=0)),
        pairs_bounds=(bounds[0], bounds[1]),
        proposed=proposed,
        pairs=pairs,
        training_images=_count_training_images(config, images),
        control_pairs=min(config.verify.calibration.num_pairs, images.value**2 / 2),
        queries=inventory.num_queries,
        index_files=inventory.num_index_files,
        units={},
        parts=count_parts(inventory.shards.num_all),
    )
    return _with_units(config, inventory, work, expected.astype(int).tolist())


def _choose_sizes(
    inventory: Inventory, rates: Rates, described_sizes: Mapping[int, int] | None
) -> tuple[NDArray[np.int64], Amount]:
    """Sizes of the classes, and the share of their images that pairs are made of."""
    if described_sizes is not None:
        return np.array(list(described_sizes.values()), np.int64), Amount.exact(1)
    left = rates.readable.times(rates.described)
    return inventory.class_sizes, left.scale(inventory.present_share)


def _count_proposed(
    config: RunConfig, sizes: NDArray[np.int64], left: Amount, mutual: Amount
) -> Amount:
    """Distinct pairs; the interval spans what shares and mutual neighbours leave open."""
    k = config.verify.num_neighbours

    def count(share: float, mutual_share: float) -> float:
        return float(count_pairs(sizes, k, mutual_share, min(1.0, share)).sum())

    value = count(left.value, mutual.value)
    fewer = count(left.low, mutual.value), count(left.value, mutual.high)
    more = count(left.high, mutual.value), count(left.value, mutual.low)
    below = math.hypot(*(value - bound for bound in fewer))
    above = math.hypot(*(bound - value for bound in more))
    return Amount(value=value, low=max(0.0, value - below), high=value + above)


def _count_training_images(config: RunConfig, images: Amount) -> float:
    if config.embed.used_network is not None:
        return 0.0
    return min(float(config.embed.num_training_images), images.value)


def _with_units(
    config: RunConfig, inventory: Inventory, work: Workload, sizes: list[int]
) -> Workload:
    verify = config.verify
    classes = {number: size for number, size in enumerate(sizes) if size > 0}
    num_bins = len(schedule_blocks(classes, verify.num_neighbours, verify.schedule))
    has_lone = any(size == 1 for size in sizes)
    num_shards = max(1, inventory.shards.num_all)
    block_size = choose_block_size(work.queries, config.overlap.queries_per_unit)
    num_blocks = math.ceil(work.queries / block_size)
    kept_units = math.ceil(work.kept.value / _IMAGES_PER_UNIT)
    units = {
        SCAN: num_shards,
        JOIN: 1,
        DESCRIBE: num_shards,
        CODEBOOK: int(work.training_images > 0),
        EMBED: num_shards,
        VERIFY: num_bins,
        CLEAN: num_bins + int(has_lone),
        CALIBRATE: math.ceil(work.control_pairs / _CONTROL_PAIRS_PER_UNIT),
        UNCERTAIN: num_bins if verify.uncertain_band else 0,
        DUPLICATES: kept_units if config.duplicates.enabled else 0,
        INDEX: int(work.index_files > 0),
        QUERIES: num_blocks,
        OVERLAP: num_blocks + int(any(s.text_terms for s in config.evaluation_sets)),
        EMIT: 1,
    }
    return replace(work, units=units)
