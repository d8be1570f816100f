import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from networks.pixels import fit_group, fit_long_side, resize_image, to_float, to_tensor

sides = st.integers(1, 5000)


@given(sides, sides, st.sampled_from([224, 512, 1024]))
def test_the_long_side_is_reduced_and_never_enlarged(width, height, long_side_px):
    fitted = fit_long_side(width, height, long_side_px)
    assert max(fitted) == min(max(width, height), long_side_px)
    assert min(fitted) >= 1
    assert abs(fitted[0] * height - fitted[1] * width) <= max(width, height)


@given(sides, sides, st.sampled_from([224, 512, 1024]))
def test_groups_have_sides_of_multiples_of_32(width, height, long_side_px):
    grouped = fit_group(width, height, long_side_px)
    assert all(side % 32 == 0 and 32 <= side <= max(32, long_side_px) for side in grouped)
    exact = (side * min(1, long_side_px / max(width, height)) for side in (width, height))
    assert all(abs(a - b) <= 16 or a == 32 for a, b in zip(grouped, exact, strict=True))


@pytest.mark.parametrize(
    ("size", "group"),
    [((4000, 3000), (512, 384)), ((3999, 3010), (512, 384)), ((3000, 4000), (384, 512))],
)
def test_similar_photographs_share_a_group(size, group):
    assert fit_group(*size, 512) == group


def test_pixels_keep_their_place():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    tensor = to_tensor(pixels)
    assert tensor.shape == (3, 2, 4)
    assert tensor[2, 1, 3] == pixels[1, 3, 2]
    assert resize_image(tensor, 4, 2) is tensor
    assert to_float(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == [
        0,
        pytest.approx(0.2),
        1,
    ]


def test_shrinking_averages_what_it_covers():
    checkered = np.zeros((64, 64, 3), np.uint8)
    checkered[::2, ::2] = checkered[1::2, 1::2] = 254
    small = resize_image(to_tensor(checkered), 8, 8)
    assert small.dtype == torch.uint8
    assert small[:, 2:6, 2:6].float().sub(127).abs().max() <= 2
