"""Photographs as the browser gets them: by opaque id, from the run's own list, resized, cached."""

import io
from collections import OrderedDict
from collections.abc import Mapping
from enum import StrEnum
from threading import Lock
from typing import NamedTuple

from PIL import Image

from curation.images import Box, DecodedImage, ImageError, decode_image, resize_long_side
from curation.shards import ShardError, read_bytes
from manifests.lineage import digest_bytes
from review_ui.evidence import EvidenceError, Photograph, Query

_JPEG_QUALITY = 86
_MAX_CACHE_BYTES = 192 << 20


class PictureSize(StrEnum):
    """How large a picture is asked for."""

    THUMB = "thumb"
    VIEW = "view"
    FULL = "full"


_LONG_SIDE_PX = {PictureSize.THUMB: 320, PictureSize.VIEW: 1280, PictureSize.FULL: 3200}


class Shape(NamedTuple):
    """Size of an upright photograph in pixels, and its EXIF orientation."""

    width: int
    height: int
    orientation: int | None


def read_photograph(photograph: Photograph, crop_px: Box | None = None) -> DecodedImage:
    """Read and decode a photograph or a part of it, if it is still the same file.

    Args:
        photograph: which.
        crop_px: x1, y1, x2, y2 in pixels of the stored photograph.

    Raises:
        EvidenceError: the file is gone, is another one now, or does not decode.
    """
    try:
        data = read_bytes(photograph.path, photograph.offset, photograph.num_bytes)
        if digest_bytes(data) != photograph.sha256:
            raise EvidenceError("The file is not the one that the run has read.")
        return decode_image(data, crop_px)
    except (ShardError, ImageError) as error:
        raise EvidenceError(f"Not readable: {error}") from error


def turn_box(box: Box, shape: Shape) -> Box:
    """Where a box of the stored photograph lies in the upright one.

    Args:
        box: x1, y1, x2, y2 in pixels of the stored photograph; rounded and cut to it, as the
            decoder does with a crop.
        shape: of the upright photograph.

    Returns:
        left, top, right, bottom as shares of the upright width and height.
    """
    turned = shape.orientation in (5, 6, 7, 8)
    width, height = (shape.height, shape.width) if turned else (shape.width, shape.height)
    x1, x2 = (min(max(round(x), 0), width) / width for x in (box[0], box[2]))
    y1, y2 = (min(max(round(y), 0), height) / height for y in (box[1], box[3]))
    if turned:
        x1, y1, x2, y2 = y1, x1, y2, x2
    if shape.orientation in (3, 4, 7, 8):
        y1, y2 = 1 - y2, 1 - y1
    if shape.orientation in (2, 3, 6, 7):
        x1, x2 = 1 - x2, 1 - x1
    return x1, y1, x2, y2


class PictureStore:
    """Resized photographs of a run, kept in memory up to a bound."""

    def __init__(
        self, photographs: Mapping[str, Photograph], max_cache_bytes: int = _MAX_CACHE_BYTES
    ) -> None:
        self._photographs = photographs
        self._max_cache_bytes = max_cache_bytes
        self._cache: OrderedDict[tuple[str, PictureSize], bytes] = OrderedDict()
        self._cached_bytes = 0
        self._shapes: dict[str, Shape] = {}
        self._lock = Lock()

    def get(self, picture_id: str, size: PictureSize) -> bytes:
        """A JPEG of a photograph.

        Raises:
            KeyError: the run has no such picture.
            EvidenceError: its file cannot be shown.
        """
        photograph = self._photographs[picture_id]
        key = (picture_id, size)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        image = read_photograph(photograph)
        data = _encode(image, _LONG_SIDE_PX[size])
        self._keep(key, data, _shape(image))
        return data

    def find_shape(self, photograph: Photograph) -> Shape:
        """Size and orientation of a photograph.

        Raises:
            EvidenceError: its file cannot be shown.
        """
        shape = self._shapes.get(photograph.picture_id)
        if shape is None:
            shape = _shape(read_photograph(photograph))
            self._shapes[photograph.picture_id] = shape
        return shape

    def find_box(self, query: Query) -> Box | None:
        """The query's box in its upright photograph, in shares of width and height, if it has one.

        Raises:
            EvidenceError: its file cannot be shown.
        """
        return None if query.box is None else turn_box(query.box, self.find_shape(query.photograph))

    def _keep(self, key: tuple[str, PictureSize], data: bytes, shape: Shape) -> None:
        with self._lock:
            self._shapes[key[0]] = shape
            if key not in self._cache:
                self._cache[key] = data
                self._cached_bytes += len(data)
            while self._cached_bytes > self._max_cache_bytes and len(self._cache) > 1:
                _, oldest = self._cache.popitem(last=False)
                self._cached_bytes -= len(oldest)


def _shape(image: DecodedImage) -> Shape:
    height, width = image.pixels.shape[:2]
    return Shape(width, height, image.exif_orientation)


def _encode(image: DecodedImage, long_side_px: int) -> bytes:
    stream = io.BytesIO()
    pixels = resize_long_side(image.pixels, long_side_px)
    Image.fromarray(pixels).save(stream, "JPEG", quality=_JPEG_QUALITY, progressive=True)
    return stream.getvalue()
