"""Canaries and controls: pictures planted to measure what a search for overlap finds.

A canary shows a photograph of the evaluation set as a training set may hold it: saved again, made
smaller, cropped, turned. A search that misses canaries would miss leaks too. A control holds the
same patches in a senseless order, so that only geometry tells it from a canary; a search that
accepts controls proves nothing by what it accepts.
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation.images import resize_long_side

Pixels = NDArray[np.uint8]

MAX_LONG_SIDE_PX = 1600
"""Views are made of photographs reduced to this: as large as those of training sets are."""
_QUALITY = 90
_PATCHES_PER_SIDE = 28
"""Of real photographs described at 800 px, half of those in 16 x 16 patches are accepted, and in a
sense rightly: a single patch then holds 20 features that agree."""


class CanaryKind(StrEnum):
    """What a planted picture is."""

    RECOMPRESSED = "recompressed"
    HALF_SIZE = "half_size"
    CROPPED = "cropped"
    ROTATED = "rotated"
    RELIT = "relit"
    PERSPECTIVE = "perspective"
    BLURRED = "blurred"
    SAME_LANDMARK_EASY = "same_landmark_easy"
    SAME_LANDMARK_HARD = "same_landmark_hard"
    SCRAMBLED = "scrambled"
    SCRAMBLED_MIRRORED = "scrambled_mirrored"


TRANSFORMED = (
    CanaryKind.RECOMPRESSED,
    CanaryKind.HALF_SIZE,
    CanaryKind.CROPPED,
    CanaryKind.ROTATED,
    CanaryKind.RELIT,
    CanaryKind.PERSPECTIVE,
    CanaryKind.BLURRED,
)
"""Other versions of a query's own photograph."""

SAME_LANDMARK = (CanaryKind.SAME_LANDMARK_EASY, CanaryKind.SAME_LANDMARK_HARD)
"""Other photographs of a query's landmark, which the evaluation set itself names."""

SCRAMBLED = (CanaryKind.SCRAMBLED, CanaryKind.SCRAMBLED_MIRRORED)
"""Controls, which must not be accepted."""


WORDS: Mapping[CanaryKind, str] = {
    CanaryKind.RECOMPRESSED: "The query's photograph, saved as JPEG of quality 30 to 50.",
    CanaryKind.HALF_SIZE: "The query's photograph at half its width and height.",
    CanaryKind.CROPPED: "60 to 80 % of the area of the query's photograph.",
    CanaryKind.ROTATED: "The query's photograph, turned by 3 to 10 degrees.",
    CanaryKind.RELIT: "The query's photograph, up to 25 % more or less contrast, and brightness.",
    CanaryKind.PERSPECTIVE: "The query's photograph, each corner moved by up to an eighth.",
    CanaryKind.BLURRED: "The query's photograph, blurred by 1.0 to 1.6 px in 800.",
    CanaryKind.SAME_LANDMARK_EASY: "Another photograph of the landmark, easy by the ground truth.",
    CanaryKind.SAME_LANDMARK_HARD: "Another photograph of the landmark, hard by the ground truth.",
    CanaryKind.SCRAMBLED: "The query's photograph in 28 x 28 patches, in another order.",
    CanaryKind.SCRAMBLED_MIRRORED: "The same, each patch mirrored.",
}
"""Kind -> how such a picture is made."""


