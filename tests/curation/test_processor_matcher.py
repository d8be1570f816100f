import math
from dataclasses import replace

import numpy as np
import pytest
from drawn_places import describe, describe_place, draw_place, turn_picture
from hypothesis import given
from hypothesis import strategies as st
from planted_features import draw_points, make_descriptors, make_features

from curation import matchable_features
from curation.cascade import Look
from curation.correspondences import match_features
from curation.geometry import ConsistencyLimits, find_consistent
from curation.kernels.packed_columns import PackedColumns
from curation.kernels.processor import available_kernels
from curation.matchable_features import MatchableFeatures
from curation.pairs import Pair
from curation.processor_matcher import ProcessorMatcher
from curation.sketches import sketch_descriptors

LIMITS = ConsistencyLimits(64, 5.0, 0.045, 1.0, 0.8)


def sketched(features):
    """Features described by their sketches alone; as in all short descriptors, zeros follow."""
    sketches = sketch_descriptors(features.descriptors, are_short=False)
    return replace(features, descriptors=np.pad(sketches, ((0, 0), (0, 96))))


def look_at(matcher, num_a, num_b):
    """Numbers and matches that a look sees."""
    [seen] = matcher.look([(0, Look(num_a, num_b, min_consistent=1))])
    return seen, matcher.get_seen(0)


def assert_same(look, a, b, max_ratio):
    """What a look sees is what the matches of the sketches are, found each for itself."""
    seen, matches = look
    expected = match_features(sketched(a), sketched(b), max_ratio)
    for name in ("index_a", "index_b", "ratio"):
        assert np.array_equal(getattr(matches, name), getattr(expected, name))
    fit = find_consistent(a, b, expected, LIMITS)
    assert seen == (len(expected), 0 if fit is None else fit.num_inliers)


def pair_of(a, b, kernel=None):
    return Pair(MatchableFeatures(a, kernel), MatchableFeatures(b, kernel), is_turned=False)


@given(
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), min_size=1, max_size=4),
)
def test_what_was_compared_before_is_as_if_it_were_compared_now(seed, steps):
    """Also where it ends within a tile, and where only one of the images goes on."""
    rng = np.random.default_rng(seed)
    words = make_descriptors(7, 40)
    a, b = (
        make_features(
            draw_points(seed + n, 250), descriptors=words[rng.integers(0, 40, 250)] ^ (n > 0)
        )
        for n in (0, 1)
    )
    matcher = ProcessorMatcher([pair_of(a, b)], 0.95, LIMITS)
    num_a = num_b = 2
    for more_a, more_b in [(1, 0), *(step for step in steps if step != (0, 0))]:
        num_a, num_b = min(num_a + more_a, 250), min(num_b + more_b, 250)
        if (num_a, num_b) == (250, 250):
            break
        look = look_at(matcher, num_a, num_b)
        assert_same(look, a.take_strongest(num_a), b.take_strongest(num_b), 0.95)


@pytest.mark.parametrize("kernel", [*available_kernels(), None], ids=str)
def test_all_processors_see_the_same(kernel, monkeypatch):
    """None of the kernels: the portable search, as on processors that have none of them."""
    a, b = describe_place(1), describe(turn_picture(draw_place(1), 20))
    if kernel is None:
        monkeypatch.setattr(matchable_features, "available_kernels", tuple)
    matcher = ProcessorMatcher([pair_of(a, b, kernel)], 0.9, LIMITS)
    first = look_at(matcher, 100, 120)
    assert_same(first, a.take_strongest(100), b.take_strongest(120), 0.9)
    last = look_at(matcher, len(a), len(b))
    assert_same(last, a, b, 0.9)
    assert last[0].num_consistent > 20


def test_what_was_seen_does_not_hold_the_memory_of_all_pairs():
    a, b = describe_place(1), describe(turn_picture(draw_place(1), 20))
    _, matches = look_at(ProcessorMatcher([pair_of(a, b)] * 3, 0.9, LIMITS), 100, 120)
    assert all(array.base is None for array in (matches.index_a, matches.index_b, matches.ratio))


def test_one_feature_has_no_second_neighbour():
    a, b = make_features(draw_points(0, 5)), make_features(draw_points(1, 1))
    seen, matches = look_at(ProcessorMatcher([pair_of(a, b)], 0.9, LIMITS), 5, 1)
    assert (seen, len(matches)) == ((0, 0), 0)


@given(st.integers(0, 100), st.permutations(range(5)))
def test_the_pairs_of_a_round_do_not_disturb_one_another(seed, order):
    """Of any sizes, in any order, some in one round and some in another."""
    rng = np.random.default_rng(seed)
    words = make_descriptors(7, 40)
    images = [
        make_features(draw_points(seed + n, count), descriptors=words[rng.integers(0, 40, count)])
        for n, count in enumerate(rng.integers(0, 150, 6).tolist())
    ]
    # The tolerance in place is a share of the second image's long side.
    images = [replace(image, width=800 << n) for n, image in enumerate(images)]
    pairs = [pair_of(images[0], image) for image in images[1:]]
    matcher = ProcessorMatcher(pairs, 0.95, LIMITS)
    for numbers, share in ((order, 0.4), (order[:3], 0.7), (order[1:], 1.0)):
        looks = [
            (n, Look(*(math.ceil(share * len(side)) for side in pairs[n][:2]), min_consistent=1))
            for n in numbers
        ]
        for (n, look), seen in zip(looks, matcher.look(looks), strict=True):
            a, b = images[0].take_strongest(look.num_a), images[n + 1].take_strongest(look.num_b)
            assert_same((seen, matcher.get_seen(n)), a, b, 0.95)


def test_a_pair_may_outgrow_the_kernels_between_two_looks(monkeypatch):
    """What the kernel found before is not lost when the portable search goes on."""
    a, b = describe_place(1), describe(turn_picture(draw_place(1), 20))
    monkeypatch.setattr(PackedColumns, "can_pack", lambda _, count: count <= 120)
    matcher = ProcessorMatcher([pair_of(a, b)], 0.9, LIMITS)
    for num_a, num_b in ((100, 120), (200, 220), (len(a), len(b))):
        look = look_at(matcher, num_a, num_b)
        assert_same(look, a.take_strongest(num_a), b.take_strongest(num_b), 0.9)
