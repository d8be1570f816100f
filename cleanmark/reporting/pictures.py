"""Pictures inside the report: read from shards, shrunk, and inlined within a bound."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from cleanmark.reporting.correspondence_drawing import Pixels
from cleanmark.reporting.tables import list_parts
from curation.images import ImageError, decode_image, resize_long_side
from curation.shards import ShardError, read_bytes
from manifests.arrow_schemas import IMAGES
from manifests.parquet_io import read_table
from pipelines.stages.ingest import Join

_JPEG_QUALITY = 72
_PLACE_COLUMNS = (
    "image_id", "landmark_id", "shard", "offset", "num_bytes", "sha256", "status",
)  # fmt: skip


class MissingPictureError(Exception):
    """There is no picture to show; the message says why, in words for the reader."""


@dataclass(frozen=True)
class Picture:
    """A picture of the report, or the words that stand in its place.

    Attributes:
        alt: what it shows, in words.
        uri: a `data:` URI; None if there is no picture.
        missing: why there is none; None if there is one.
        width: pixels.
        height: pixels.
    """

    alt: str
    uri: str | None
    missing: str | None
    width: int = 0
    height: int = 0


class PictureInliner:
    """Turns pixels into `data:` URIs until their total reaches a bound.

    Args:
        max_total_bytes: the bound.
        wholes: what this is a part of; their bounds count as well.

    Attributes:
        bytes_left: that still fit in here.
        num_left_out: pictures that did not fit, here or in a part of it.
    """

    def __init__(self, max_total_bytes: int, wholes: Sequence["PictureInliner"] = ()) -> None:
        self.bytes_left = max_total_bytes
        self.num_left_out = 0
        self._chain = (self, *wholes)

    def take_part(self, max_bytes: int) -> "PictureInliner":
        """An inliner of a section: bounded by itself, and by what is left here."""
        return PictureInliner(max_bytes, self._chain)

    def inline(self, alt: str, make_pixels: Callable[[], Pixels]) -> Picture:
        """Inline what `make_pixels` gives, uint8 RGB; put its excuse there if it has none.

        A picture that does not fit is left out; a smaller one after it may still fit.
        """
        try:
            pixels = make_pixels()
        except MissingPictureError as error:
            return Picture(alt, None, str(error))
        uri = _encode_uri(pixels)
        if len(uri) > min(inliner.bytes_left for inliner in self._chain):
            for inliner in self._chain:
                inliner.num_left_out += 1
            return Picture(alt, None, "Left out to keep this page small.")
        for inliner in self._chain:
            inliner.bytes_left -= len(uri)
        return Picture(alt, uri, None, width=pixels.shape[1], height=pixels.shape[0])


class TrainingImages:
    """Reads training images from their shards.

    Args:
        root: the source root that shard paths are relative to.
        rows: image id -> shard, offset and num_bytes, of the images that may be asked for.
    """

    def __init__(self, root: Path, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self._root = root
        self._rows = rows

    def load(self, image_id: str) -> Pixels:
        """Pixels of an image, uint8 (height, width, 3), RGB.

        Raises:
            MissingPictureError: the shard is gone or is another one now.
        """
        row = self._rows.get(image_id)
        if row is None:
            raise MissingPictureError(f"The tables do not say where image {image_id} is.")
        try:
            data = read_bytes(self._root / row["shard"], row["offset"], row["num_bytes"])
            return decode_image(data).pixels
        except (ShardError, ImageError) as error:
            raise MissingPictureError(f"Not readable: {error}") from error

    def load_thumbnail(self, image_id: str, long_side_px: int) -> Pixels:
        """The same, shrunk to a long side; what is smaller stays as it is.

        Raises:
            MissingPictureError: as `load`.
        """
        return resize_long_side(self.load(image_id), long_side_px)


def open_training_images(run_dir: Path, root: Path, image_ids: Iterable[str]) -> TrainingImages:
    """The training images of a run that may be asked for.

    Args:
        run_dir: the run folder.
        root: the source root.
        image_ids: of all images that may be asked for.
    """
    return TrainingImages(root, find_places(list_parts(run_dir, Join.name), image_ids))


def find_places(parts: Sequence[Path], wanted: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Where the wanted images lie: image id -> row of the table `images`, one part at a time."""
    ids = pa.array(sorted(set(wanted)), pa.string())
    places: dict[str, dict[str, Any]] = {}
    for part in parts:
        table = read_table(part, IMAGES, _PLACE_COLUMNS)
        found = table.filter(
            pc.and_(pc.is_in(table["image_id"], ids), pc.equal(table["status"], "ok"))
        )
        places |= {row["image_id"]: row for row in found.to_pylist()}
    return places


def _encode_uri(pixels: Pixels) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
