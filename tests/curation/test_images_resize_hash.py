"""What is derived from decoded pixels: grey, resized and hashed images."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curation.images import decode_image, resize_long_side, to_grey
from curation.perceptual_hash import hamming_distance, perceptual_hash, shrink_to_square

HASHES = st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}")


def make_texture(seed, width=200, height=150):
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_grey_is_the_luma_of_bt601(rgb):
    grey = to_grey(np.full((3, 5, 3), rgb, np.uint8))
    assert (grey.shape, grey.dtype) == ((3, 5), np.uint8)
    assert np.abs(grey - np.dot(rgb, [0.299, 0.587, 0.114])).max() <= 0.51


def test_shrinking_averages_areas():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    blocks = pixels.reshape(10, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(resize_long_side(pixels, 16) - blocks).max() <= 0.51


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_the_long_side_is_met_and_never_enlarged(width, height, long_side, is_grey):
    pixels = np.zeros((height, width) if is_grey else (height, width, 3), np.uint8)
    resized = resize_long_side(pixels, long_side)
    new_height, new_width = resized.shape[:2]
    assert max(new_height, new_width) == min(long_side, max(height, width))
    assert resized.shape[2:] == pixels.shape[2:]
    scale = max(new_height, new_width) / max(height, width)
    assert abs(new_height - height * scale) <= 1
    assert abs(new_width - width * scale) <= 1
    assert min(new_height, new_width) >= 1


def test_an_image_small_enough_is_left_alone():
    pixels = make_texture(0)
    assert resize_long_side(pixels, 200) is pixels


def slow_hash(grey_32x32):
    """The hash from the definition of the orthonormal DCT-II, without OpenCV."""
    n = np.arange(32)
    basis = np.sqrt(2 / 32) * np.cos(np.pi * (2 * n[None, :] + 1) * n[:, None] / 64)
    basis[0] /= np.sqrt(2)
    low = (basis @ grey_32x32.astype(float) @ basis.T)[:8, :8].ravel()
    ones = [k > 0 and value > np.median(low[1:]) for k, value in enumerate(low)]
    return f"{sum(one << (63 - k) for k, one in enumerate(ones)):016x}"


@pytest.mark.parametrize("seed", range(5))
def test_the_hash_is_the_one_defined(seed):
    grey = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    assert perceptual_hash(grey) == slow_hash(grey)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_flat_image_has_no_bit_set(level):
    assert perceptual_hash(np.full((60, 80, 3), level, np.uint8)) == "0" * 16


@pytest.mark.parametrize("seed", range(30))
def test_rounding_noise_sets_no_bit(seed):
    """A picture that mirrors in its diagonal has pairs of equal coefficients, so of equal bits."""
    half = np.random.default_rng(seed).integers(0, 128, (32, 32), dtype=np.uint8)
    digits = perceptual_hash(half + half.T)
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8)).reshape(8, 8)
    np.testing.assert_array_equal(bits, bits.T)


@pytest.mark.parametrize("seed", range(5))
def test_copies_stay_near_and_other_pictures_far(seed):
    pixels = make_texture(seed)
    original = perceptual_hash(pixels)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=60)
    copies = [
        decode_image(stream.getvalue()).pixels,
        resize_long_side(pixels, 100),
        (pixels * 0.8 + 20).astype(np.uint8),
        to_grey(pixels),
    ]
    assert max(hamming_distance(original, perceptual_hash(copy)) for copy in copies) <= 4
    assert hamming_distance(original, perceptual_hash(make_texture(seed + 100))) >= 16


@given(HASHES, HASHES)
def test_hamming_distance_counts_differing_bits(hash_a, hash_b):
    bits_a, bits_b = (f"{int(digits, 16):064b}" for digits in (hash_a, hash_b))
    expected = sum(a != b for a, b in zip(bits_a, bits_b, strict=True))
    assert hamming_distance(hash_a, hash_b) == hamming_distance(hash_b, hash_a) == expected


@pytest.mark.parametrize("digits", ["", "0" * 15, "0" * 17, "x" * 16])
def test_what_is_no_hash_is_refused(digits):
    with pytest.raises(ValueError, match=digits or "''"):
        hamming_distance("0" * 16, digits)


def slow_shrink(grey, side):
    """Every pixel spread over the cells by the share of its area, in exact fractions."""
    height, width = grey.shape
    rows, columns = (_shares(length, side) for length in (height, width))
    return rows @ grey.astype(float) @ columns.T


def _shares(length, side):
    cells, pixels = np.arange(side)[:, None], np.arange(length)[None, :]
    overlap = np.minimum((cells + 1) * length, (pixels + 1) * side) - np.maximum(
        cells * length, pixels * side
    )
    return np.maximum(overlap, 0) / length


@given(st.integers(8, 60), st.integers(8, 60), st.integers(1, 8), st.integers(0, 999))
def test_shrinking_to_a_square_averages_areas(height, width, side, seed):
    grey = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    small = shrink_to_square(grey, side)
    assert small.shape == (side, side)
    assert (small == np.round(small)).all()
    np.testing.assert_allclose(small, slow_shrink(grey, side), atol=0.5 + 1e-9)


def test_a_picture_smaller_than_the_square_is_enlarged():
    assert (shrink_to_square(np.full((5, 90), 77, np.uint8), 32) == 77).all()
