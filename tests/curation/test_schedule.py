from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.schedule import PairBlock, ScheduleSettings, expected_pairs, schedule_blocks

class_sizes = st.dictionaries(st.integers(0, 10**6), st.integers(1, 60), max_size=30)
ks = st.integers(1, 20)
schedules = st.builds(
    ScheduleSettings, pairs_per_unit=st.integers(1, 300), min_units=st.integers(1, 20)
)


@given(class_sizes, ks, schedules)
def test_every_pair_of_every_class_is_in_exactly_one_block(sizes, k, settings):
    seen = Counter()
    for unit in schedule_blocks(sizes, k, settings):
        for block in unit:
            num_pairs = expected_pairs(sizes[block.landmark_id], k)
            pairs = range(num_pairs)[block.part :: block.num_parts]
            seen.update((block.landmark_id, pair) for pair in pairs)
    expected = {
        (landmark_id, pair)
        for landmark_id, size in sizes.items()
        for pair in range(expected_pairs(size, k))
    }
    assert seen.keys() == expected
    assert set(seen.values()) <= {1}


@given(class_sizes, ks, schedules)
def test_no_block_is_larger_than_a_unit_and_none_is_empty(sizes, k, settings):
    for unit in schedule_blocks(sizes, k, settings):
        assert unit
        for block in unit:
            num_pairs = expected_pairs(sizes[block.landmark_id], k)
            size = len(range(num_pairs)[block.part :: block.num_parts])
            assert 1 <= size <= settings.pairs_per_unit


def cost_of(unit, sizes, k):
    return sum(-(-expected_pairs(sizes[b.landmark_id], k) // b.num_parts) for b in unit)


@given(class_sizes, ks, schedules)
def test_loads_keep_to_the_bound_of_longest_first(sizes, k, settings):
    """Graham 1969: the fullest bin holds at most the mean load and one more block."""
    units = schedule_blocks(sizes, k, settings)
    if not units:
        return
    loads = [cost_of(unit, sizes, k) for unit in units]
    blocks = [cost_of([block], sizes, k) for unit in units for block in unit]
    total = sum(loads)
    num_bins = max(-(-total // settings.pairs_per_unit), min(settings.min_units, len(blocks)))
    assert len(units) <= num_bins
    assert max(loads) <= total / num_bins + max(blocks) * (1 - 1 / num_bins)
    assert max(loads) <= (4 / 3) * max(total / num_bins, *blocks, pairing_bound(blocks, num_bins))
    assert loads == sorted(loads, reverse=True)


def pairing_bound(blocks, num_bins):
    """With more blocks than bins, some bin holds two of the num_bins + 1 largest."""
    ranked = sorted(blocks, reverse=True)
    return ranked[num_bins - 1] + ranked[num_bins] if len(ranked) > num_bins else 0


@given(class_sizes, ks, schedules, st.randoms(use_true_random=False))
def test_the_order_of_the_classes_does_not_matter(sizes, k, settings, random):
    items = list(sizes.items())
    random.shuffle(items)
    assert schedule_blocks(dict(items), k, settings) == schedule_blocks(sizes, k, settings)


def test_a_large_class_is_cut_and_small_ones_travel_together():
    settings = ScheduleSettings(pairs_per_unit=100, min_units=1)
    units = schedule_blocks({7: 21, 1: 5, 2: 5, 3: 1}, k=100, settings=settings)
    blocks = sorted(block for unit in units for block in unit)
    assert blocks == [
        PairBlock(1, 0, 1),
        PairBlock(2, 0, 1),
        PairBlock(7, 0, 3),
        PairBlock(7, 1, 3),
        PairBlock(7, 2, 3),
    ]
    # 210 pairs in three parts of 70, and two classes of 10 pairs: 230 pairs, three bins.
    assert sorted(cost_of(unit, {7: 21, 1: 5, 2: 5}, 100) for unit in units) == [70, 80, 80]


def test_the_dearest_block_is_placed_first_and_weighs_what_it_costs():
    """One class of 6 pairs and six of one: 6 against 6, where counting blocks gives 9 or more."""
    sizes = {1: 4} | dict.fromkeys(range(2, 8), 2)
    units = schedule_blocks(sizes, 10, ScheduleSettings(pairs_per_unit=6, min_units=1))
    assert sorted(len(unit) for unit in units) == [1, 6]


def test_small_jobs_are_cut_finely_enough_to_occupy_workers():
    sizes = dict.fromkeys(range(40), 4)
    assert len(schedule_blocks(sizes, 10, ScheduleSettings())) == 16
    assert len(schedule_blocks({1: 4, 2: 4}, 10, ScheduleSettings())) == 2


@pytest.mark.parametrize("sizes", [{}, {1: 1}, {1: 1, 2: 0}])
def test_classes_without_pairs_give_no_units(sizes):
    assert schedule_blocks(sizes, 10, ScheduleSettings()) == []


@pytest.mark.parametrize(
    ("num_images", "k", "expected"), [(0, 5, 0), (1, 5, 0), (5, 100, 10), (10, 2, 20), (3, 1, 3)]
)
def test_expected_pairs(num_images, k, expected):
    assert expected_pairs(num_images, k) == expected
