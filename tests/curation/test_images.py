"""The decoder: every kind of file, every kind of damage."""

import csv
import io
import pickle
import struct
import warnings
import zlib

import numpy as np
import pytest
from drawn_images import (
    BLUE,
    GREEN,
    LOSSLESS,
    RED,
    YELLOW,
    encode,
    four_corners,
    make_texture,
    read_corners,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curation.images import ImageError, decode_image
from curation.shards import image_id_of, list_members, open_shard
from manifests.rows import ImageStatus

JPEG = encode(make_texture(), "JPEG")


@pytest.mark.parametrize(
    ("file_format", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {"lossless": True})],
)
def test_plain_colour_is_decoded_as_it_is(file_format, options):
    texture = make_texture()
    image = decode_image(encode(texture, file_format, quality=95, **options))
    assert (image.format, image.note, image.exif_orientation) == (file_format, None, None)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.shape == (64, 96, 3)
    assert image.pixels.flags.c_contiguous
    assert image.pixels.flags.writeable
    difference = np.abs(image.pixels.astype(int) - np.asarray(texture))
    assert difference.mean() < (2 if file_format == "JPEG" else 1e-9)


def test_grey_and_bilevel_images_become_rgb():
    grey = make_texture().convert("L")
    image = decode_image(encode(grey, "PNG"))
    assert image.note == "converted from L"
    np.testing.assert_array_equal(image.pixels, np.asarray(grey)[:, :, None].repeat(3, axis=2))
    bilevel = decode_image(encode(grey.convert("1"), "PNG"))
    assert bilevel.note == "converted from 1"
    assert set(np.unique(bilevel.pixels)) == {0, 255}


@pytest.mark.parametrize(
    ("ink", "rgb"),
    [((0, 0, 0, 0), (255, 255, 255)), ((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 255), (0, 0, 0))],
)
def test_cmyk_is_converted(ink, rgb):
    image = decode_image(encode(Image.new("CMYK", (64, 48), ink), "JPEG"))
    assert image.note == "converted from CMYK"
    assert np.abs(image.pixels.astype(int) - rgb).max() < 6


def test_16_bit_grey_is_scaled_not_clipped():
    values = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    image = decode_image(encode(Image.fromarray(values), "PNG"))
    assert image.note == "converted from 16-bit grey"
    assert np.abs(image.pixels - (values / 257)[:, :, None]).max() < 1.01
    assert (image.pixels.min(), image.pixels.max()) == (0, 255)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_palette_colours_are_exact(file_format):
    palette = four_corners().convert("P", palette=Image.Palette.ADAPTIVE)
    image = decode_image(encode(palette, file_format))
    assert image.note == "converted from P"
    assert read_corners(image.pixels) == "ABCD"


@pytest.mark.parametrize("file_format", LOSSLESS)
def test_transparency_is_laid_over_white(file_format):
    image = four_corners().convert("RGBA")
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[:24, :32], alpha[:24, 32:] = 0, 128
    image.putalpha(Image.fromarray(alpha))
    decoded = decode_image(encode(image, file_format, exact=True, **LOSSLESS[file_format]))
    assert decoded.note == "converted from RGBA, transparency laid over white"
    assert decoded.pixels[0, 0].tolist() == [255, 255, 255]
    assert np.abs(decoded.pixels[0, 63] - (np.array(GREEN) + 255.0) / 2).max() < 1.5
    assert tuple(decoded.pixels[47, 0].tolist()) == BLUE


def test_a_transparent_key_colour_is_laid_over_white():
    keyed = encode(four_corners(), "PNG", transparency=RED)
    palette = four_corners().convert("P", palette=Image.Palette.ADAPTIVE)
    red_index = palette.getpixel((0, 0))
    for data in (keyed, encode(palette, "PNG", transparency=red_index)):
        image = decode_image(data)
        assert image.note.endswith("transparency laid over white")
        assert image.pixels[0, 0].tolist() == [255, 255, 255]
        assert tuple(image.pixels[47, 63].tolist()) == YELLOW


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_picture(file_format):
    frames = {"save_all": True, "append_images": [four_corners("DDDD")], "duration": 40}
    data = encode(four_corners(), file_format, lossless=True, **frames)
    assert read_corners(decode_image(data).pixels) == "ABCD"


def expect_refusal(data, status, reason, **limits):
    with pytest.raises(ImageError, match=reason) as caught:
        decode_image(data, **limits)
    assert caught.value.status is status
    return caught.value


@pytest.mark.parametrize("data", [b"", b"<html>404 Not Found</html>", b"\xff\xd8", b"BM" * 99])
def test_what_is_no_image_is_said_so(data):
    expect_refusal(data, ImageStatus.NOT_AN_IMAGE, "not JPEG, PNG, GIF or WebP")


