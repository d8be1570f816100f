from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from curation.shards import Member
from pipelines.planning.located import LocatedImages
from pipelines.planning.sampling import (
    SIZE_EDGES,
    count_wanted,
    find_strata,
    sample_classes,
    sample_images,
    weigh_strata,
)
from pipelines.planning.settings import ProbeSettings

SIZES = {1: 1, 2: 3, 3: 7, 4: 15, 5: 40, 6: 90, 7: 250}


def _locate(sizes, num_shards=4):
    classes = np.repeat(list(sizes), list(sizes.values()))
    return LocatedImages(
        shards=[Path(f"images_{n:03d}.tar") for n in range(num_shards)],
        num_files=len(classes),
        image_ids=[f"{n:016x}" for n in range(len(classes))],
        members=[Member(f"{n}", n, 1, None) for n in range(len(classes))],
        shard_numbers=np.arange(len(classes)) % num_shards,
        landmark_ids=classes,
    )


def _sample(max_images, **settings):
    located = _locate(SIZES)
    weights = weigh_strata(list(SIZES.values()), 100, 0.5)
    return sample_classes(located, SIZES, weights, max_images, ProbeSettings(**settings))


def test_images_come_from_all_shards_alike_and_the_same_each_time():
    located = _locate(SIZES)
    chosen = sample_images(located, 40, 0)
    assert set(Counter(located.shard_numbers[chosen].tolist()).values()) == {10}
    assert chosen == sample_images(located, 40, 0)
    assert sorted(chosen) != sorted(sample_images(located, 40, 1))


def test_a_smaller_sample_is_part_of_a_larger_one():
    located = _locate(SIZES)
    assert sample_images(located, 60, 0)[:25] == sample_images(located, 25, 0)


def test_every_size_of_class_with_pairs_is_sampled():
    assert {c.stratum for c in _sample(50)} == set(find_strata([3, 7, 15, 40, 90, 250]).tolist())


def test_a_large_class_is_thinned_with_as_near_pairs():
    (large,) = (c for c in _sample(50, max_images_per_class=26) if c.landmark_id == 7)
    assert not large.is_whole
    assert (len(large.positions), large.num_images) == (26, 250)
    assert large.thin_neighbours(100) == round(100 * 25 / 249)


def test_a_whole_class_proposes_what_it_really_does():
    (small,) = (c for c in _sample(50) if c.landmark_id == 4)
    assert small.is_whole
    assert small.thin_neighbours(100) == 100


def test_strata_begin_where_they_say():
    assert find_strata([0, 1, *SIZE_EDGES]).tolist() == [-1, -1, *range(len(SIZE_EDGES))]


@pytest.mark.parametrize(
    ("num_images", "wanted"), [(5, 5), (100, 100), (30_000, 300), (10**6, 2000)]
)
def test_the_sample_keeps_to_its_bounds(num_images, wanted):
    assert count_wanted(num_images, ProbeSettings(min_images=200, max_images=2000)) == wanted
