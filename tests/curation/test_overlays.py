"""What was pasted into two pictures; the pictures themselves are in test_guard_pictures.py."""

import numpy as np
import pytest
from planted_features import draw_points, make_features

from curation.geometry import AffineFit, apply_affine
from curation.overlays import OverlaySettings, is_pasted, stands_still

SETTINGS = OverlaySettings()
STILL = np.eye(2, 3)
MOVED = np.array([[1.0, 0, 60.0], [0, 1.0, -40.0]])


def fit_of(matrix, num_inliers, residual_px=0.2):
    residuals = np.full(num_inliers, residual_px)
    return AffineFit(np.asarray(matrix, np.float64), np.ones(num_inliers, np.bool_), residuals)


def plant_patch(matrix, num_inside=60, num_elsewhere=200):
    """A patch that both images share, and in each image points of its own elsewhere."""
    patch = np.array([300.0, 200.0]) + np.random.default_rng(1).uniform(0, 200, (num_inside, 2))
    own_a, own_b = (draw_points(seed, num_elsewhere, margin_px=10) for seed in (2, 3))
    a = make_features(np.concatenate([patch, own_a]))
    b = make_features(np.concatenate([apply_affine(np.asarray(matrix), patch), own_b]))
    return a, b, patch


def test_a_patch_of_equal_pixels_amid_other_content_was_pasted():
    a, b, patch = plant_patch(MOVED)
    assert is_pasted(a, b, patch, fit_of(MOVED, len(patch)), SETTINGS)


@pytest.mark.parametrize(
    ("linear", "residual_px"),
    [([[0.97, 0.05], [-0.05, 0.97]], 0.2), ([[1.03, 0], [0, 0.97]], 0.2), ([[1, 0], [0, 1]], 1.5)],
    ids=["turned", "slanted", "noisy"],
)
def test_a_patch_that_agrees_as_things_do_was_not_pasted(linear, residual_px):
    matrix = np.column_stack([np.array(linear, float), [60, -40]])
    a, b, patch = plant_patch(matrix)
    assert not is_pasted(a, b, patch, fit_of(matrix, len(patch), residual_px), SETTINGS)


def test_a_copy_agrees_everywhere_and_was_not_pasted():
    xy = draw_points(0, 300, margin_px=80)
    a, b = make_features(xy), make_features(apply_affine(MOVED, xy))
    assert not is_pasted(a, b, xy, fit_of(MOVED, 300), SETTINGS)


@pytest.mark.parametrize(("num_agreeing", "is_overlay"), [(40, True), (80, False)])
def test_what_stands_still_and_is_little_was_pasted(num_agreeing, is_overlay):
    """Spread over the whole picture and noisy, of 600 features: a translucent name across it."""
    shared = draw_points(0, num_agreeing, margin_px=10)
    a, b = (
        make_features(np.concatenate([shared, draw_points(seed, 600 - num_agreeing)]))
        for seed in (1, 2)
    )
    fit = fit_of(STILL, num_agreeing, residual_px=1.5)
    assert is_pasted(a, b, shared, fit, SETTINGS) is is_overlay


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[1, 0, 15.9], [0, 1, 0]], True),
        ([[1, 0, 16.1], [0, 1, 0]], False),
        ([[1.019, 0, 0], [0, 1, 0]], True),
        ([[1.021, 0, 0], [0, 1, 0]], False),
        ([[-1, 0, 800], [0, -1, 600]], False),
    ],
)
def test_a_map_stands_still_when_it_moves_no_corner_by_two_hundredths(matrix, expected):
    image = make_features(draw_points(0, 5))
    assert stands_still(image, image, np.array(matrix, float), SETTINGS) is expected


def test_pictures_of_different_size_cannot_stand_still():
    a, b = (make_features(draw_points(0, 5), width=width) for width in (800, 780))
    assert not stands_still(a, b, STILL, SETTINGS)


@pytest.mark.parametrize("long_side_px", [400, 800])
def test_the_limits_are_shares_of_the_long_side(long_side_px):
    """The same picture at half the size gets the same answer."""
    factor = long_side_px / 800
    a, b, patch = plant_patch(MOVED)
    small_a, small_b = (
        make_features(side.xy * factor, width=long_side_px, height=long_side_px * 3 // 4)
        for side in (a, b)
    )
    small = np.column_stack([MOVED[:, :2], MOVED[:, 2] * factor])
    fit = fit_of(small, len(patch), 0.75 * factor)
    assert is_pasted(small_a, small_b, patch * factor, fit, SETTINGS)
    noisy = fit_of(small, len(patch), 0.85 * factor)
    assert not is_pasted(small_a, small_b, patch * factor, noisy, SETTINGS)


@pytest.mark.parametrize(
    ("side_px", "residual_px", "expected"),
    [(100, 2.0, True), (100, 2.6, False), (200, 2.0, False)],
    ids=["small", "small but noisy", "large"],
)
def test_a_small_patch_is_judged_by_wider_limits(side_px, residual_px, expected):
    """At 5 % of distortion and 2 px of noise only a small patch could still be equal pixels."""
    matrix = np.array([[1.0, 0.05, 60.0], [0, 1.0, -40.0]])
    patch = np.array([300.0, 200.0]) + np.random.default_rng(1).uniform(0, side_px, (60, 2))
    a, b = (
        make_features(np.concatenate([xy, draw_points(seed, 400, margin_px=10)]))
        for xy, seed in ((patch, 2), (apply_affine(matrix, patch), 3))
    )
    assert is_pasted(a, b, patch, fit_of(matrix, 60, residual_px), SETTINGS) is expected
