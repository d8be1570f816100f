"""Random crops, mirror images and colours for training; plain resizing for validation.

OpenCV spreads a picture over threads. Processes that load pictures in parallel should call
`cv2.setNumThreads(1)` first; the pixels are the same.
"""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from manifests.strict_model import StrictModel

Pixels = NDArray[np.uint8]

_RGB_TO_YIQ: Final = np.array(
    [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]]
)
_LUMA: Final = _RGB_TO_YIQ[0]
_BLUR_SIDES_PX: Final = 6.0
"""Width of the blur's kernel in standard deviations."""


class AugmentationSettings(StrictModel):
    """How far a training image may be from the photograph."""

    min_area: float = Field(0.5, gt=0, le=1)
    """Least share of the picture in a crop; the most is all of it. Landmarks are large in their
    pictures, and a small crop shows a wall that could be anybody's."""
    max_stretch: float = Field(4 / 3, ge=1, le=4)
    """Most that the aspect ratio of a crop departs from that of the output, either way."""
    flip_probability: float = Field(0.5, ge=0, le=1)
    """Of a mirror image. Buildings are nearly symmetric; set 0 where script matters."""
    jitter_probability: float = Field(0.8, ge=0, le=1)
    """Of a change of colours by the four amounts below."""
    brightness: float = Field(0.2, ge=0, lt=1)
    """Factors from 1 less this to 1 plus this."""
    contrast: float = Field(0.2, ge=0, lt=1)
    """Likewise, about the mean luminance."""
    saturation: float = Field(0.2, ge=0, lt=1)
    """Likewise, about grey of the same luminance."""
    hue_degrees: float = Field(5.0, ge=0, le=180)
    """Most that the hue turns, either way."""
    blur_probability: float = Field(0.0, ge=0, le=1)
    """Of a Gaussian blur."""
    max_blur_px: float = Field(1.5, gt=0, le=20)
    """Most standard deviation of the blur; the least is a tenth of it."""
    erasing_probability: float = Field(0.0, ge=0, le=1)
    """Of a rectangle of the mean colour over the image (Zhong et al. 2020)."""
    max_erased_area: float = Field(0.2, gt=0, lt=1)
    """Most share of the output in that rectangle; the least is a tenth of it."""


def augment(
    pixels: Pixels,
    size: tuple[int, int],
    rng: np.random.Generator,
    settings: AugmentationSettings | None = None,
) -> Pixels:
    """Make a training image from a photograph.

    Args:
        pixels: uint8 (height, width, 3), RGB; not changed.
        size: width and height of the result in pixels.
        rng: all randomness comes from here; the same state gives the same image.
        settings: amounts and probabilities.

    Returns:
        uint8 (height, width, 3), contiguous.
    """
    settings = settings or AugmentationSettings()
    image = _crop(pixels, size, rng, settings)
    if rng.random() < settings.flip_probability:
        image = np.asarray(cv2.flip(image, 1), np.uint8)
    if rng.random() < settings.jitter_probability:
        image = _jitter_colours(image, rng, settings)
    if rng.random() < settings.blur_probability:
        image = _blur(image, rng.uniform(0.1, 1.0) * settings.max_blur_px)
    if rng.random() < settings.erasing_probability:
        image = _erase(image, rng, settings)
    return image


def resize_only(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to a width and height without cropping, for validation.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        size: width and height in pixels.

    Returns:
        uint8 (height, width, 3), contiguous; never the input itself.
    """
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels.copy(order="C")
    shrinks = size[0] <= width and size[1] <= height
    # Averaging over areas prevents aliasing; it knows no enlarging.
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=interpolation), np.uint8)


def choose_crop(
    width: int,
    height: int,
    aspect: float,
    rng: np.random.Generator,
    settings: AugmentationSettings,
) -> tuple[int, int, int, int]:
    """Choose a crop as inception networks do (Szegedy et al. 2015), in the shape of the output.

    Args:
        width: of the picture, px.
        height: of the picture, px.
        aspect: width over height of the output.
        rng: three numbers are drawn in any case.
        settings: least area and most stretch.

    Returns:
        left, top, width and height in pixels. If no crop of the area and shape drawn fits into
        the picture, it is the largest of that shape that does.
    """
    area = width * height * rng.uniform(settings.min_area, 1.0)
    log_stretch = math.log(settings.max_stretch)
    shape = aspect * math.exp(rng.uniform(-log_stretch, log_stretch))
    wanted_width, wanted_height = math.sqrt(area * shape), math.sqrt(area / shape)
    scale = min(1.0, width / wanted_width, height / wanted_height)
    crop_width = min(width, max(1, round(wanted_width * scale)))
    crop_height = min(height, max(1, round(wanted_height * scale)))
    left, top = rng.random(2) * (width - crop_width + 1, height - crop_height + 1)
    return int(left), int(top), crop_width, crop_height


def _crop(
    pixels: Pixels,
    size: tuple[int, int],
    rng: np.random.Generator,
    settings: AugmentationSettings,
) -> Pixels:
    height, width = pixels.shape[:2]
    left, top, crop_width, crop_height = choose_crop(
        width, height, size[0] / size[1], rng, settings
    )
    return resize_only(pixels[top : top + crop_height, left : left + crop_width], size)


def _jitter_colours(
    image: Pixels, rng: np.random.Generator, settings: AugmentationSettings
) -> Pixels:
    """Change brightness, contrast, saturation and hue in one pass: all are linear in RGB."""
    brightness, contrast, saturation = 1 + rng.uniform(-1, 1, 3) * (
        settings.brightness,
        settings.contrast,
        settings.saturation,
    )
    turn = math.radians(rng.uniform(-1, 1) * settings.hue_degrees)
    matrix = brightness * contrast * make_chroma_matrix(saturation, turn)
    mean_luminance = float(_LUMA @ cv2.mean(image)[:3])
    offset = np.full(3, brightness * (1 - contrast) * mean_luminance)
    return np.asarray(cv2.transform(image, np.column_stack([matrix, offset])), np.uint8)


def make_chroma_matrix(saturation: float, turn_radians: float) -> NDArray[np.float64]:
    """Matrix, float64 (3, 3), that scales and turns the colours of RGB about the grey axis."""
    cosine, sine = saturation * math.cos(turn_radians), saturation * math.sin(turn_radians)
    in_yiq = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    matrix: NDArray[np.float64] = np.linalg.inv(_RGB_TO_YIQ) @ in_yiq @ _RGB_TO_YIQ
    return matrix


def _blur(image: Pixels, sigma_px: float) -> Pixels:
    side = 2 * math.ceil(sigma_px * _BLUR_SIDES_PX / 2) + 1
    return np.asarray(cv2.GaussianBlur(image, (side, side), sigma_px), np.uint8)


def _erase(image: Pixels, rng: np.random.Generator, settings: AugmentationSettings) -> Pixels:
    """Put the mean colour over a rectangle of any place."""
    height, width = image.shape[:2]
    side_share = math.sqrt(rng.uniform(0.1, 1.0) * settings.max_erased_area)
    erased_width, erased_height = round(width * side_share), round(height * side_share)
    left, top = (rng.random(2) * (width - erased_width + 1, height - erased_height + 1)).astype(int)
    erased = image.copy()
    erased[top : top + erased_height, left : left + erased_width] = cv2.mean(image)[:3]
    return erased
