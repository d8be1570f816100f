"""The one decoder: bytes of a file -> upright RGB pixels, whole or not at all.

Every stage reads images through `decode_image`, so that descriptors, features and the reviewer's
picture come from the same pixels. An image that cannot be decoded to its end is refused with a
status; no half-grey picture gets through. One limit of that: where entropy-coded JPEG data are
corrupt in the middle, libjpeg conceals the damage as every viewer does and says nothing, so such
an image is decoded, with artefacts, at its full size.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from curation.orientation import read_exif_orientation, turn_upright
from manifests.rows import ImageStatus

MIN_SHORT_SIDE_PX = 32
"""Below this, SIFT's octaves leave nothing to describe."""

MAX_PIXELS = 178_956_970
"""Twice Pillow's warning limit: where Pillow itself refuses an image as a decompression bomb."""

# Pillow keeps what fits into 16 MiB, at 4 bytes a pixel, in one block, which others may read.
_MAX_SHARED_PIXELS = 3 << 20

Box = tuple[float, float, float, float]


class ImageError(ValueError):
    """A file that gives no usable image.

    Attributes:
        status: the verdict for the images table.
        reason: what the decoder found, in words.
    """

    def __init__(self, status: ImageStatus, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason

    def __reduce__(self) -> tuple[type["ImageError"], tuple[ImageStatus, str]]:
        # Worker processes send their errors pickled.
        return type(self), (self.status, self.reason)


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image as it is meant to be seen.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, upright, contiguous; from `decode_luma`
            uint8 (height, width).
        exif_orientation: 1 to 8 as found in the file; None if there is none or another value.
        format: what the bytes are, whatever the name says: JPEG, PNG, GIF or WEBP.
        note: which conversion the pixels went through; None for plain 8-bit RGB.
    """

    pixels: NDArray[np.uint8]
    exif_orientation: int | None
    format: str
    note: str | None


def decode_image(
    data: bytes,
    crop_px: Box | None = None,
    *,
    min_short_side_px: int = MIN_SHORT_SIDE_PX,
    max_pixels: int = MAX_PIXELS,
) -> DecodedImage:
    """Decode a JPEG, PNG, GIF or WebP file to upright RGB.

    Grey and palette images are expanded, 16-bit values keep their high byte, transparency is
    laid over white, an animation gives its first picture. Colour profiles are ignored, for CMYK
    too. The EXIF orientation is applied; an EXIF block that makes no sense is ignored.

    Args:
        data: the whole file; bytes after the end of the image are ignored.
        crop_px: x1, y1, x2, y2 in pixels of the stored image, before the EXIF orientation, as
            evaluation ground truth gives them; rounded and cut to the image.
        min_short_side_px: images whose shorter side is below are refused.
        max_pixels: images with more pixels are refused before anything is unpacked.

    Raises:
        ImageError: not an image, cut short or broken, too small, or too large.
        ValueError: nothing of the crop lies inside the image.
    """
    return _decode(data, _read_rgb, crop_px, min_short_side_px, max_pixels)


def decode_luma(data: bytes) -> DecodedImage:
    """Check a file as `decode_image` does, and decode no more of it than its luma.

    A colour JPEG stores luma as a plane of its own. Every byte of the file is still read and
    entropy-decoded, so that all damage that `decode_image` reports is reported here too; only the
    two planes of colour are not turned into pixels, which saves a fourth of the time. Such luma
    differs from `to_grey` of the colours by rounding, and where colours were cut to 0 to 255.

    Returns:
        The image with pixels uint8 (height, width).

    Raises:
        ImageError: as `decode_image` does.
    """
    return _decode(data, _read_luma, None, MIN_SHORT_SIDE_PX, MAX_PIXELS)


def to_grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma of RGB pixels (ITU-R BT.601 weights): uint8 (height, width, 3) -> (height, width)."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def resize_long_side(pixels: NDArray[np.uint8], long_side_px: int) -> NDArray[np.uint8]:
    """Shrink by area averaging until the longer side is `long_side_px`; never enlarge.

    Args:
        pixels: uint8 (height, width) or (height, width, 3).
        long_side_px: at least 1.

    Returns:
        The same kind of array; the input itself where it is small enough already.
    """
    height, width = pixels.shape[:2]
    scale = long_side_px / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _decode(
    data: bytes,
    read: Callable[[ImageFile], tuple[NDArray[np.uint8], str | None]],
    crop_px: Box | None,
    min_short_side_px: int,
    max_pixels: int,
) -> DecodedImage:
    image = _open(data)
    _check_size(image, min_short_side_px, max_pixels)
    try:
        stored, note = read(image)
    except MemoryError:
        # Says something of the machine, nothing of the image: it must not become a verdict.
        raise
    except Exception as error:
        raise _describe_damage(image.format, error) from error
    if crop_px is not None:
        stored = _crop(stored, crop_px)
    orientation = read_exif_orientation(image.info.get("exif"))
    upright = np.require(turn_upright(stored, orientation), requirements=["C", "W"])
    return DecodedImage(upright, orientation, str(image.format), note)


class _JpegFile(JpegImageFile):
    """Pillow's JPEG reader, but an EXIF block can neither warn nor stop the decoding."""

    def _read_dpi_from_exif(self) -> None:
        """Skip the one thing that would parse the whole block: the resolution, unused here."""

    def load_read(self, read_bytes: int) -> bytes:  # noqa: ARG002  (of Pillow)
        """All that is left, whatever is asked for.

        Pillow asks for 64 KB at a time, and copies what libjpeg leaves of each.
        """
        return super().load_read(-1)

    def has_luma(self) -> bool:
        """Whether libjpeg gives luma, and would give colours, of what the header announces.

        It can only enlarge planes by whole factors, and does not look at those it leaves out.
        """
        widest = max((h for _, h, _, _ in self.layer), default=0)
        tallest = max((v for _, _, v, _ in self.layer), default=0)
        return self.mode == "RGB" and all(
            h > 0 and v > 0 and widest % h == 0 and tallest % v == 0 for _, h, v, _ in self.layer
        )


def _open(data: bytes) -> ImageFile:
    """Read the header.

    Readers are called directly: `Image.open` would apply limits and emit warnings that are
    settings of the whole process, and would try formats that have no business here.
    """
    reader = _find_reader(data)
    if reader is None:
        found = f"it begins with {data[:16]!r}" if data else "the file is empty"
        raise ImageError(ImageStatus.NOT_AN_IMAGE, f"not JPEG, PNG, GIF or WebP: {found}")
    try:
        return reader(io.BytesIO(data))
    except MemoryError:
        raise
    except Exception as error:
        raise _describe_damage(reader.format, error) from error


def _find_reader(data: bytes) -> type[ImageFile] | None:
    if data.startswith(b"\xff\xd8\xff"):
        return _JpegFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    return None


def _describe_damage(image_format: str | None, error: Exception) -> ImageError:
    reason = f"begins as {image_format} but does not decode to its end: {error}"
    return ImageError(ImageStatus.TRUNCATED, reason)


def _check_size(image: ImageFile, min_short_side_px: int, max_pixels: int) -> None:
    width, height = image.size
    if min(width, height) < min_short_side_px:
        raise ImageError(
            ImageStatus.TOO_SMALL,
            f"{width} x {height} px, the shorter side must have {min_short_side_px} px",
        )
    if width * height > max_pixels:
        raise ImageError(
            ImageStatus.DECOMPRESSION_BOMB,
            f"{width} x {height} px would unpack to more than {max_pixels} pixels",
        )


def _read_rgb(image: ImageFile) -> tuple[NDArray[np.uint8], str | None]:
    image.load()
    if _is_plain_rgb(image):
        return _copy_pixels(image, cv2.COLOR_RGBA2RGB, 3), None
    if image.mode == "I;16":
        # Pillow's own conversion would clip everything above 255 to white.
        high_byte = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(high_byte[:, :, None], 3, axis=2), "converted from 16-bit grey"
    if image.has_transparency_data:
        upper = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        flat = Image.alpha_composite(white, upper).convert("RGB")
        return np.asarray(flat), f"converted from {image.mode}, transparency laid over white"
    return np.asarray(image.convert("RGB")), f"converted from {image.mode}"


def _read_grey(image: ImageFile) -> tuple[NDArray[np.uint8], str | None]:
    image.load()
    if _is_plain_rgb(image):
        return _copy_pixels(image, cv2.COLOR_RGBA2GRAY, 1)[:, :, 0], None
    rgb, note = _read_rgb(image)
    return to_grey(rgb), note


def _read_luma(image: ImageFile) -> tuple[NDArray[np.uint8], str | None]:
    if not (isinstance(image, _JpegFile) and image.has_luma()):
        return _read_grey(image)
    image.draft("L", None)
    image.load()
    return _share_memory(image), None


def _is_plain_rgb(image: Image.Image) -> bool:
    return image.mode == "RGB" and "transparency" not in image.info


def _copy_pixels(image: Image.Image, conversion: int, channels: int) -> NDArray[np.uint8]:
    """Pixels of an RGB image, uint8 (height, width, channels), through one of OpenCV's conversions.

    Pillow's own export would copy them three times.
    """
    width, height = image.size
    pixels = np.empty((height, width, channels), np.uint8)
    step = max(1, _MAX_SHARED_PIXELS // width)
    for top in range(0, height, step):
        bottom = min(height, top + step)
        strip = image if step >= height else image.crop((0, top, width, bottom))
        cv2.cvtColor(_share_memory(strip), conversion, dst=pixels[top:bottom])
    return pixels


def _share_memory(image: Image.Image) -> NDArray[np.uint8]:
    """Pillow's own memory of an image, uint8, not to be written to.

    Grey as (height, width); RGB as (height, width, 4), the fourth value unused.
    """
    width, height = image.size
    try:
        values = pa.array(image)
    except ValueError:  # more than Pillow keeps in one block (see PILLOW_BLOCK_SIZE)
        return np.asarray(image if image.mode == "L" else image.convert("RGBA"))
    if image.mode == "L":
        return np.asarray(values.to_numpy().reshape(height, width), np.uint8)
    return np.asarray(values.values.to_numpy().reshape(height, width, 4), np.uint8)


def _crop(stored: NDArray[np.uint8], box_px: Box) -> NDArray[np.uint8]:
    height, width = stored.shape[:2]
    x1, y1, x2, y2 = (round(side) for side in box_px)
    x1, x2 = max(0, x1), min(width, x2)
    y1, y2 = max(0, y1), min(height, y2)
    if x1 >= x2 or y1 >= y2:
        raise ValueError(
            f"crop {box_px} covers no pixel of an image of {width} x {height} px; correct the box "
            "(x1, y1, x2, y2 in pixels of the stored image)"
        )
    return stored[y1:y2, x1:x2]
