import numpy as np
import pytest
from drawn_places import describe, describe_place, draw_place, encode_again, view_aslant
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_features import draw_points, make_descriptors, make_features, plant_pair

from curation.cascade import CascadeSettings
from curation.correspondences import Correspondences, match_features
from curation.geometry import AffineFit, GeometrySettings, apply_affine, estimate_affine
from curation.homography import (
    HomographyFit,
    apply_homography,
    estimate_model,
    invert_homography,
    is_degenerate_homography,
    linearise_homography,
)
from curation.pair_answer import Verification
from curation.plausibility import GuardSettings
from curation.verification import verify_pair
from curation.verification_settings import VerificationSettings
from manifests.rows import PairReason, PairVerdict

GEOMETRY = GeometrySettings(model="homography")
SETTINGS = VerificationSettings(geometry=GEOMETRY, cascade={"mode": "reject_early"})
GUARDS = GuardSettings()
CENTRE = np.array([400.0, 300.0])


def make_homography(slant_x, slant_y, scale=1.0, turn_deg=0.0):
    """A view of a plane turned about its centre; slants are changes of depth across 800 px."""
    turn = np.deg2rad(turn_deg)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[2, :2] = np.array([slant_x, slant_y]) / 800
    to_centre, back = np.eye(3), np.eye(3)
    to_centre[:2, 2], back[:2, 2] = -CENTRE, CENTRE
    return back @ matrix @ to_centre


def plant_homography(seed, matrix, num_inliers, num_outliers):
    """Features that move by a homography; scales and orientations follow it to first order."""
    rng = np.random.default_rng((seed, 2))
    xy = draw_points(seed, num_inliers + num_outliers)
    mapped = apply_homography(matrix, xy)
    mapped[num_inliers:] = rng.uniform([10, 10], [790, 590], (num_outliers, 2))
    local = np.array([linearise_homography(matrix, point)[:, :2] for point in xy])
    local = local.reshape(-1, 2, 2)
    scale = np.sqrt(np.linalg.det(local))
    turn_deg = np.rad2deg(
        np.arctan2(local[:, 1, 0] - local[:, 0, 1], local[:, 0, 0] + local[:, 1, 1])
    )
    sizes, angles = rng.uniform(4, 20, len(xy)), rng.uniform(0, 360, len(xy))
    descriptors = make_descriptors(seed, len(xy))
    a = make_features(xy, sizes, angles, descriptors)
    b = make_features(
        np.clip(mapped, 0, [799, 599]), np.maximum(sizes * scale, 1), angles + turn_deg, descriptors
    )
    return a, b


def estimate(a, b, model="homography"):
    geometry = GEOMETRY.model_copy(update={"model": model})
    return estimate_model(a, b, match_features(a, b, 0.9), geometry)


worlds = st.builds(
    make_homography,
    st.floats(-0.5, 0.5),
    st.floats(-0.5, 0.5),
    st.floats(0.6, 1.1),
    st.floats(-180, 180),
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), worlds, st.integers(60, 120), st.integers(0, 80))
def test_planted_homographies_are_found(seed, matrix, num_inliers, num_outliers):
    a, b = plant_homography(seed, matrix, num_inliers, num_outliers)
    inside = ((b.xy > 1) & (b.xy < [798, 598])).all(axis=1)[:num_inliers]
    fit = estimate(a, b)
    found = fit.inliers[:num_inliers][inside]
    assert found.mean() > 0.95
    assert fit.num_inliers >= estimate(a, b, "affine").num_inliers


def test_without_outliers_a_planted_homography_is_recovered():
    matrix = make_homography(0.5, -0.3, 0.9, 20)
    fit = estimate(*plant_homography(1, matrix, 80, 0))
    assert isinstance(fit, HomographyFit)
    xy = draw_points(5, 20)
    expected = apply_homography(matrix, xy)
    assert apply_homography(fit.homography, xy) == pytest.approx(expected, abs=0.2)
    assert np.linalg.norm(fit.homography) == pytest.approx(1)
    assert fit.residuals_px.max() < 0.2


def test_a_homography_keeps_what_an_affine_map_loses():
    matrix = make_homography(0.6, 0.0)
    a, b = plant_homography(2, matrix, 150, 0)
    strict = GEOMETRY.model_copy(update={"tolerance": 0.005})
    matches = match_features(a, b, 0.9)
    affine = estimate_affine(a, b, matches, strict)
    assert estimate_model(a, b, matches, strict).num_inliers > affine.num_inliers


def test_an_affine_world_keeps_its_affine_map_or_explains_as_much():
    a, b, _ = plant_pair(3, 60, 40, 0.9, 25.0)
    assert estimate(a, b).num_inliers >= estimate(a, b, "affine").num_inliers
    assert not isinstance(estimate(a, b, "affine"), HomographyFit)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), worlds, st.integers(0, 80), st.integers(0, 80))
