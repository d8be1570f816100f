"""Drawings of two images with lines between agreeing places."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cleanmark.reporting.captions import add_caption
from cleanmark.reporting.correspondence_drawing import (
    PAPER,
    DrawingSettings,
    View,
    draw_side_by_side,
    spread_points,
)

SETTINGS = DrawingSettings(panel_px=100, gap_px=10, max_lines=5, line_px=1)
GREY = np.full((80, 100, 3), 90, np.uint8)
NO_POINTS = np.empty((0, 2))


def draw(points_a, points_b, pixels_b=GREY):
    points_a, points_b = np.asarray(points_a, float), np.asarray(points_b, float)
    return draw_side_by_side(View(GREY, points_a, 100), View(pixels_b, points_b, 100), SETTINGS)


def test_images_stand_beside_each_other_on_paper():
    small = np.full((40, 50, 3), 200, np.uint8)
    drawing = draw(NO_POINTS, NO_POINTS, small)
    assert drawing.shape == (80, 100 + 10 + 50, 3)
    assert (drawing[:, :100] == 90).all()
    assert (drawing[20:60, 110:] == 200).all()
    assert (drawing[:20, 110:] == PAPER).all()
    assert (drawing[:, 100:110] == PAPER).all()


def test_large_images_are_reduced_and_points_with_them():
    large = np.full((160, 200, 3), 90, np.uint8)
    points = np.array([[20.0, 40.0]])
    drawing = draw_side_by_side(View(large, points, 200), View(GREY, points, 100), SETTINGS)
    assert drawing.shape == (80, 210, 3)
    changed = np.argwhere((drawing[:, :100] != 90).any(axis=2))
    assert changed[:, 1].min() in range(5, 11)


def test_a_line_joins_the_two_places():
    drawing = draw([[30, 40]], [[60, 40]])
    changed = (drawing != draw(NO_POINTS, NO_POINTS)).any(axis=2)
    assert changed[40, 30:171].all()
    assert not changed[:30].any()
    assert not changed[50:].any()


def test_inputs_are_left_as_they_were():
    draw([[30, 40]], [[60, 40]])
    assert (GREY == 90).all()


def test_no_more_lines_than_allowed_are_drawn():
    heights = np.arange(10, 71, 2)
    points = np.stack([np.full(len(heights), 50), heights], axis=1)
    drawing = draw(points, points)
    gap = (drawing[:, 104] != PAPER).any(axis=1)
    num_lines = np.count_nonzero(np.diff(gap.astype(int)) == 1)
    assert num_lines == SETTINGS.max_lines


def test_outliers_are_joined_faintly_and_inliers_over_them():
    settings = DrawingSettings(panel_px=100, gap_px=10, max_lines=5, line_px=1, max_outliers=3)
    inlier, outlier = np.array([[30.0, 40.0]]), np.array([[50.0, 20.0]])
    alone = draw_side_by_side(View(GREY, inlier, 100), View(GREY, inlier, 100), settings)
    both = View(GREY, inlier, 100, outliers=outlier)
    drawing = draw_side_by_side(both, both, settings)
    changed = (drawing != alone).any(axis=2)
    assert changed[20, 50:160].all()
    assert not changed[30:].any()
    on_line = drawing[20, 70].astype(int)
    assert np.ptp(on_line) == 0  # grey
    assert 90 < on_line[0] < 170
    assert (drawing[40, 70] == alone[40, 70]).all()


def test_no_more_outliers_than_allowed_are_drawn():
    settings = DrawingSettings(panel_px=100, gap_px=10, max_lines=5, line_px=1, max_outliers=4)
    heights = np.arange(10, 71, 2)
    points = np.stack([np.full(len(heights), 50), heights], axis=1).astype(float)
    view = View(GREY, NO_POINTS, 100, outliers=points)
    gap = (draw_side_by_side(view, view, settings)[:, 104] != PAPER).any(axis=1)
    assert np.count_nonzero(np.diff(gap.astype(int)) == 1) == 4


def test_the_outline_of_the_other_frame_is_drawn_and_cut_off_at_the_edge():
    corners = np.array([[20.0, 10.0], [300.0, 10.0], [300.0, 60.0], [20.0, 60.0]])
    outlined = View(GREY, NO_POINTS, 100, outline=corners)
    drawing = draw_side_by_side(outlined, View(GREY, NO_POINTS, 100), SETTINGS)
    changed = (drawing != draw(NO_POINTS, NO_POINTS)).any(axis=2)
    assert changed[10, 20:100].all()
    assert changed[60, 20:100].all()
    assert changed[10:60, 20].all()
    assert not changed[20:50, 30:].any()
    assert not changed[:, 100:].any()


def test_an_outline_that_a_wild_model_maps_far_away_is_drawn_too():
    wild = View(GREY, NO_POINTS, 100, outline=np.array([[-1e12, 1], [1e12, 1], [5, 1e15], [5, 5]]))
    assert draw_side_by_side(wild, wild, SETTINGS).shape == (80, 210, 3)


_POINTS = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(0, 100)
)


@given(_POINTS, st.integers(0, 20))
def test_spread_points_are_as_many_as_allowed_and_each_once(points, max_points):
    chosen = spread_points(points, max_points)
    assert len(chosen) == min(len(points), max_points)
    assert chosen.tolist() == sorted(set(chosen.tolist()))


def test_spread_points_prefer_the_corners():
    crowd = np.random.default_rng(0).normal(50, 1, (50, 2))
    corners = np.array([[0, 0], [100, 0], [0, 100], [100, 100]], float)
    chosen = spread_points(np.concatenate([crowd, corners]), 5)
    assert {50, 51, 52, 53} < set(chosen.tolist())


def test_a_caption_is_wrapped_to_the_width():
    short = add_caption(GREY, "Verified", "a few words")
    long = add_caption(GREY, "Verified", "a few words " * 20)
    assert long.shape[0] > short.shape[0]
    assert long.shape[1] == short.shape[1]
    assert (short == 90).all(axis=2).sum() == GREY.shape[0] * GREY.shape[1]
