from dataclasses import replace

import numpy as np
import pytest
from drawn_places import describe, describe_place, draw_place, turn_picture
from hypothesis import given
from hypothesis import strategies as st
from planted_features import draw_points, make_descriptors, make_features

from curation import matchable_features
from curation.correspondences import match_features
from curation.geometry import ConsistencyLimits, find_consistent
from curation.kernels.processor import available_kernels
from curation.matchable_features import MatchableFeatures
from curation.sketch_search import SketchSearch
from curation.sketches import sketch_descriptors

LIMITS = ConsistencyLimits(64, 5.0, 36.0, 1.0, 0.8)


def sketched(features):
    """Features described by their sketches alone; as in all short descriptors, zeros follow."""
    sketches = sketch_descriptors(features.descriptors, are_short=False)
    return replace(features, descriptors=np.pad(sketches, ((0, 0), (0, 96))))


def assert_same(glimpse, a, b, max_ratio):
    """What a look sees is what the matches of the sketches are, found each for itself."""
    matches, fit = glimpse
    expected = match_features(sketched(a), sketched(b), max_ratio)
    for name in ("index_a", "index_b", "ratio"):
        assert np.array_equal(getattr(matches, name), getattr(expected, name))
    expected_fit = find_consistent(a, b, expected, LIMITS)
    assert (fit is None) == (expected_fit is None)
    if fit is not None:
        for name in ("matrix", "inliers", "residuals_px"):
            assert np.array_equal(getattr(fit, name), getattr(expected_fit, name))


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
    search = SketchSearch(MatchableFeatures(a), MatchableFeatures(b), 0.95, LIMITS)
    num_a = num_b = 2
    for more_a, more_b in [(1, 0), *(step for step in steps if step != (0, 0))]:
        num_a, num_b = min(num_a + more_a, 250), min(num_b + more_b, 250)
        if (num_a, num_b) == (250, 250):
            break
        glimpse = search.look_at(num_a, num_b)
        assert_same(glimpse, a.take_strongest(num_a), b.take_strongest(num_b), 0.95)


@pytest.mark.parametrize("kernel", [*available_kernels(), None], ids=str)
def test_all_processors_see_the_same(kernel, monkeypatch):
    """None of the kernels: the portable search, as on processors that have none of them."""
    a, b = describe_place(1), describe(turn_picture(draw_place(1), 20))
    if kernel is None:
        monkeypatch.setattr(matchable_features, "available_kernels", tuple)
    sides = [MatchableFeatures(features, kernel) for features in (a, b)]
    search = SketchSearch(*sides, 0.9, LIMITS)
    first = search.look_at(100, 120)
    assert_same(first, a.take_strongest(100), b.take_strongest(120), 0.9)
    glimpse = search.look_at(len(a), len(b))
    assert_same(glimpse, a, b, 0.9)
    assert glimpse[1].num_inliers > 20


def test_one_feature_has_no_second_neighbour():
    a, b = make_features(draw_points(0, 5)), make_features(draw_points(1, 1))
    search = SketchSearch(MatchableFeatures(a), MatchableFeatures(b), 0.9, LIMITS)
    matches, fit = search.look_at(5, 1)
    assert (len(matches), fit) == (0, None)
