import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from planted_features import draw_points, make_features, plant_pair
from slow_verification import (
    estimate_affine_slowly,
    find_consistent_slowly,
    fit_affine_slowly,
)

from curation.correspondences import Correspondences, match_features
from curation.geometry import (
    ConsistencyLimits,
    GeometrySettings,
    apply_affine,
    estimate_affine,
    find_consistent,
)
from curation.kernels.affine_search import (
    choose_hypotheses,
    compare_frames,
    fit_map,
    gather_points,
    propose_similarities,
)
from curation.kernels.consistency import count_consistent

numbers = st.floats(-3, 3, allow_nan=False)
maps = st.tuples(*[numbers] * 4, *[st.floats(-100, 100)] * 2).map(
    lambda v: np.array([[v[0], v[1], v[4]], [v[2], v[3], v[5]]])
)


def fit_affine(xy_a, xy_b):
    fitted = np.empty(6)
    points = np.concatenate([xy_a.T, xy_b.T])
    is_fitted = fit_map(points, np.ones(len(xy_a), np.bool_), fitted)
    return fitted.reshape(2, 3) if is_fitted else None


def propose(a, b, max_scale=5.0, most=64):
    index = np.arange(len(a))
    codes = a.geometry_codes, b.geometry_codes
    points, steps = gather_points(*codes, index, index), compare_frames(*codes, index, index)
    chosen = choose_hypotheses(steps, max_scale, most)
    return propose_similarities(points, steps, chosen).reshape(-1, 2, 3)


def test_one_correspondence_determines_a_similarity():
    """Feature a at (10, 20), size 4, 30 degrees; b at (50, 60), size 8, 75 degrees."""
    a = make_features([[10, 20]], size=4, angle_deg=30)
    (matrix,) = propose(a, make_features([[50, 60]], size=8, angle_deg=75))
    mapped = apply_affine(matrix, np.array([[10.0, 20.0], [14.0, 20.0]]))
    assert mapped[0] == pytest.approx([50, 60])
    assert mapped[1] == pytest.approx([55.65685, 65.65685], abs=1e-3)  # angles are rounded


def test_similarities_are_spread_over_those_whose_scale_is_allowed():
    xy = draw_points(0, 20)
    sizes = np.where(np.arange(20) % 2, 8.0, 80.0)
    found = propose(make_features(xy), make_features(xy + 1, size=sizes), most=5)
    assert found[:, :, :2] == pytest.approx(np.tile(np.eye(2), (5, 1, 1)))
    assert len(propose(make_features(xy), make_features(xy, size=sizes))) == 10


@given(maps, st.integers(3, 30), st.integers(0, 20))
def test_least_squares_recovers_an_exact_map(matrix, count, seed):
    assume(abs(np.linalg.det(matrix[:, :2])) > 0.05)
    xy = draw_points(seed, count)
    assume(np.linalg.svd(xy - xy.mean(axis=0), compute_uv=False)[1] > 5)
    assert fit_affine(xy, apply_affine(matrix, xy)) == pytest.approx(matrix, abs=1e-4)


def test_least_squares_agrees_with_the_general_solver():
    xy_a, xy_b = np.random.default_rng(0).uniform(0, 500, (2, 40, 2))
    assert fit_affine(xy_a, xy_b) == pytest.approx(fit_affine_slowly(xy_a, xy_b), rel=1e-6)


@pytest.mark.parametrize("flat", ["a", "b"])
def test_points_on_a_line_determine_nothing(flat):
    line = np.outer(np.arange(6.0), [3.0, 2.0]) + 7
    spread = draw_points(0, 6)
    pair = (line, spread) if flat == "a" else (spread, line)
    assert fit_affine(*pair) is None


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_points_determine_nothing(count):
    xy = draw_points(0, count)
    assert fit_affine(xy, xy) is None


def test_three_points_on_one_spot_determine_nothing():
    xy = np.full((3, 2), 50.0)
    assert fit_affine(xy, xy) is None


