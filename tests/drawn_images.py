"""Pictures drawn by the tests, and the bytes of files that hold them."""

import io

import numpy as np
from PIL import Image

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 230, 40)
COLOURS = {"A": RED, "B": GREEN, "C": BLUE, "D": YELLOW}
ORIENTATION_TAG = 0x0112
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}}


def encode(image, file_format, **options):
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def four_corners(letters="ABCD", width=64, height=48):
    """One colour per quarter, in the order top left, top right, bottom left, bottom right."""
    tiny = np.array([COLOURS[letter] for letter in letters], np.uint8).reshape(2, 2, 3)
    return Image.fromarray(np.kron(tiny, np.ones((height // 2, width // 2, 1), np.uint8)))


def make_texture(seed=0, width=96, height=64):
    """Smooth random blobs: something that compresses like a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def make_exif(orientation):
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return exif


def read_corners(pixels):
    height, width = pixels.shape[:2]
    names = {colour: letter for letter, colour in COLOURS.items()}
    points = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
    return "".join(names[tuple(pixels[point].tolist())] for point in points)
