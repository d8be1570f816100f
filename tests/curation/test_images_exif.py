"""EXIF orientation and crops: which way up, and in which frame."""

import struct
import warnings

import numpy as np
import pytest
from drawn_images import (
    COLOURS,
    LOSSLESS,
    RED,
    encode,
    four_corners,
    make_exif,
    make_texture,
    read_corners,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import PngImagePlugin

from curation.images import decode_image

# Where the stored first row and first column lie in the upright picture (EXIF 2.3, table 5) says
# which corners of the upright picture A B / C D the stored one has.
STORED_CORNERS = {
    1: "ABCD",
    2: "BADC",
    3: "DCBA",
    4: "CDAB",
    5: "ACBD",
    6: "BDAC",
    7: "DBCA",
    8: "CADB",
}


@pytest.mark.parametrize("orientation", STORED_CORNERS)
@pytest.mark.parametrize("file_format", LOSSLESS)
def test_every_orientation_comes_out_upright(orientation, file_format):
    stored = four_corners(STORED_CORNERS[orientation])
    data = encode(stored, file_format, exif=make_exif(orientation), **LOSSLESS[file_format])
    image = decode_image(data)
    assert image.exif_orientation == orientation
    assert read_corners(image.pixels) == "ABCD"
    assert image.pixels.shape == ((64, 48, 3) if orientation >= 5 else (48, 64, 3))
    assert image.pixels.flags.c_contiguous


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_a_jpeg_is_turned_whatever_the_byte_order(byte_order):
    exif = make_exif(6)
    exif.endian = byte_order
    image = decode_image(encode(four_corners(STORED_CORNERS[6]), "JPEG", exif=exif))
    assert image.exif_orientation == 6
    assert np.abs(image.pixels[5, 5].astype(int) - RED).max() < 10
    assert image.pixels.shape == (64, 48, 3)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(value):
    image = decode_image(encode(four_corners(), "PNG", exif=make_exif(value)))
    assert image.exif_orientation is None
    assert read_corners(image.pixels) == "ABCD"


def with_exif_block(jpeg, block):
    segment = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


JPEG = encode(make_texture(), "JPEG")
PIXELS = decode_image(JPEG).pixels


@given(
    st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II*\0\xff\xff\xff\xff"]),
    st.binary(max_size=60),
)
def test_no_exif_block_can_stop_or_warn(start, rest):
    image = decode_image(with_exif_block(JPEG, start + rest))
    assert image.exif_orientation in {None, *range(1, 9)}
    if image.exif_orientation in {None, 1}:
        np.testing.assert_array_equal(image.pixels, PIXELS)


def test_a_truncated_exif_block_with_a_resolution_is_ignored():
    """Pillow's own reader parses the block for the resolution, and warns."""
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 40) + struct.pack("<HHII", 0x11A, 5, 1, 9999)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(with_exif_block(JPEG, block)).exif_orientation is None


def test_a_png_text_called_exif_is_no_exif_block():
    text = PngImagePlugin.PngInfo()
    text.add_itxt("exif", "II*")
    assert decode_image(encode(four_corners(), "PNG", pnginfo=text)).exif_orientation is None


def test_crop_is_in_the_stored_frame_and_turned_afterwards():
    stored = four_corners(STORED_CORNERS[6])
    data = encode(stored, "PNG", exif=make_exif(6))
    crop = decode_image(data, (0, 0, 32, 20)).pixels
    assert crop.shape == (32, 20, 3)
    assert set(map(tuple, crop.reshape(-1, 3).tolist())) == {COLOURS["B"]}


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ((10.4, 5.4, 20.4, 8.4), (3, 10, 3)),
        ((9.6, 4.6, 20.4, 8.4), (3, 10, 3)),
        ((-5, -5, 1000, 1000), (48, 64, 3)),
        ((60, 40, 70, 50), (8, 4, 3)),
    ],
)
def test_crop_is_rounded_and_cut_to_the_image(box, shape):
    data = encode(make_texture(width=64, height=48), "PNG")
    whole = decode_image(data).pixels
    crop = decode_image(data, box).pixels
    assert crop.shape == shape
    x1, y1 = max(0, round(box[0])), max(0, round(box[1]))
    np.testing.assert_array_equal(crop, whole[y1 : y1 + shape[0], x1 : x1 + shape[1]])


@pytest.mark.parametrize("box", [(64, 0, 80, 10), (5, 5, 5.2, 9), (9, 9, 3, 3), (-9, 0, -1, 5)])
def test_a_crop_without_pixels_is_named(box):
    data = encode(make_texture(width=64, height=48), "PNG")
    with pytest.raises(ValueError, match="covers no pixel of an image of 64 x 48 px") as caught:
        decode_image(data, box)
    assert str(box) in str(caught.value)