def test_the_answer_does_not_depend_on_the_order_of_the_pair(seed, matrix, inliers, outliers):
    a, b = plant_homography(seed, matrix, inliers, outliers)
    found, back = verify_pair(a, b, SETTINGS), verify_pair(b, a, SETTINGS)
    assert (found.verdict, found.reason) == (back.verdict, back.reason)
    assert (found.num_inliers, found.model) == (back.num_inliers, back.model)
    if found.model == "homography" and found.verdict is not PairVerdict.REJECTED:
        assert len(found.transform) == len(back.transform) == 9
        xy = a.xy[found.inliers.index_a]
        there = apply_homography(found.homography, xy)
        assert apply_homography(back.homography, there) == pytest.approx(xy, abs=1e-3)
        depths = np.column_stack([xy, np.ones(len(xy))]) @ found.homography[2]
        assert (depths > 0).all()


def test_pure_noise_never_reaches_the_threshold():
    for seed in range(20):
        a, b, _ = plant_pair(seed, 0, 300)
        assert verify_pair(a, b, SETTINGS).num_inliers < SETTINGS.min_inliers


def test_a_slanted_picture_is_verified_by_a_homography():
    a, b = describe_place(1), describe(view_aslant(draw_place(1)))
    found = verify_pair(a, b, SETTINGS)
    assert (found.verdict, found.model) == (PairVerdict.VERIFIED, "homography")
    assert found.num_inliers >= verify_pair(a, b, VerificationSettings()).num_inliers


def test_a_copy_is_one_by_its_affine_map_alone():
    """A homography explains any view of a flat thing to the pixel; that makes no copy of it."""
    picture = draw_place(1)
    a = describe_place(1)
    for other, reason in (
        (encode_again(picture), PairReason.NEAR_DUPLICATE),
        (view_aslant(picture), PairReason.ENOUGH_INLIERS),
    ):
        assert verify_pair(a, describe(other), SETTINGS).reason is reason
    early = SETTINGS.model_copy(update={"cascade": CascadeSettings()})
    assert verify_pair(a, describe(encode_again(picture)), early).verdict is PairVerdict.DUPLICATE


def test_the_model_says_what_its_numbers_are():
    a, b, _ = plant_pair(1, 60, 0, 1.0, 30.0)
    affine = verify_pair(a, b, VerificationSettings())
    assert (affine.model, len(affine.transform)) == ("affine", 6)
    nothing = verify_pair(a.take_strongest(0), b, SETTINGS)
    assert (nothing.model, nothing.transform) == (None, None)


@pytest.mark.parametrize("count", [3, 4, 8])
def test_few_or_flat_points_leave_the_affine_map(count):
    xy = np.stack([100 + 40.0 * np.arange(count), np.full(count, 300.0)], axis=1)
    xy[0, 1] = 100  # all others lie on a line
    a, b = make_features(xy), make_features(xy + 5)
    matches = Correspondences(np.arange(count), np.arange(count), np.full(count, 0.5))
    fit = estimate_model(a, b, matches, GEOMETRY)
    assert fit is not None
    assert not isinstance(fit, HomographyFit)


def test_the_nearest_affine_map_has_the_value_and_the_slope():
    matrix = make_homography(0.4, 0.2, 1.1, 30)
    point = np.array([300.0, 250.0])
    affine = linearise_homography(matrix, point)
    near = point + np.array([[0, 0], [1e-3, 0], [0, 1e-3]])
    assert apply_affine(affine, near) == pytest.approx(apply_homography(matrix, near), abs=1e-7)


def test_the_inverse_leads_back():
    matrix = make_homography(0.4, 0.2, 1.1, 30)
    xy = draw_points(0, 9)
    there = apply_homography(matrix, xy)
    assert apply_homography(invert_homography(matrix), there) == pytest.approx(xy)


@pytest.mark.parametrize(
    ("matrix", "is_degenerate"),
    [
        (make_homography(0.3, 0.2), False),
        (make_homography(3.5, 0.0), True),  # the vanishing line cuts through the inliers
        (np.diag([-1.0, 1.0, 1.0]), True),
        (np.diag([8.0, 8.0, 1.0]), True),
        (np.diag([0.1, 0.1, 1.0]), True),
        (np.diag([1.0, 0.2, 1.0]), True),
        (np.full((3, 3), np.nan), True),
    ],
    ids=["slanted", "folded", "mirrored", "enlarged", "shrunk", "stretched", "no number"],
)
def test_degenerate_homographies_are_known(matrix, is_degenerate):
    assert is_degenerate_homography(matrix, draw_points(0, 50), GUARDS) == is_degenerate


def test_a_refused_homography_that_has_no_way_back_is_no_model_the_other_way_round():
    """Everything on one line, but for what rounding leaves of the affine map beside it."""
    flat = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 300.0], [0.0, 0.0, 1.0]])
    beside = np.array([[1.0, 0.0, 0.0], [0.0, 1e-17, 300.0]])
    chosen, residuals_px = np.ones(4, np.bool_), np.zeros(4)
    affine = AffineFit(beside, chosen, residuals_px)
    fit = HomographyFit(beside, chosen, residuals_px, flat, affine)
    matches = Correspondences(np.arange(4), np.arange(4), np.full(4, 0.5))
    found = Verification(
        PairVerdict.REJECTED, PairReason.DEGENERATE_MODEL, 4, 4, lambda: (matches, fit)
    )
    assert found.model == "homography"
    back = found.turn_round()
    assert (back.matrix, back.homography, back.model, back.transform) == (None,) * 4
    assert len(back.inliers) == 4
