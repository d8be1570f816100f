"""Local features on disk: one binary file per shard, memory-mapped, and a table that points in.

Each image is one block: n descriptors of 128 bytes, then n geometry records of 8 bytes. A reader
maps the file and copies nothing but what it touches.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.arrow_schemas import FEATURES
from manifests.atomic import replacing
from manifests.features import DESCRIPTOR_BYTES, GEOMETRY_DTYPE, LocalFeatures
from manifests.id_arrays import IdIndex, Ids, encode_ids, find_sorted, list_ids, pack_ids
from manifests.parquet_io import TableError, read_table, write_rows

BYTES_PER_FEATURE = DESCRIPTOR_BYTES + GEOMETRY_DTYPE.itemsize
"""What a feature takes on disk and in memory."""


@dataclass(frozen=True)
class FeatureBlock:
    """Where an image's features lie, as a row of the table `features` says.

    Attributes:
        path: the binary file.
        offset: first byte of the block.
        num_features: features in the block.
        width: pixels of the resized image that the features live in.
        height: likewise.
    """

    path: Path
    offset: int
    num_features: int
    width: int
    height: int


def binary_path(index_path: Path) -> Path:
    """The binary file that belongs to a part of the table `features`."""
    return index_path.with_suffix(".bin")


def write_features(
    index_path: Path, images: Iterable[tuple[str, LocalFeatures | None, str]]
) -> int:
    """Write a part of the table `features` and its binary file; the table comes last.

    Args:
        index_path: the Parquet part; the binary file lies beside it.
        images: image id, features (None if there are none to store), and status of each image.

    Returns:
        Number of features written.
    """
    rows: list[dict[str, object]] = []
    offset = 0
    path = binary_path(index_path)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        for image_id, features, status in images:
            num_features = 0 if features is None else len(features)
            rows.append(
                {
                    "image_id": image_id,
                    "offset": offset,
                    "num_features": num_features,
                    "width": 0 if features is None else features.width,
                    "height": 0 if features is None else features.height,
                    "status": status,
                }
            )
            if features is not None:
                stream.write(np.ascontiguousarray(features.descriptors).tobytes())
                stream.write(np.ascontiguousarray(features.geometry).tobytes())
            offset += num_features * BYTES_PER_FEATURE
    write_rows(index_path, FEATURES, rows)
    return offset // BYTES_PER_FEATURE


class _Blocks(Mapping[str, FeatureBlock]):
    """The rows of the table `features` as columns, by ascending id: 44 bytes an image."""

    def __init__(self, index_paths: Sequence[Path]) -> None:
        self._paths = [binary_path(path) for path in index_paths]
        parts = [_pack(number, path) for number, path in enumerate(index_paths)]
        ids, *columns = (np.concatenate(column) for column in zip(_NO_BLOCKS, *parts, strict=True))
        index = IdIndex.build(ids)
        self._ids, self._order = index.ids, index.rows.astype(np.int32)
        del ids
        self._part, self._num_features, self._width, self._height, self._offset = (
            column[self._order] for column in columns
        )

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(list_ids(self._ids[np.argsort(self._order)]))

    def __getitem__(self, image_id: str) -> FeatureBlock:
        place = int(find_sorted(self._ids, encode_ids([image_id]))[0])
        if place < 0:
            raise KeyError(image_id)
        numbers = (self._offset, self._num_features, self._width, self._height)
        path = self._paths[self._part[place]]
        return FeatureBlock(path, *(int(column[place]) for column in numbers))

    def count_features(self, ids: Ids) -> NDArray[np.int32]:
        places = find_sorted(self._ids, ids)
        counts = np.zeros(len(ids), np.int32)
        counts[places >= 0] = self._num_features[places[places >= 0]]
        return counts


def _pack(number: int, index_path: Path) -> tuple[NDArray[Any], ...]:
    """Ids, part, features, width, height and offset of the images of a part."""
    rows = read_table(index_path, FEATURES)
    return (
        pack_ids(rows["image_id"]),
        np.full(len(rows), number, np.int32),
        *(rows[name].to_numpy() for name in ("num_features", "width", "height", "offset")),
    )


_NO_BLOCKS = (encode_ids([]), *(np.empty(0, dtype) for dtype in ("i4", "i4", "i4", "i4", "i8")))


class FeatureStore:
    """Reads features by image id from any number of parts."""

    def __init__(self, index_paths: Iterable[Path]) -> None:
        self._index_paths = list(index_paths)
        self._mapped: dict[Path, NDArray[np.uint8]] = {}

    @cached_property
    def _blocks(self) -> _Blocks:
        return _Blocks(self._index_paths)

    @property
    def blocks(self) -> Mapping[str, FeatureBlock]:
        """Image id -> block, of every image in the parts, in their order."""
        return self._blocks

    def num_features(self, image_id: str) -> int:
        """Number of local features of an image; 0 for an image that is not in the parts."""
        block = self.blocks.get(image_id)
        return 0 if block is None else block.num_features

    def count_features(self, ids: Ids) -> NDArray[np.int32]:
        """Numbers of local features of many images, int32 (n,); 0 as for `num_features`."""
        return self._blocks.count_features(ids)

    def load(self, image_id: str) -> LocalFeatures:
        """The features of an image, mapped, not copied.

        Raises:
            KeyError: the image is in none of the parts.
            TableError: the binary file is shorter than the table says.
        """
        block = self.blocks[image_id]
        end = block.offset + block.num_features * BYTES_PER_FEATURE
        data = self._map(block.path)
        if end > len(data):
            raise TableError(
                f"{block.path}: {len(data)} bytes, but the block of image {image_id} ends at "
                f"{end}; delete the file and run the describe stage again"
            )
        split = block.offset + block.num_features * DESCRIPTOR_BYTES
        descriptors = data[block.offset : split].reshape(-1, DESCRIPTOR_BYTES)
        geometry = data[split:end].view(GEOMETRY_DTYPE)
        return LocalFeatures(descriptors, geometry, block.width, block.height)

    def _map(self, path: Path) -> NDArray[np.uint8]:
        if path not in self._mapped:
            # An empty file cannot be mapped.
            is_empty = path.stat().st_size == 0
            mapped = np.empty(0, np.uint8) if is_empty else np.memmap(path, np.uint8, mode="r")
            self._mapped[path] = mapped
        return self._mapped[path]