GEOMETRIES = [
    GeometrySettings(),
    GeometrySettings(max_hypotheses=7, num_refined=1, num_refinements=1),
    GeometrySettings(max_scale=1.2, tolerance=0.01, num_refinements=6, num_refined=5),
]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(0, 60),
    st.integers(0, 90),
    st.floats(0.4, 1.5),
    st.floats(-180, 180),
    st.sampled_from(GEOMETRIES),
)
def test_the_search_agrees_with_the_slow_one(
    seed, num_inliers, num_outliers, scale, turn_deg, geometry
):
    a, b, _ = plant_pair(seed, num_inliers, num_outliers, scale, turn_deg)
    matches = match_features(a, b, 0.9)
    fast = estimate_affine(a, b, matches, geometry)
    slow = estimate_affine_slowly(a, b, matches, geometry)
    assert (fast is None) == (slow is None)
    if fast is not None and slow is not None:
        assert np.array_equal(fast.inliers, slow.inliers)
        assert fast.matrix == pytest.approx(slow.matrix, rel=1e-6, abs=1e-6)
        assert fast.residuals_px == pytest.approx(slow.residuals_px, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_the_fewest_correspondences_are_judged_as_by_the_slow_search(count):
    a, b, _ = plant_pair(9, 6, 0, 1.1, 20.0)
    matches = match_features(a, b, 0.9).select(np.arange(6) < count)
    slow = estimate_affine_slowly(a, b, matches, GeometrySettings())
    fast = estimate_affine(a, b, matches, GeometrySettings())
    assert (fast is None) == (slow is None) == (count < 3)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(0, 30),
    st.integers(0, 90),
    st.sampled_from([0.3, 1.0, 2.0]),
    st.sampled_from([11.3, 45.2, 180.0]),
)
def test_consistent_correspondences_are_those_of_the_slow_search(
    seed, num_inliers, num_outliers, max_octaves, max_turn_deg
):
    a, b, _ = plant_pair(seed, num_inliers, num_outliers, 0.8, 170.0)
    matches = match_features(a, b, 0.9)
    limits = ConsistencyLimits(64, 5.0, 0.045, max_octaves, np.deg2rad(max_turn_deg))
    fast = find_consistent(a, b, matches, limits)
    slow = find_consistent_slowly(a, b, matches, GeometrySettings(), max_octaves, max_turn_deg)
    assert np.array_equal(slow, np.zeros(len(matches)) if fast is None else fast.inliers)
    codes = a.geometry_codes, b.geometry_codes, matches.index_a, matches.index_b
    in_px = limits._replace(tolerance=limits.tolerance * b.long_side)
    assert count_consistent(*codes, *in_px) == slow.sum()


@pytest.mark.parametrize(
    ("change", "is_consistent"),
    [
        ({"size": 15.0}, True),
        ({"size": 17.0}, False),
        ({"angle_deg": 44.0}, True),
        ({"angle_deg": 316.0}, True),
        ({"angle_deg": 46.0}, False),
        ({"xy": [35.0, 0.0]}, True),
        ({"xy": [37.0, 0.0]}, False),
    ],
)
def test_a_correspondence_must_agree_in_place_scale_and_orientation(change, is_consistent):
    """Twenty that agree, and one that differs in one thing; at 800 px the place may by 36 px."""
    xy = draw_points(0, 21)
    moved, sizes, angles = xy.copy(), np.full(21, 8.0), np.zeros(21)
    moved[20] += change.get("xy", 0)
    sizes[20] = change.get("size", 8.0)
    angles[20] = change.get("angle_deg", 0.0)
    matches = Correspondences(np.arange(21), np.arange(21), np.full(21, 0.5))
    limits = ConsistencyLimits(64, 5.0, 0.045, 1.0, np.deg2rad(45.0))
    found = find_consistent(make_features(xy), make_features(moved, sizes, angles), matches, limits)
    assert found.inliers[:20].all()
    assert found.inliers[20] == is_consistent


@pytest.mark.parametrize("max_octaves", [32.0, 2e6, 1e9, np.inf])
def test_a_tolerance_beyond_all_changes_of_scale_allows_any(max_octaves):
    xy, sizes = draw_points(0, 21), np.full(21, 8.0)
    sizes[20] = 2.0**31
    matches = Correspondences(np.arange(21), np.arange(21), np.full(21, 0.5))
    limits = ConsistencyLimits(64, 5.0, 0.045, max_octaves, np.deg2rad(45.0))
    found = find_consistent(make_features(xy), make_features(xy, sizes), matches, limits)
    assert found.inliers.all()
