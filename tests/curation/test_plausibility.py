import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_features import draw_points

from curation.geometry import apply_affine
from curation.plausibility import (
    Agreement,
    GuardSettings,
    could_be_pasted,
    find_objection,
    is_degenerate,
    is_many_to_one,
    is_too_concentrated,
    measure,
    overlay_inliers,
    share_one_shift,
)
from manifests.rows import PairReason

SETTINGS = GuardSettings()
SHAPE = (800, 600)
ASLANT = np.array([[0.95, 0.1, 10.0], [-0.05, 1.0, 5.0]])
STILL = np.eye(2, 3)


def agree(xy_a, matrix=ASLANT, shape_b=SHAPE, xy_b=None):
    xy_a = np.asarray(xy_a, np.float64)
    mapped = apply_affine(matrix, xy_a) if xy_b is None else np.asarray(xy_b, np.float64)
    return Agreement(xy_a, mapped, np.asarray(matrix, np.float64), SHAPE, shape_b)


def is_concentrated(agreement):
    return is_too_concentrated(agreement.matrix, measure(agreement, SETTINGS), SETTINGS)


def draw_ring(count, rim_px=40):
    """Points along all four edges of an image."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 800, count), rng.uniform(0, 600, count)
    edge = np.arange(count) % 4
    depth = rng.uniform(2, rim_px, count)
    x = np.where(edge == 0, depth, np.where(edge == 1, 800 - depth, x))
    y = np.where(edge == 2, depth, np.where(edge == 3, 600 - depth, y))
    return np.stack([x, y], 1)


def draw_caption(count, top=560):
    rng = np.random.default_rng(1)
    return np.stack([rng.uniform(20, 400, count), rng.uniform(top, top + 30, count)], 1)


def shift_by(x, y):
    return np.array([[1.0, 0, x], [0, 1.0, y]])


def test_points_spread_over_a_slanted_surface_pass():
    assert find_objection(agree(draw_points(0, 100)), SETTINGS) is None


@pytest.mark.parametrize(
    "linear",
    [
        [[-1, 0], [0, 1]],  # mirrored
        [[1, 1], [1, 1]],  # collapsed
        [[5.1, 0], [0, 5.1]],  # beyond the largest scale
        [[0.19, 0], [0, 0.19]],
        [[2.1, 0], [0, 0.5]],  # stretched more than four times
        [[np.nan, 0], [0, 1]],
        [[np.inf, 0], [0, 1]],
    ],
)
def test_maps_beyond_belief_are_degenerate(linear):
    matrix = np.column_stack([np.array(linear, float), [0, 0]])
    assert is_degenerate(matrix, SETTINGS)


@pytest.mark.parametrize(
    "linear", [[[4.9, 0], [0, 4.9]], [[0.21, 0], [0, 0.21]], [[2, 0], [0, 0.51]]]
)
def test_bold_maps_are_not_degenerate(linear):
    assert not is_degenerate(np.column_stack([np.array(linear), [0, 0]]), SETTINGS)


def test_a_crowd_on_one_spot_is_many_to_one_in_either_image():
    spread = draw_points(0, 200)
    blob = 400 + np.random.default_rng(2).uniform(-6, 6, (200, 2))
    for pair in ((spread, blob), (blob, spread)):
        agreement = Agreement(*pair, ASLANT, SHAPE, SHAPE)
        assert is_many_to_one(measure(agreement, SETTINGS), SETTINGS)
        assert find_objection(agreement, SETTINGS) is PairReason.MANY_TO_ONE
    apart = Agreement(spread, spread, ASLANT, SHAPE, SHAPE)
    assert not is_many_to_one(measure(apart, SETTINGS), SETTINGS)


def test_a_collapsing_map_is_refused_before_anything_else():
    spread = draw_points(0, 200)
    flat = np.array([[1e-3, 0, 400.0], [0, -1e-3, 300.0]])
    assert find_objection(agree(spread, flat), SETTINGS) is PairReason.DEGENERATE_MODEL


def test_a_caption_that_moved_is_a_watermark():
    agreement = agree(draw_caption(80), shift_by(300, -12))
    assert find_objection(agreement, SETTINGS) is PairReason.WATERMARK


def test_a_caption_at_the_same_place_is_a_watermark_too():
    assert find_objection(agree(draw_caption(80), STILL), SETTINGS) is PairReason.WATERMARK


def test_a_caption_under_pictures_of_different_size_is_a_watermark():
    agreement = agree(draw_caption(80), shift_by(0, -150), shape_b=(800, 450))
    assert find_objection(agreement, SETTINGS) is PairReason.WATERMARK


def test_what_lies_along_all_four_edges_is_a_frame():
    assert find_objection(agree(draw_ring(200), STILL), SETTINGS) is PairReason.FRAME


@pytest.mark.parametrize(("num_elsewhere", "is_refused"), [(30, True), (60, False)])
def test_an_overlay_is_most_of_what_agrees(num_elsewhere, is_refused):
    """100 points of a frame: 30 of 130 others leave it at 77 %, 60 of 160 at 62 %."""
    points = np.concatenate([draw_ring(100), draw_points(3, num_elsewhere, margin_px=170)])
    objection = find_objection(agree(points, STILL), SETTINGS)
    assert (objection is PairReason.FRAME) == is_refused


def test_border_points_that_draw_together_are_no_overlay():
    """A cornice and a kerb, seen from aside: they stay at the border but shift unequally."""
    narrower = np.array([[0.8, 0, 80.0], [0, 1.0, 0]])
    points = np.concatenate([draw_caption(80, top=560), draw_caption(80, top=20)])
    assert find_objection(agree(points, narrower), SETTINGS) is None


def test_a_caption_that_left_the_border_is_no_watermark():
    """Border in one image, middle of the other: a small thing, but no overlay."""
    for matrix, top in ((shift_by(0, -250), 560), (shift_by(0, 250), 310)):
        objection = find_objection(agree(draw_caption(80, top), matrix), SETTINGS)
        assert objection is PairReason.TOO_CONCENTRATED


def test_a_frame_that_moved_is_no_frame():
    points = draw_ring(200, rim_px=30) * 0.96 + 16
    assert find_objection(agree(points, shift_by(12, -9)), SETTINGS) is PairReason.WATERMARK


def test_a_shift_in_the_middle_of_the_picture_is_no_overlay():
    agreement = agree(draw_points(0, 100), shift_by(15, 4))
    assert find_objection(agreement, SETTINGS) is None


def test_a_small_straight_patch_could_be_a_logo():
    patch = np.array([380, 280]) + np.random.default_rng(4).uniform(0, 90, (60, 2))
    assert is_concentrated(agree(patch, shift_by(30, 20)))
    assert find_objection(agree(patch, shift_by(30, 20)), SETTINGS) is PairReason.TOO_CONCENTRATED


def test_the_same_patch_turned_is_a_distant_view_of_a_thing():
    patch = np.array([380, 280]) + np.random.default_rng(4).uniform(0, 90, (60, 2))
    turned = np.array([[0.9, -0.3, 100.0], [0.3, 0.9, -50.0]])
    assert not is_concentrated(agree(patch, turned))


def test_a_thin_line_of_points_is_too_concentrated_whatever_the_map():
    rng = np.random.default_rng(5)
    line = np.stack([rng.uniform(100, 700, 80), rng.uniform(300, 306, 80)], 1)
    assert is_concentrated(agree(line))


def test_a_few_distant_spots_are_too_concentrated():
    """Widely spread, but in four cells of the grid only."""
    spots = np.array([[110, 110], [690, 110], [110, 490], [690, 490]], float)
    points = np.repeat(spots, 15, axis=0) + np.random.default_rng(7).uniform(-5, 5, (60, 2))
    assert is_concentrated(agree(points))
    five = np.concatenate([points, [[400.0, 300.0]]])
    assert not is_concentrated(agree(five))


def test_a_patch_in_one_image_alone_is_too_concentrated():
    far_away = np.array([[0.08, 0.01, 300.0], [-0.01, 0.08, 300.0]])
    agreement = agree(draw_points(0, 100), far_away)
    assert is_concentrated(agreement)
    swapped = Agreement(agreement.xy_b, agreement.xy_a, ASLANT, SHAPE, SHAPE)
    assert is_concentrated(swapped)


@pytest.mark.parametrize(
    ("linear", "expected"),
    [
        ([[1, 0], [0, 1]], True),
        ([[0.5, 0], [0, 0.5]], True),
        ([[0.52, 0.02], [-0.02, 0.48]], True),
        ([[1, -0.06], [0.06, 1]], False),
        ([[1.1, 0], [0, 0.9]], False),
        ([[0, -1], [1, 0]], False),
        ([[-1, 0], [0, -1]], False),
    ],
)
def test_what_was_pasted_is_only_shifted_and_scaled(linear, expected):
    matrix = np.column_stack([np.array(linear, float), [3, 4]])
    assert could_be_pasted(matrix, SETTINGS) == expected


def test_the_common_shift_is_that_of_the_majority():
    xy = draw_points(0, 100)
    moved = xy + np.array([20, -7])
    moved[60:] += np.random.default_rng(6).uniform(30, 90, (40, 2))
    shared = share_one_shift(agree(xy, xy_b=moved), SETTINGS)
    assert shared[:60].all()
    assert not shared[60:].any()


@pytest.mark.parametrize(("offset_px", "expected"), [(3.9, True), (4.1, False)])
def test_the_common_shift_is_kept_to_four_pixels_at_800(offset_px, expected):
    xy = draw_points(0, 50)
    moved = xy.copy()
    moved[0] += (offset_px, 0)
    assert share_one_shift(agree(xy, xy_b=moved), SETTINGS)[0] == expected


def test_an_overlay_explains_its_own_points_only():
    """Neither the middle of the picture, nor what moves by itself at the edge."""
    caption = draw_caption(80)
    points = np.concatenate([caption, draw_points(0, 40, margin_px=150), caption[:10] + 1])
    moved = points.copy()
    moved[120:, 0] += 30
    explained = overlay_inliers(agree(points, xy_b=moved), SETTINGS)
    assert explained[:80].all()
    assert not explained[80:].any()


@given(st.integers(0, 200), st.integers(10, 60))
def test_the_guards_treat_both_images_alike(seed, count):
    """The same agreement read from b to a meets the same objection."""
    xy = np.random.default_rng(seed).uniform([0, 0], SHAPE, (count, 2))
    matrix = np.array([[1.0, 0.0, 7.0], [0.0, 1.0, 3.0]])
    forth = agree(xy, matrix)
    back = Agreement(forth.xy_b, forth.xy_a, shift_by(-7, -3), SHAPE, SHAPE)
    named = {PairReason.FRAME: "overlay", PairReason.WATERMARK: "overlay"}
    first, second = (find_objection(side, SETTINGS) for side in (forth, back))
    assert named.get(first, first) == named.get(second, second)