def render_view(pixels: Pixels, kind: CanaryKind, key: str) -> bytes:
    """Make a planted picture out of a photograph.

    Args:
        pixels: upright RGB, uint8 (height, width, 3).
        kind: one of `TRANSFORMED` or `SCRAMBLED`.
        key: decides how strong the change is, and the order of the patches; another key gives
            another view.

    Returns:
        A JPEG file.
    """
    picture = resize_long_side(pixels, MAX_LONG_SIDE_PX)
    if kind is CanaryKind.RECOMPRESSED:
        return encode_jpeg(picture, round(_draw(key, "quality", 30, 50)))
    return encode_jpeg(_VIEWS[kind](picture, key), _QUALITY)


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """A JPEG file of RGB pixels, uint8 (height, width, 3)."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _draw(key: str, what: str, low: float, high: float) -> float:
    """A number between two others that depends on the key alone."""
    digest = hashlib.sha256(f"{key}/{what}".encode()).digest()
    return low + (high - low) * int.from_bytes(digest[:8], "big") / 2**64


def _halve(picture: Pixels, key: str) -> Pixels:  # noqa: ARG001  (half is half)
    height, width = picture.shape[:2]
    size = (max(1, width // 2), max(1, height // 2))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _crop(picture: Pixels, key: str) -> Pixels:
    """60 to 80 % of the area, at the same proportions, somewhere in the picture."""
    share = _draw(key, "area", 0.6, 0.8) ** 0.5
    height, width = picture.shape[:2]
    kept_height, kept_width = round(share * height), round(share * width)
    top = int(_draw(key, "top", 0, height - kept_height + 1))
    left = int(_draw(key, "left", 0, width - kept_width + 1))
    return np.ascontiguousarray(picture[top : top + kept_height, left : left + kept_width])


def _turn(picture: Pixels, key: str) -> Pixels:
    """3 to 10 degrees, either way; the corners repeat the rim."""
    angle = _draw(key, "angle", 3, 10) * (1 if _draw(key, "side", 0, 1) < 0.5 else -1)
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turned = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _relight(picture: Pixels, key: str) -> Pixels:
    """Contrast down or up by a quarter, brightness by a tenth of the range."""
    contrast, brightness = _draw(key, "contrast", 0.75, 1.25), _draw(key, "brightness", -25, 25)
    values = (picture.astype(np.float32) - 128) * contrast + 128 + brightness
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _view_aslant(picture: Pixels, key: str) -> Pixels:
    """Move each corner inwards by up to an eighth of the sides."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
    shares = [[_draw(key, f"{axis}{n}", 0.0, 0.125) for axis in "xy"] for n in range(4)]
    moved = corners + inwards * np.array(shares, np.float32) * np.array([width, height], np.float32)
    # Seen from the moved corners, so that the whole view is filled.
    matrix = cv2.getPerspectiveTransform(moved, corners)
    return np.asarray(cv2.warpPerspective(picture, matrix, (width, height)), np.uint8)


def _blur(picture: Pixels, key: str) -> Pixels:
    """As if out of focus by 1.0 to 1.6 px in a picture of 800 px."""
    sigma_px = _draw(key, "sigma", 1.0, 1.6) * max(picture.shape[:2]) / 800
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px), np.uint8)


def _scramble(picture: Pixels, key: str) -> Pixels:
    """Cut into 28 x 28 patches and lay these in another order."""
    return _lay_patches(picture, key, mirrored=False)


def _scramble_mirrored(picture: Pixels, key: str) -> Pixels:
    return _lay_patches(picture, key, mirrored=True)


def _lay_patches(picture: Pixels, key: str, *, mirrored: bool) -> Pixels:
    count = _PATCHES_PER_SIDE
    height, width = (side // count for side in picture.shape[:2])
    cut = picture[: height * count, : width * count].reshape(count, height, count, width, 3)
    patches = cut.swapaxes(1, 2).reshape(count * count, height, width, 3)
    # A hash, as no generator of random numbers promises the same order in its next version.
    order = sorted(range(len(patches)), key=lambda n: _draw(key, f"patch{n}", 0, 1))
    laid = patches[order][:, :, ::-1] if mirrored else patches[order]
    rows = laid.reshape(count, count, height, width, 3).swapaxes(1, 2)
    return np.ascontiguousarray(rows.reshape(height * count, width * count, 3), np.uint8)


_VIEWS: Mapping[CanaryKind, Callable[[Pixels, str], Pixels]] = {
    CanaryKind.HALF_SIZE: _halve,
    CanaryKind.CROPPED: _crop,
    CanaryKind.ROTATED: _turn,
    CanaryKind.RELIT: _relight,
    CanaryKind.PERSPECTIVE: _view_aslant,
    CanaryKind.BLURRED: _blur,
    CanaryKind.SCRAMBLED: _scramble,
    CanaryKind.SCRAMBLED_MIRRORED: _scramble_mirrored,
}
