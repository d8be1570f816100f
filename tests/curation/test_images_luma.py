"""Luma alone: the same verdict as on the whole image, and the same picture in grey."""

import random
import struct

import numpy as np
import pytest
from drawn_images import encode, make_exif, make_texture
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from curation.images import ImageError, decode_image, decode_luma, to_grey
from curation.perceptual_hash import hamming_distance, perceptual_hash
from curation.shards import list_members, open_shard
from manifests.rows import ImageStatus

JPEGS = {
    "plain": encode(make_texture(1), "JPEG"),
    "progressive": encode(make_texture(2), "JPEG", progressive=True),
    "full colour": encode(make_texture(3), "JPEG", subsampling="4:4:4"),
    "restarts": encode(make_texture(4), "JPEG", restart_marker_blocks=3),
    "stored as RGB": encode(make_texture(5), "JPEG", keep_rgb=True),
    "CMYK": encode(make_texture(6).convert("CMYK"), "JPEG"),
    "grey": encode(make_texture(7).convert("L"), "JPEG"),
    "turned": encode(make_texture(8), "JPEG", exif=make_exif(6)),
}


def judge(decode, data):
    """All that a decoder says of a file but its pixels."""
    try:
        image = decode(data)
    except ImageError as error:
        return error.status, error.reason
    return image.format, image.note, image.exif_orientation, image.pixels.shape[:2]


def damage(rng, data):
    """Change, remove or insert a few bytes, mostly in the header, or cut the end off."""
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(2, len(damaged) if rng.random() < 0.4 else min(len(damaged), 700))
        match rng.randrange(4):
            case 0:
                damaged[at] ^= 1 << rng.randrange(8)
            case 1:
                del damaged[at : at + rng.randint(1, 9)]
            case 2:
                damaged[at:at] = rng.randbytes(rng.randint(1, 9))
            case 3 if at > 100:
                del damaged[at:]
    return bytes(damaged)


@pytest.mark.parametrize("kind", JPEGS)
def test_no_damage_is_seen_in_the_colours_only(kind):
    rng = random.Random(3)
    files = [damage(rng, JPEGS[kind]) for _ in range(250)]
    verdicts = [judge(decode_image, data) for data in files]
    assert [judge(decode_luma, data) for data in files] == verdicts
    assert {verdict[0] for verdict in verdicts} >= {ImageStatus.TRUNCATED, "JPEG"}


@given(st.sampled_from(sorted(JPEGS)), st.data())
def test_a_cut_file_is_refused_for_the_same_reason(kind, data):
    cut = data.draw(st.integers(3, len(JPEGS[kind]) - 3))  # the end mark is no part of the picture
    verdict = judge(decode_luma, JPEGS[kind][:cut])
    assert verdict == judge(decode_image, JPEGS[kind][:cut])
    assert verdict[0] is ImageStatus.TRUNCATED


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
@example(3, 2, 1)
def test_colours_that_cannot_be_enlarged_are_refused_as_ever(luma, blue, red):
    """libjpeg looks at the sampling of those planes only that it is asked for."""
    data = bytearray(JPEGS["full colour"])
    frame = data.index(b"\xff\xc0") + 4
    for plane, factor in enumerate((luma, blue, red)):
        data[frame + 7 + 3 * plane] = factor << 4 | 1
    assert judge(decode_luma, bytes(data)) == judge(decode_image, bytes(data))


def test_a_frame_of_impossible_sampling_does_not_decode():
    data = bytearray(JPEGS["full colour"])
    frame = data.index(b"\xff\xc0") + 4
    data[frame + 7], data[frame + 10] = 0x31, 0x21
    assert judge(decode_luma, bytes(data))[0] is ImageStatus.TRUNCATED


@pytest.mark.parametrize("kind", JPEGS)
def test_luma_is_the_grey_of_the_colours_up_to_rounding(kind):
    image = decode_luma(JPEGS[kind])
    grey = to_grey(decode_image(JPEGS[kind]).pixels)
    assert (image.pixels.dtype, image.pixels.shape) == (np.uint8, grey.shape)
    assert image.pixels.flags.c_contiguous
    assert image.pixels.flags.writeable
    difference = np.abs(image.pixels.astype(int) - grey)
    assert difference.mean() < 1
    assert np.quantile(difference, 0.99) <= 3  # more only where colours left 0 to 255
    assert hamming_distance(perceptual_hash(image.pixels), perceptual_hash(grey)) <= 2


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "WEBP"])
def test_other_formats_give_the_grey_of_their_colours(file_format):
    data = encode(make_texture(9), file_format)
    np.testing.assert_array_equal(decode_luma(data).pixels, to_grey(decode_image(data).pixels))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16"])
def test_unusual_pixels_give_the_grey_of_their_colours(mode):
    image = Image.new(mode, (96, 64), 9000) if mode == "I;16" else make_texture(3).convert(mode)
    data = encode(image, "PNG")
    grey, colour = decode_luma(data), decode_image(data)
    np.testing.assert_array_equal(grey.pixels, to_grey(colour.pixels))
    assert grey.note == colour.note


@pytest.mark.parametrize("size", [(1, 1), (31, 500), (500, 31)])
def test_small_images_are_refused(size):
    assert judge(decode_luma, encode(Image.new("RGB", size), "JPEG"))[0] is ImageStatus.TOO_SMALL


def test_a_bomb_is_refused_before_it_unpacks():
    data = bytearray(JPEGS["plain"])
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, 65500, 65500)
    assert judge(decode_luma, bytes(data))[0] is ImageStatus.DECOMPRESSION_BOMB


def test_real_photographs_get_the_same_verdict_and_almost_the_same_hash(photos_root):
    (tar, *_) = sorted((photos_root / "train").glob("*.tar"))
    with open_shard(tar) as shard:
        files = [shard.read(m.offset, m.num_bytes) for m in list_members(tar)[::4]]
    for data in files:
        verdict = judge(decode_luma, data)
        assert verdict == judge(decode_image, data)
        if not isinstance(verdict[0], ImageStatus):
            greys = decode_luma(data).pixels, to_grey(decode_image(data).pixels)
            assert hamming_distance(*map(perceptual_hash, greys)) <= 2
