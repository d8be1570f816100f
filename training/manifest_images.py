"""The images of a published split, as columns that worker processes can share cheaply."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.arrow_schemas import MANIFEST
from manifests.input_error import InputError
from manifests.parquet_io import TableError, read_table

_COLUMNS = (
    "image_id",
    "class_index",
    "shard",
    "offset",
    "num_bytes",
    "width",
    "height",
    "sha256",
    "split",
)


@dataclass(frozen=True, eq=False)
class ManifestImages:
    """Images in the order of the manifest; all arrays have the shape (num_images,).

    Attributes:
        image_ids: ASCII bytes.
        class_index: int32.
        shards: the names of all shards, relative to their root, sorted.
        shard_numbers: int32, positions in `shards`.
        offsets: int64, of the first byte in the shard.
        num_bytes: int64.
        widths: int32, pixels, upright.
        heights: int32, likewise.
        sha256: ASCII bytes, hexadecimal.
    """

    image_ids: NDArray[np.bytes_]
    class_index: NDArray[np.int32]
    shards: tuple[str, ...]
    shard_numbers: NDArray[np.int32]
    offsets: NDArray[np.int64]
    num_bytes: NDArray[np.int64]
    widths: NDArray[np.int32]
    heights: NDArray[np.int32]
    sha256: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.image_ids)

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> "ManifestImages":
        """Some of the images, in the order given."""
        index = np.asarray(rows, np.intp)
        return ManifestImages(
            self.image_ids[index],
            self.class_index[index],
            self.shards,
            self.shard_numbers[index],
            self.offsets[index],
            self.num_bytes[index],
            self.widths[index],
            self.heights[index],
            self.sha256[index],
        )

    def describe(self, row: int) -> str:
        """Where an image is, for messages."""
        image_id = self.image_ids[row].decode()
        shard = self.shards[self.shard_numbers[row]]
        return f"image {image_id} in {shard} at offset {self.offsets[row]}"


def list_parts(manifest: Path) -> list[Path]:
    """The Parquet files of a split, by name.

    Raises:
        InputError: the folder is missing or holds none.
    """
    parts = sorted(manifest.glob("[!.]*.parquet"))
    if not parts:
        raise InputError(
            f"{manifest}: no Parquet files of a manifest; set data.manifest to a folder such as "
            "RUN/manifests/rgldv2_clean, which `cleanmark run` writes"
        )
    return parts


def read_split(manifest: Path, split: str) -> ManifestImages:
    """Read the images of one split, `train` or `val`.

    Raises:
        InputError: the folder holds no manifest that this program reads.
    """
    try:
        table = read_table(list_parts(manifest), MANIFEST, _COLUMNS)
    except TableError as error:
        raise InputError(f"{error}; write the manifest again with `cleanmark emit`") from error
    return _to_arrays(table.filter(pc.equal(table["split"], split)))


def _to_arrays(table: pa.Table) -> ManifestImages:
    shards = sorted(pc.unique(table["shard"]).to_pylist())
    numbers = pc.index_in(table["shard"], value_set=pa.array(shards, pa.string()))
    return ManifestImages(
        image_ids=np.array(table["image_id"].to_pylist(), np.bytes_),
        class_index=np.array(table["class_index"].to_numpy(), np.int32),
        shards=tuple(shards),
        shard_numbers=np.asarray(numbers.to_numpy(), np.int32),
        offsets=np.array(table["offset"].to_numpy(), np.int64),
        num_bytes=np.array(table["num_bytes"].to_numpy(), np.int64),
        widths=np.array(table["width"].to_numpy(), np.int32),
        heights=np.array(table["height"].to_numpy(), np.int32),
        sha256=np.array(table["sha256"].to_pylist(), np.bytes_),
    )
