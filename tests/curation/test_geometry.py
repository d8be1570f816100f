import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from planted_features import draw_points, make_descriptors, make_features, plant_pair

from curation.correspondences import Correspondences, match_features
from curation.geometry import (
    GeometrySettings,
    apply_affine,
    estimate_affine,
    invert_affine,
)

SETTINGS = GeometrySettings()
TOLERANCE_PX = SETTINGS.tolerance * 800
numbers = st.floats(-3, 3, allow_nan=False)
maps = st.tuples(*[numbers] * 4, *[st.floats(-100, 100)] * 2).map(
    lambda v: np.array([[v[0], v[1], v[4]], [v[2], v[3], v[5]]])
)


def match_in_order(count):
    return Correspondences(np.arange(count), np.arange(count), np.full(count, 0.5))


def test_many_maps_are_applied_at_once():
    xy = draw_points(0, 4)
    matrices = np.stack([np.eye(2, 3), np.array([[2.0, 0, 5], [0, 3, 7]])])
    mapped = apply_affine(matrices, xy)
    assert mapped.shape == (2, 4, 2)
    assert np.array_equal(mapped[0], xy)
    assert np.allclose(mapped[1], xy * [2, 3] + [5, 7])


@given(maps)
def test_the_inverse_leads_back(matrix):
    assume(abs(np.linalg.det(matrix[:, :2])) > 0.05)
    xy = draw_points(1, 5)
    assert apply_affine(invert_affine(matrix), apply_affine(matrix, xy)) == pytest.approx(
        xy, abs=1e-6
    )


def test_a_map_onto_a_line_has_no_inverse():
    with pytest.raises(np.linalg.LinAlgError):
        invert_affine(np.array([[1.0, 0, 0], [1.0, 0, 0]]))


@pytest.mark.parametrize(
    ("scale", "turn_deg", "shift"),
    [(1.0, 0.0, (0, 0)), (1.0, 180.0, (5, -8)), (0.5, 45.0, (40, 30)), (1.4, -100.0, (-20, 10))],
)
def test_a_planted_map_is_recovered_among_outliers(scale, turn_deg, shift):
    a, b, matrix = plant_pair(1, 60, 240, scale, turn_deg, shift)
    matches = match_features(a, b, 0.9)
    assert len(matches) == 300
    fit = estimate_affine(a, b, matches, SETTINGS)
    # Inliers are exactly the pairs within the tolerance of the planted map.
    exact = apply_affine(matrix, a.xy[matches.index_a])
    near = np.linalg.norm(exact - b.xy[matches.index_b], axis=1) <= TOLERANCE_PX
    assert fit.inliers[matches.index_a < 60].all()
    assert np.count_nonzero(fit.inliers != near) <= 2
    assert fit.num_inliers == fit.inliers.sum()
    corners = np.array([[250.0, 220], [550, 220], [400, 380]])
    error_px = np.linalg.norm(apply_affine(fit.matrix, corners) - apply_affine(matrix, corners))
    assert error_px < 8  # chance inliers within 24 px pull a little


def test_without_outliers_the_planted_map_is_recovered_to_the_rounding_of_the_format():
    a, b, matrix = plant_pair(2, 80, 0, 0.8, 33.0, (12, 3))
    fit = estimate_affine(a, b, match_features(a, b, 0.9), SETTINGS)
    assert fit.num_inliers == 80
    assert fit.matrix[:, :2] == pytest.approx(matrix[:, :2], abs=2e-4)
    assert fit.residuals_px.max() < 0.05


def test_a_sheared_and_stretched_map_is_reached_from_similarities():
    """No similarity is right anywhere; the local optimisation has to find the way."""
    matrix = np.array([[1.1, 0.18, -30.0], [-0.05, 0.9, 20.0]])
    xy = draw_points(3, 120)
    descriptors = make_descriptors(3, 120)
    a = make_features(xy, descriptors=descriptors)
    b = make_features(apply_affine(matrix, xy), descriptors=descriptors)
    fit = estimate_affine(a, b, match_in_order(120), SETTINGS)
    assert fit.num_inliers == 120
    assert fit.matrix[:, :2] == pytest.approx(matrix[:, :2], abs=1e-3)


@pytest.mark.parametrize(("offset_px", "is_inlier"), [(23.0, True), (25.5, False)])
def test_the_tolerance_is_a_share_of_the_long_side_of_image_b(offset_px, is_inlier):
    xy = draw_points(4, 200)
    moved = xy.copy()
    moved[0] += (0, offset_px)
    a = make_features(xy, width=2000, height=600)
    fit = estimate_affine(a, make_features(moved), match_in_order(200), SETTINGS)
    assert fit.inliers[0] == is_inlier
    assert fit.inliers[1:].all()


