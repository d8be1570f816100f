import cv2
import numpy as np
import pytest
from drawn_places import draw_place
from hypothesis import given, settings
from hypothesis import strategies as st

from training.augmentation import (
    AugmentationSettings,
    augment,
    choose_crop,
    make_chroma_matrix,
    resize_only,
)

PLAIN = AugmentationSettings(min_area=1, max_stretch=1, flip_probability=0, jitter_probability=0)
ALL = AugmentationSettings(blur_probability=1, erasing_probability=1, jitter_probability=1)
PLACE = draw_place(3, 160, 120)


def change(**options):
    return PLAIN.model_copy(update=options)


def draw(options, seed=0, picture=PLACE, size=(64, 48)):
    return augment(picture, size, np.random.default_rng(seed), options)


@given(st.integers(0, 2**32), st.integers(1, 90), st.integers(1, 90))
@settings(max_examples=30)
def test_the_result_has_the_size_asked_for_and_depends_on_the_generator_only(seed, width, height):
    before = PLACE.copy()
    first, again = (draw(ALL, seed, size=(width, height)) for _ in range(2))
    assert first.shape == (height, width, 3)
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous
    assert np.array_equal(first, again)
    assert np.array_equal(PLACE, before)


def test_other_generators_give_other_images():
    images = {draw(AugmentationSettings(), seed).tobytes() for seed in range(8)}
    assert len(images) == 8


def test_threads_do_not_change_the_image():
    before = cv2.getNumThreads()
    try:
        images = []
        for num_threads in (1, 4):
            cv2.setNumThreads(num_threads)
            images.append(draw(ALL, 5))
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(*images)


def test_with_everything_off_an_image_is_only_resized():
    assert np.array_equal(draw(PLAIN), resize_only(PLACE, (64, 48)))
    assert np.array_equal(draw(PLAIN, size=(160, 120)), PLACE)


@given(
    st.integers(1, 300), st.integers(1, 300), st.floats(0.3, 3), st.floats(0.05, 1), st.floats(1, 2)
)
def test_a_crop_lies_inside_and_has_the_area_or_touches_the_border(
    width, height, aspect, min_area, max_stretch
):
    options = AugmentationSettings(min_area=min_area, max_stretch=max_stretch)
    rng = np.random.default_rng(1)
    for _ in range(10):
        left, top, crop_width, crop_height = choose_crop(width, height, aspect, rng, options)
        assert 0 <= left <= left + crop_width <= width
        assert 0 <= top <= top + crop_height <= height
        assert min(crop_width, crop_height) >= 1
        rounding = 0.5 * (crop_width + crop_height) + 1
        if crop_width < width and crop_height < height:
            assert crop_width * crop_height >= min_area * width * height - rounding
        least, most = (crop_width + s * 0.5 for s in (-1, 1))
        assert least / (crop_height + 0.5) <= aspect * max_stretch * 1.0001 or crop_width == 1
        assert most / (crop_height - 0.5) >= aspect / max_stretch * 0.9999 or crop_height == 1


def test_crops_reach_all_corners_and_areas():
    rng, options = np.random.default_rng(0), AugmentationSettings(min_area=0.25, max_stretch=1)
    crops = np.array([choose_crop(200, 100, 2.0, rng, options) for _ in range(500)])
    areas = crops[:, 2] * crops[:, 3] / 20_000
    assert areas.min() < 0.27
    assert areas.max() > 0.98
    assert np.abs(np.mean(areas) - 0.625) < 0.03
    assert set(crops[areas < 0.5][:, 0] > 50) == {True, False}
    assert crops[:, :2].min() == 0
    assert ((crops[:, 0] + crops[:, 2]) == 200).any()


def test_flipping_is_a_mirror_image_half_of_the_time():
    upright = resize_only(PLACE, (64, 48))
    drawn = [draw(change(flip_probability=0.5), seed) for seed in range(200)]
    num_flipped = sum(np.array_equal(image, upright[:, ::-1]) for image in drawn)
    assert num_flipped + sum(np.array_equal(image, upright) for image in drawn) == 200
    assert 75 < num_flipped < 125


def jitter(seed=0, picture=PLACE, **amounts):
    off = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue_degrees": 0.0}
    size = picture.shape[1], picture.shape[0]
    return draw(change(jitter_probability=1, **{**off, **amounts}), seed, picture, size)


def test_no_amounts_no_change():
    assert np.abs(jitter().astype(int) - PLACE).max() <= 1


def luminance(picture):
    return picture @ np.array([0.299, 0.587, 0.114])


def soften(picture):
    """Away from black and white, where nothing is clipped."""
    return (picture // 3 + 80).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_each_amount_changes_what_it_says(seed):
    soft = soften(PLACE)
    ratios = jitter(seed, soft, brightness=0.3) / soft
    assert ratios.std() < 0.01
    assert 0.69 < ratios.mean() < 1.31
    assert abs(ratios.mean() - 1) > 0.01
    contrast = luminance(jitter(seed, soft, contrast=0.5))
    assert contrast.mean() == pytest.approx(luminance(soft).mean(), abs=0.6)
    assert contrast.std() != pytest.approx(luminance(soft).std(), rel=0.02)
    for amounts in ({"saturation": 0.5}, {"hue_degrees": 30.0}):
        coloured = jitter(seed, soft, **amounts)
        assert np.abs(luminance(coloured) - luminance(soft)).max() < 1.5
        assert np.abs(coloured.astype(int) - soft).max() > 2


def test_grey_has_no_hue_to_turn():
    grey = np.repeat(PLACE[:, :, :1], 3, axis=2)
    turned = jitter(picture=grey, hue_degrees=90.0, saturation=0.9)
    assert np.abs(turned.astype(int) - grey).max() <= 1


def test_turning_colours_all_the_way_round_changes_nothing():
    assert np.allclose(make_chroma_matrix(1.0, 2 * np.pi), np.eye(3))
    assert np.allclose(make_chroma_matrix(0.0, 1.0), np.tile([0.299, 0.587, 0.114], (3, 1)))


def test_blurring_smooths():
    sharp = resize_only(PLACE, (64, 48))
    blurred = draw(change(blur_probability=1.0, max_blur_px=3.0))
    edges = [np.abs(np.diff(image.astype(int), axis=1)).mean() for image in (sharp, blurred)]
    assert edges[1] < edges[0]
    assert blurred.mean() == pytest.approx(sharp.mean(), abs=2)


def test_erasing_covers_one_rectangle_of_the_share_allowed():
    sharp = resize_only(PLACE, (64, 48))
    for seed in range(20):
        erased = draw(change(erasing_probability=1.0, max_erased_area=0.3), seed)
        rows, columns = np.nonzero((erased != sharp).any(axis=2))
        box = erased[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert 0 < len(rows) <= 0.33 * 64 * 48
        assert np.unique(box.reshape(-1, 3), axis=0).shape[0] == 1


def test_fine_stripes_do_not_alias_when_validation_images_shrink():
    stripes = np.zeros((90, 120, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resize_only(stripes, (30, 30)).astype(int) - 100).max() <= 1


def test_validation_images_are_resized_in_full():
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:20, :30] = 255
    small = resize_only(picture, (30, 20))
    assert (small[:10, :15] == 255).all()
    assert not small[10:].any()
    assert not small[:, 15:].any()
    same = resize_only(picture, (60, 40))
    assert np.array_equal(same, picture)
    assert not np.shares_memory(same, picture)