def test_the_reason_shows_how_the_file_begins():
    expect_refusal(b"<html>404", ImageStatus.NOT_AN_IMAGE, "it begins with b'<html>404'")


@pytest.mark.parametrize("size", [(1, 1), (31, 500), (500, 31)])
def test_small_images_are_refused(size):
    data = encode(Image.new("RGB", size), "PNG")
    expect_refusal(data, ImageStatus.TOO_SMALL, f"{size[0]} x {size[1]} px")
    assert decode_image(data, min_short_side_px=1).pixels.shape == (size[1], size[0], 3)


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_that_promises(width, height):
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(b"\0" * 99))


def test_a_decompression_bomb_is_refused_before_it_unpacks():
    expect_refusal(png_that_promises(30_000, 30_000), ImageStatus.DECOMPRESSION_BOMB, "30000 x")


def test_the_limit_on_pixels_belongs_to_the_call():
    expect_refusal(JPEG, ImageStatus.DECOMPRESSION_BOMB, "96 x 64", max_pixels=96 * 64 - 1)
    assert decode_image(JPEG, max_pixels=96 * 64).pixels.shape == (64, 96, 3)


def test_a_large_panorama_does_not_warn(monkeypatch):
    """Pillow's process-wide limit, at which it warns, plays no part."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(JPEG, (0, 0, 95, 64)).pixels.shape == (64, 95, 3)


@pytest.mark.parametrize("progressive", [False, True])
@given(st.data())
def test_no_cut_of_a_jpeg_goes_unnoticed(progressive, data):
    whole = encode(make_texture(), "JPEG", progressive=progressive)
    cut = data.draw(st.integers(3, len(whole) - 1))
    expect_refusal(whole[:cut], ImageStatus.TRUNCATED, "begins as JPEG but does not decode")


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_other_formats_cut_short_are_refused(file_format, share):
    whole = encode(make_texture(), file_format)
    cut = max(16, round(len(whole) * share))
    expect_refusal(whole[:cut], ImageStatus.TRUNCATED, f"begins as {file_format}")


def test_a_damaged_png_is_refused():
    damaged = bytearray(encode(make_texture(), "PNG"))
    damaged[len(damaged) // 2] ^= 0xFF
    expect_refusal(bytes(damaged), ImageStatus.TRUNCATED, "begins as PNG")


def test_damage_in_the_middle_of_jpeg_data_is_concealed_by_libjpeg():
    """No decoder at hand reports it; what comes before the damage is right, the size too."""
    texture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8))
    whole = encode(texture, "JPEG")
    damaged = bytearray(whole)
    middle = len(whole) * 3 // 4
    damaged[middle : middle + 40] = b"\x55" * 40
    image, intact = decode_image(bytes(damaged)), decode_image(whole)
    assert image.pixels.shape == intact.pixels.shape
    np.testing.assert_array_equal(image.pixels[:24], intact.pixels[:24])
    assert (image.pixels[24:] != intact.pixels[24:]).any()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_bytes_after_the_image_are_ignored(file_format):
    data = encode(make_texture(), file_format)
    np.testing.assert_array_equal(
        decode_image(data + b"\0trailing" * 50).pixels, decode_image(data).pixels
    )


def test_an_error_survives_the_way_from_a_worker():
    error = expect_refusal(b"", ImageStatus.NOT_AN_IMAGE, "the file is empty")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.status, copy.reason, str(copy)) == (error.status, error.reason, str(error))


def test_real_photographs_decode_except_those_known_as_broken(photos_root):
    with (photos_root / "truth.csv").open(newline="", encoding="utf-8") as stream:
        truth = {row["image_id"]: row["planted"] for row in csv.DictReader(stream)}
    found = {}
    for tar in (photos_root / "train").glob("*.tar"):
        with open_shard(tar) as shard:
            for member in list_members(tar):
                image_id = image_id_of(member.name)
                try:
                    decode_image(shard.read(member.offset, member.num_bytes))
                except ImageError as error:
                    found[image_id] = error.status
                else:
                    found[image_id] = ImageStatus.OK
    words = {
        "broken: truncated JPEG": ImageStatus.TRUNCATED,
        "broken: not an image": ImageStatus.NOT_AN_IMAGE,
    }
    assert found == {
        image_id: words.get(planted, ImageStatus.OK) for image_id, planted in truth.items()
    }


def test_an_image_larger_than_the_memory_that_pillow_shares():
    """Strips are read one by one; pixels are those of Pillow's own export."""
    tall = make_texture(4).resize((1500, 2801))
    data = encode(tall, "JPEG", quality=60)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(decode_image(data).pixels, np.asarray(image))
