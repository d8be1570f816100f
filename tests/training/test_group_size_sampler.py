"""The sampler: groups, sizes, determinism, and the same steps in every process."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from training.group_size_sampler import (
    GroupSizeSampler,
    GroupSizeSettings,
    find_groups,
    group_size_px,
)

NUM_IMAGES = 230


def make_sampler(num_images=NUM_IMAGES, settings=None, **options):
    rng = np.random.default_rng(num_images)
    widths, heights = rng.integers(300, 1200, (2, num_images))
    classes = rng.integers(0, 12, num_images)
    options = {"batch_size": 16, "seed": 5} | options
    sampler = GroupSizeSampler(
        widths, heights, classes, settings or GroupSizeSettings(long_side_px=256), **options
    )
    return sampler, widths, heights, classes


def read_epoch(sampler, epoch, first_step=0):
    sampler.start_at(epoch, first_step)
    return list(sampler)


@pytest.mark.parametrize(
    ("width", "height", "group"),
    [
        (800, 533, 0),
        (800, 600, 1),
        (600, 600, 2),
        (600, 800, 3),
        (533, 800, 4),
        (1600, 400, 0),
        (100, 67, 1),
        (100, 77, 2),
    ],
)
def test_group_of_an_image(width, height, group):
    assert find_groups(np.array([width]), np.array([height]), GroupSizeSettings()) == [group]


@pytest.mark.parametrize(
    ("long_side_px", "sizes"),
    [
        (512, [(512, 352), (512, 384), (448, 448), (384, 512), (352, 512)]),
        (800, [(800, 544), (800, 608), (704, 704), (608, 800), (544, 800)]),
    ],
)
def test_sizes_are_those_of_yokoo_et_al(long_side_px, sizes):
    settings = GroupSizeSettings(long_side_px=long_side_px)
    assert [group_size_px(group, settings) for group in range(5)] == sizes


@given(st.integers(1, 60), st.integers(0, 4))
def test_sides_are_multiples_of_the_stride(multiple, group):
    width, height = group_size_px(group, GroupSizeSettings(long_side_px=32 * multiple))
    assert width % 32 == height % 32 == 0
    assert min(width, height) >= 32


def test_odd_sizes_are_refused():
    with pytest.raises(ValidationError, match="multiple of 32"):
        GroupSizeSettings(long_side_px=500)


def test_batches_never_mix_groups():
    sampler, widths, heights, _ = make_sampler()
    groups = find_groups(widths, heights, GroupSizeSettings())
    for batch in read_epoch(sampler, 0):
        assert len({groups[request.row] for request in batch}) == 1
        assert len({(request.width_px, request.height_px) for request in batch}) == 1


def test_without_groups_every_image_has_one_square():
    settings = GroupSizeSettings(long_side_px=224, by_aspect=False)
    sampler, *_ = make_sampler(settings=settings)
    sizes = {(r.width_px, r.height_px) for batch in read_epoch(sampler, 0) for r in batch}
    assert sizes == {(224, 224)}


@given(st.integers(4, 400), st.sampled_from([1, 2, 4]))
def test_every_image_comes_in_every_epoch(num_images, world_size):
    ranks = [
        make_sampler(num_images, rank=rank, world_size=world_size)[0] for rank in range(world_size)
    ]
    seen = Counter(r.row for sampler in ranks for batch in read_epoch(sampler, 1) for r in batch)
    assert seen.keys() == set(range(num_images))
    # Only what does not fill a batch is made up for, at most in each of five groups.
    assert sum(seen.values()) <= num_images + 5 * (2 * world_size - 1)


@given(st.integers(1, 400))
def test_drop_last_leaves_full_batches_only(num_images):
    settings = GroupSizeSettings(long_side_px=256, drop_last=True)
    sampler, *_ = make_sampler(num_images, settings)
    batches = read_epoch(sampler, 0)
    rows = [request.row for batch in batches for request in batch]
    assert all(len(batch) == 16 for batch in batches)
    assert len(set(rows)) == len(rows) > num_images - 5 * 16


@pytest.mark.parametrize("images_per_class", [None, 4])
def test_processes_share_what_one_process_does(images_per_class):
    settings = GroupSizeSettings(long_side_px=256, images_per_class=images_per_class)
    alone, *_ = make_sampler(settings=settings, min_classes=4)
    ranks = [
        make_sampler(settings=settings, rank=r, world_size=2, min_classes=2)[0] for r in (0, 1)
    ]
    assert len(alone) == len(ranks[0]) == len(ranks[1])
    for whole, *parts in zip(
        read_epoch(alone, 3), *(read_epoch(rank, 3) for rank in ranks), strict=True
    ):
        assert len(parts[0]) == len(parts[1])
        assert {r.row for r in whole} == {r.row for part in parts for r in part}
        assert len({(r.width_px, r.height_px) for part in parts for r in part}) == 1


def test_order_depends_on_seed_and_epoch_alone():
    first = read_epoch(make_sampler()[0], 2)
    sampler, *_ = make_sampler()
    read_epoch(sampler, 0)
    assert read_epoch(sampler, 2) == first
    assert read_epoch(sampler, 3) != first
    assert read_epoch(make_sampler(seed=6)[0], 2) != first


def test_an_epoch_can_be_entered_in_the_middle():
    sampler, *_ = make_sampler()
    assert read_epoch(sampler, 4, first_step=7) == read_epoch(sampler, 4)[7:]
    sampler.start_at(4, 7)
    assert len(sampler) == sampler.steps_per_epoch - 7


@pytest.mark.parametrize("images_per_class", [None, 2, 4])
def test_all_epochs_have_the_same_number_of_steps(images_per_class):
    settings = GroupSizeSettings(long_side_px=256, images_per_class=images_per_class)
    sampler, *_ = make_sampler(settings=settings)
    for epoch in range(6):
        assert len(read_epoch(sampler, epoch)) == sampler.steps_per_epoch


def test_images_of_a_class_stay_together_in_each_process():
    settings = GroupSizeSettings(long_side_px=256, images_per_class=4)
    for rank in (0, 1):
        sampler, _, _, classes = make_sampler(settings=settings, rank=rank, world_size=2)
        for batch in read_epoch(sampler, 0):
            counts = Counter(classes[request.row] for request in batch)
            assert all(count % 4 == 0 for count in counts.values())
            assert len(counts) >= 2


def test_an_image_that_stands_twice_in_a_batch_is_told_apart():
    sampler, *_ = make_sampler(num_images=1)
    ((first, second),) = read_epoch(sampler, 0)
    assert (first.row, first.copy) == (0, 0)
    assert (second.row, second.copy) == (0, 1)


def test_uneven_shares_are_refused():
    with pytest.raises(ValueError, match="multiple"):
        make_sampler(batch_size=15, world_size=2)