def test_residuals_are_distances_in_image_b():
    a, b, _ = plant_pair(5, 40, 10, 1.5)
    matches = match_features(a, b, 0.9)
    fit = estimate_affine(a, b, matches, SETTINGS)
    mapped = apply_affine(fit.matrix, a.xy[matches.index_a])
    assert fit.residuals_px == pytest.approx(np.linalg.norm(mapped - b.xy[matches.index_b], axis=1))


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(("factor", "is_tried"), [(4.8, True), (5.2, False)])
def test_hypotheses_beyond_the_largest_change_of_scale_are_not_tried(factor, is_tried, direction):
    xy = draw_points(6, 50)
    small = make_features((xy - 400) / factor + 400, size=4)
    pair = (small, make_features(xy, size=4 * factor))[::direction]
    fit = estimate_affine(*pair, match_in_order(50), SETTINGS)
    assert (fit is not None) == is_tried
    assert estimate_affine(*pair, match_in_order(50), GeometrySettings(max_scale=6)) is not None


def test_every_hypothesis_is_tried_when_the_budget_allows():
    """Only the last correspondence has an honest frame; the others propose nonsense."""
    xy = draw_points(7, 64)
    angles = np.r_[np.linspace(90, 270, 63), 0.0]
    a, b = make_features(xy), make_features(xy, angle_deg=angles)
    assert estimate_affine(a, b, match_in_order(64), SETTINGS).num_inliers == 64
    fewer = GeometrySettings(max_hypotheses=1, num_refined=1)
    found = estimate_affine(a, b, match_in_order(64), fewer)
    assert found is None or found.num_inliers < 64


def test_a_small_budget_of_hypotheses_is_spread_over_all_correspondences():
    """The first half agrees on nothing; of two hypotheses one must come from the second."""
    xy = draw_points(8, 200)
    moved = np.concatenate([draw_points(9, 100), xy[100:]])
    a, b = make_features(xy), make_features(moved)
    two = GeometrySettings(max_hypotheses=2)
    assert estimate_affine(a, b, match_in_order(200), two).inliers[100:].all()


@pytest.mark.parametrize("effort", ["num_refinements", "num_refined", "max_hypotheses"])
def test_more_effort_never_finds_less(effort):
    """The best of all fits is kept, not the last; noise makes the last one worse at times."""
    gains = []
    for seed in range(40):
        a, b, _ = plant_pair(seed, 40, 40, 1.1, 20.0)
        noise = np.random.default_rng(seed).normal(0, 14, (80, 2))
        noisy = make_features(np.clip(b.xy + noise, 0, [799, 599]), b.size, np.rad2deg(b.angle))
        matches = match_features(a, b, 0.9)
        counts = [
            estimate_affine(a, noisy, matches, GeometrySettings(**{effort: value})).num_inliers
            for value in (1, 2 if effort == "num_refined" else 64)
        ]
        gains.append(counts[1] - counts[0])
    assert max(gains) > 0
    if effort != "max_hypotheses":
        assert min(gains) >= 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_correspondences_give_no_model(count):
    a = make_features(draw_points(0, count))
    assert estimate_affine(a, a, match_in_order(count), SETTINGS) is None


def test_features_on_a_line_give_no_model():
    a = make_features(np.outer(np.arange(40), [10.0, 5.0]))
    assert estimate_affine(a, a, match_in_order(40), SETTINGS) is None


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(0, 40), st.integers(0, 60))
def test_equal_input_gives_equal_output(seed, num_inliers, num_outliers):
    a, b, _ = plant_pair(seed, num_inliers, num_outliers, 0.9, 15.0)
    matches = match_features(a, b, 0.9)
    first, second = (estimate_affine(a, b, matches, SETTINGS) for _ in range(2))
    if first is None:
        assert second is None
    else:
        assert first.matrix.tobytes() == second.matrix.tobytes()
        assert np.array_equal(first.inliers, second.inliers)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(20, 40), st.integers(0, 60))
def test_more_outliers_never_hide_what_agrees(seed, num_inliers, num_outliers):
    a, b, _ = plant_pair(seed, num_inliers, num_outliers, 1.2, -40.0)
    matches = match_features(a, b, 0.9)
    assert estimate_affine(a, b, matches, SETTINGS).num_inliers >= num_inliers


def test_points_without_a_common_map_agree_by_chance_only():
    """Independent points and honest frames: a dozen inliers at most, far from thirty."""
    most = 0
    for seed in range(10):
        a, b, _ = plant_pair(seed, 0, 300)
        fit = estimate_affine(a, b, match_features(a, b, 0.9), SETTINGS)
        most = max(most, 0 if fit is None else fit.num_inliers)
    assert most < 20
