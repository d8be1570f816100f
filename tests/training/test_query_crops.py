import numpy as np
import pytest

from training.query_crops import reduce_crop


@pytest.mark.parametrize(
    ("image_long_side_px", "expected"), [(2048, (100, 50)), (1024, (200, 100)), (500, (200, 100))]
)
def test_a_crop_is_reduced_like_its_image(image_long_side_px, expected):
    crop = np.zeros((200, 100, 3), np.uint8)
    assert reduce_crop(crop, image_long_side_px, 1024).shape == (*expected, 3)


def test_colours_stay_where_they_are():
    crop = np.zeros((64, 32, 3), np.uint8)
    crop[:32] = 255, 0, 10
    reduced = reduce_crop(crop, 200, 100)
    assert reduced.dtype == np.uint8
    assert reduced[2, 8].tolist() == [255, 0, 10]
    assert reduced[-2, 8].tolist() == [0, 0, 0]


def test_a_sliver_keeps_a_pixel():
    assert reduce_crop(np.zeros((1, 40, 3), np.uint8), 4000, 100).shape == (1, 1, 3)
