import math
from fractions import Fraction

import numpy as np
import pytest
from drawn_places import describe, describe_place, draw_place, turn_picture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted_features import draw_points, make_descriptors, make_features

from curation.correspondences import match_descriptors, match_features

small = st.integers(0, 12).flatmap(
    lambda count: arrays(np.uint8, (count, 3), elements=st.integers(0, 4))
)


def match_by_hand(a, b, max_ratio):
    """The definition, in whole numbers and fractions, one feature at a time."""
    a, b = a.tolist(), b.tolist()

    def distance(i, j):
        return sum((x - y) ** 2 for x, y in zip(a[i], b[j], strict=True))

    found = []
    for i in range(len(a)):
        ranked = sorted((distance(i, j), j) for j in range(len(b)))
        if len(ranked) < 2 or ranked[1][0] == 0:
            continue
        (best, j), (second, _) = ranked[:2]
        is_mutual = min((distance(other, j), other) for other in range(len(a)))[1] == i
        if is_mutual and Fraction(best) <= Fraction(max_ratio) ** 2 * second:
            found.append((i, j, math.sqrt(best / second)))
    return found


@given(small, small, st.sampled_from([0.5, 0.75, 1.0]))
def test_matches_are_those_of_the_definition(a, b, max_ratio):
    found = match_descriptors(a, b, max_ratio)
    pairs = list(
        zip(found.index_a.tolist(), found.index_b.tolist(), found.ratio.tolist(), strict=True)
    )
    assert pairs == match_by_hand(a, b, max_ratio)


@given(st.integers(0, 50), st.integers(1, 40), st.integers(2, 40))
def test_full_length_descriptors_are_compared_without_rounding(seed, count_a, count_b):
    """The largest squared distance, 128 x 127^2, still fits in the 24 bits of float32."""
    rng = np.random.default_rng(seed)
    a = rng.choice(np.array([0, 126, 127], np.uint8), (count_a, 128))
    b = np.concatenate([a, a ^ 1])[rng.permutation(2 * count_a)][: count_b + 1]
    found = match_descriptors(a, b, 1.0)
    assert list(zip(found.index_a, found.index_b, strict=True)) == [
        (i, j) for i, j, _ in match_by_hand(a, b, 1)
    ]


@given(small, small)
def test_no_feature_is_used_twice(a, b):
    found = match_descriptors(a, b, 1.0)
    assert len(set(found.index_a.tolist())) == len(found) == len(set(found.index_b.tolist()))
    assert (np.diff(found.index_a) > 0).all()


def test_the_ratio_is_inclusive():
    a = np.array([[0, 0]], np.uint8)
    b = np.array([[3, 0], [5, 0]], np.uint8)
    assert len(match_descriptors(a, b, 0.6)) == 1
    assert len(match_descriptors(a, b, 0.599)) == 0
    assert match_descriptors(a, b, 0.6).ratio.tolist() == [0.6]


def test_of_equally_near_neighbours_the_first_counts():
    a = np.array([[0, 0]], np.uint8)
    b = np.array([[9, 9], [4, 0], [0, 4]], np.uint8)
    assert match_descriptors(a, b, 1.0).index_b.tolist() == [1]
    assert len(match_descriptors(a, b, 0.99)) == 0


def test_a_feature_that_many_are_nearest_to_goes_to_the_nearest_of_them():
    a = np.array([[0, 0], [1, 0], [2, 0]], np.uint8)
    b = np.array([[2, 0], [100, 100]], np.uint8)
    found = match_descriptors(a, b, 0.9)
    assert (found.index_a.tolist(), found.index_b.tolist()) == ([2], [0])


def test_two_identical_neighbours_are_ambiguous():
    a = np.array([[5, 5]], np.uint8)
    assert len(match_descriptors(a, np.repeat(a, 2, axis=0), 1.0)) == 0


def test_a_single_feature_has_no_second_neighbour_and_is_refused():
    a = make_descriptors(0, 6)
    assert len(match_descriptors(a, a[:1], 1.0)) == 0
    assert match_descriptors(a[:1], a, 1.0).index_b.tolist() == [0]


@pytest.mark.parametrize(("count_a", "count_b"), [(0, 0), (0, 5), (5, 0)])
def test_nothing_matches_nothing(count_a, count_b):
    found = match_descriptors(make_descriptors(0, count_a), make_descriptors(1, count_b), 0.9)
    assert len(found) == 0
    assert found.index_a.dtype.kind == "i"


def test_select_keeps_the_rows_together():
    found = match_descriptors(make_descriptors(0, 5), make_descriptors(0, 5)[::-1].copy(), 0.9)
    chosen = found.select(np.array([False, True, False, False, True]))
    assert chosen.index_a.tolist() == [1, 4]
    assert chosen.index_b.tolist() == [3, 0]


def test_the_repeats_of_a_location_collapse_to_the_best_match():
    """Four features at two places of a, each nearest to a feature of b at a place of its own."""
    base = np.full((4, 128), 20, np.uint8)
    for number in range(4):
        base[number, 30 * number : 30 * number + 30] = 100
    worse = base.copy()
    worse[:, 127] += np.array([40, 0, 10, 30], np.uint8)
    a = make_features([[100, 100], [100, 100], [300, 200], [300, 200]], descriptors=base)
    b = make_features([[10, 10], [90, 90], [200, 20], [400, 300]], descriptors=worse)
    assert len(match_descriptors(a.descriptors, b.descriptors, 0.9)) == 4
    assert match_features(a, b, 0.9).index_a.tolist() == [1, 2]
    assert match_features(b, a, 0.9).index_b.tolist() == [1, 2]


def test_places_of_both_images_occur_once_among_real_matches():
    a, b = describe_place(1), describe(turn_picture(draw_place(1), 30))
    found = match_features(a, b, 0.9)
    repeated = match_descriptors(a.descriptors, b.descriptors, 0.9)
    assert 200 < len(found) < len(repeated)
    for features, index in ((a, found.index_a), (b, found.index_b)):
        assert len(np.unique(features.geometry[index][["x", "y"]])) == len(found)


def test_places_that_share_one_coordinate_are_different():
    xy = draw_points(0, 1)
    spread = xy + np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    a = make_features(spread, descriptors=make_descriptors(0, 4))
    assert len(match_features(a, a, 0.9)) == 4


@pytest.mark.parametrize(("dtype", "length"), [("uint8", 129), ("float32", 128), ("int16", 64)])
def test_descriptors_that_no_kernel_can_read_are_refused(dtype, length):
    descriptors = np.ones((40, length), dtype)
    with pytest.raises(ValueError, match=f"{dtype} of {length} dimensions"):
        match_descriptors(descriptors, descriptors, 0.9)
