"""What was pasted into two pictures; the pictures themselves are in test_guard_pictures.py."""

import numpy as np
import pytest
from planted_features import draw_points, make_features

from curation.geometry import apply_affine
from curation.kernels.affine_search import fit_map
from curation.overlays import OverlaySettings, is_pasted, pasted_inliers, stands_still
from curation.plausibility import Agreement

SETTINGS = OverlaySettings()
STILL = np.eye(2, 3)
MOVED = np.array([[1.0, 0, 60.0], [0, 1.0, -40.0]])


def judge(a, b, xy_a, matrix, residual_px=0.2, num_chance=0):
    """Inliers that leave the map by so much in random directions, and some that do by 20 px."""
    rng = np.random.default_rng(4)
    angles = rng.uniform(0, 2 * np.pi, len(xy_a))
    lengths = np.where(np.arange(len(xy_a)) < len(xy_a) - num_chance, residual_px, 20.0)
    shifts = lengths[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    xy_b = apply_affine(np.asarray(matrix, np.float64), xy_a) + shifts
    points = np.concatenate([xy_a.T, xy_b.T])
    fitted = np.empty(6)
    assert fit_map(points, np.ones(len(xy_a), np.bool_), fitted)
    shapes = (a.width, a.height), (b.width, b.height)
    return is_pasted(a, b, Agreement(xy_a, xy_b, fitted.reshape(2, 3), *shapes), SETTINGS)


def plant_patch(matrix, num_inside=60, num_elsewhere=200):
    """A patch that both images share, and in each image points of its own elsewhere."""
    patch = np.array([300.0, 200.0]) + np.random.default_rng(1).uniform(0, 200, (num_inside, 2))
    own_a, own_b = (draw_points(seed, num_elsewhere, margin_px=10) for seed in (2, 3))
    a = make_features(np.concatenate([patch, own_a]))
    b = make_features(np.concatenate([apply_affine(np.asarray(matrix), patch), own_b]))
    return a, b, patch


def test_a_patch_of_equal_pixels_amid_other_content_was_pasted():
    a, b, patch = plant_patch(MOVED)
    assert judge(a, b, patch, MOVED)


@pytest.mark.parametrize(
    ("linear", "residual_px"),
    [([[0.97, 0.05], [-0.05, 0.97]], 0.2), ([[1.03, 0], [0, 0.97]], 0.2), ([[1, 0], [0, 1]], 1.5)],
    ids=["turned", "slanted", "noisy"],
)
def test_a_patch_that_agrees_as_things_do_was_not_pasted(linear, residual_px):
    matrix = np.column_stack([np.array(linear, float), [60, -40]])
    a, b, patch = plant_patch(matrix)
    assert not judge(a, b, patch, matrix, residual_px)


def test_a_copy_agrees_everywhere_and_was_not_pasted():
    xy = draw_points(0, 300, margin_px=80)
    a, b = make_features(xy), make_features(apply_affine(MOVED, xy))
    assert not judge(a, b, xy, MOVED)


@pytest.mark.parametrize(("num_agreeing", "is_overlay"), [(40, True), (80, False)])
def test_what_stands_still_and_is_little_was_pasted(num_agreeing, is_overlay):
    """Spread over the whole picture and noisy, of 600 features: a translucent name across it."""
    shared = draw_points(0, num_agreeing, margin_px=10)
    a, b = (
        make_features(np.concatenate([shared, draw_points(seed, 600 - num_agreeing)]))
        for seed in (1, 2)
    )
    assert judge(a, b, shared, STILL, residual_px=1.5) is is_overlay


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
    assert judge(small_a, small_b, patch * factor, small, 0.35 * factor)
    assert not judge(small_a, small_b, patch * factor, small, 0.7 * factor)


@pytest.mark.parametrize("num_chance", [1, 10, 25])
def test_chance_inliers_do_not_hide_a_patch(num_chance):
    """They bend the map that is fitted to all, by more than any limit allows."""
    a, b, patch = plant_patch(MOVED)
    assert judge(a, b, patch, MOVED, num_chance=num_chance)


def test_a_patch_explains_its_own_points_and_none_of_the_view_beside_it():
    """A map that takes in both must not cost the pair what shows the place."""
    view = np.array([[1.04, -0.03, 40.0], [0.03, 1.02, -30.0]])
    seen = draw_points(5, 30, margin_px=60)
    a, b, patch = plant_patch(MOVED)
    agreement = Agreement(
        np.concatenate([patch, seen]),
        np.concatenate([apply_affine(MOVED, patch), apply_affine(view, seen)]),
        MOVED,
        (a.width, a.height),
        (b.width, b.height),
    )
    explained = pasted_inliers(b, agreement, SETTINGS)
    assert explained[: len(patch)].all()
    far = np.linalg.norm(agreement.xy_b - apply_affine(MOVED, agreement.xy_a), axis=1) > 2
    assert far[len(patch) :].sum() > 20
    assert not (explained & far).any()
