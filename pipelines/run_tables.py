"""What later stages read again and again: usable images by class, features, descriptors.

Opened once per process and kept, keyed by a digest of what the stage before has written: a worker
that does a hundred units of a stage reads the tables once. They are kept as columns, because four
million images as Python objects would take gigabytes in every worker.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.arrow_schemas import EMBEDDINGS, IMAGES
from manifests.feature_store import FeatureStore
from manifests.id_arrays import IdIndex, Ids, encode_ids, find_sorted, list_ids, pack_ids
from manifests.parquet_io import read_table
from manifests.rows import ImageStatus
from pipelines.markers import digest_outputs
from pipelines.run_folder import table_parts
from pipelines.units import Unit

_STEPS = {"images": "ingest.join", "features": "describe", "descriptors": "embed"}
_SHA256_CHARS = 64
_DIGIT_VALUES = np.zeros(256, np.uint8)
_DIGIT_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)

Digests = NDArray[np.uint64]
"""SHA-256 of files, uint64 (n, 4)."""


@dataclass(frozen=True, eq=False)
class UsableImages:
    """The images with status `ok`, sorted by class and id, row for row.

    Attributes:
        image_ids: ids (n,).
        landmark_ids: int64 (n,).
        digests: of the files.
        widths: pixels, int32 (n,).
        heights: pixels, int32 (n,).
        parts: the parts of the table `images`.
    """

    image_ids: Ids
    landmark_ids: NDArray[np.int64]
    digests: Digests
    widths: NDArray[np.int32]
    heights: NDArray[np.int32]
    parts: Sequence[Path]

    def __len__(self) -> int:
        return len(self.image_ids)

    @cached_property
    def class_sizes(self) -> dict[int, int]:
        """landmark_id -> number of images."""
        return _count(self.landmark_ids)

    @cached_property
    def landmark_names(self) -> dict[int, str]:
        """landmark_id -> readable name, of the classes that have one."""
        return read_landmark_names(self.parts)

    def rows_of_class(self, landmark_id: int) -> slice:
        """The rows of one class."""
        first, last = np.searchsorted(self.landmark_ids, [landmark_id, landmark_id + 1])
        return slice(int(first), int(last))

    def of_class(self, landmark_id: int) -> pd.DataFrame:
        """The images of one class as a small table."""
        return self._as_frame(self.rows_of_class(landmark_id))

    @property
    def frame(self) -> pd.DataFrame:
        """All images as a table: Python strings, a hundred times the size of the columns here."""
        return self._as_frame(slice(None))

    def _as_frame(self, rows: slice) -> pd.DataFrame:
        octets = np.ascontiguousarray(self.digests[rows]).view(np.uint8).reshape(-1, 32)
        return pd.DataFrame(
            {
                "image_id": self.list_ids(rows),
                "landmark_id": self.landmark_ids[rows],
                "sha256": [row.tobytes().hex() for row in octets],
                "width": self.widths[rows],
                "height": self.heights[rows],
            }
        )

    def list_ids(self, rows: slice) -> list[str]:
        """Ids of some rows as strings."""
        return list_ids(self.image_ids[rows])


class DescriptorStore:
    """Global descriptors by image id, mapped from the parts of the embed stage."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._parts = list(parts)

    @cached_property
    def _places(self) -> tuple[Ids, NDArray[np.int32], NDArray[np.int32]]:
        """Where each image is: ascending ids, numbers of parts, and rows of these."""
        parts = [_find_described(part) for part in self._parts]
        rows = np.concatenate([np.empty(0, np.int32), *(rows for _, rows in parts)])
        numbers = np.repeat(np.arange(len(parts), dtype=np.int32), [len(ids) for ids, _ in parts])
        index = IdIndex.build(np.concatenate([encode_ids([]), *(ids for ids, _ in parts)]))
        return index.ids, numbers[index.rows], rows[index.rows]

    @cached_property
    def _matrices(self) -> list[NDArray[np.float16]]:
        # Plain views of the mapped files: indexing a `memmap` costs ten times as much.
        return [np.asarray(np.load(matrix_path(part), mmap_mode="r")) for part in self._parts]

    def has(self, image_id: str) -> bool:
        """Whether the image has a descriptor."""
        return bool(self.has_each(encode_ids([image_id]))[0])

    def has_each(self, ids: Ids) -> NDArray[np.bool_]:
        """Whether each image has a descriptor, bool (n,)."""
        return find_sorted(self._places[0], ids) >= 0

    def load(self, image_ids: Sequence[str]) -> NDArray[np.float32]:
        """Descriptors float32 (n, d) of images that have one, in the order asked for.

        Raises:
            KeyError: an image has no descriptor.
        """
        return self.load_each(encode_ids(image_ids))

    def load_each(self, ids: Ids) -> NDArray[np.float32]:
        """As `load`, for ids in an array."""
        known, numbers, rows = self._places
        places = find_sorted(known, ids)
        if (places < 0).any():
            raise KeyError(ids[places < 0][0].decode())
        halves = np.empty((len(ids), self._matrices[0].shape[1]), np.float16)
        matrices = self._matrices
        found = zip(numbers[places].tolist(), rows[places].tolist(), strict=True)
        for target, (number, row) in enumerate(found):
            halves[target] = matrices[number][row]
        return halves.astype(np.float32)

    def list_described(self) -> Iterator[Ids]:
        """Part by part, the images that have a descriptor."""
        return (_find_described(part)[0] for part in self._parts)

    def stream(self, max_rows: int) -> Iterator[NDArray[np.float32]]:
        """The descriptors of all images in `list_described`, in its order, some at a time.

        Yields:
            float32 (n, d), n at most `max_rows`.
        """
        for part, matrix in zip(self._parts, self._matrices, strict=True):
            _, rows = _find_described(part)
            for start in range(0, len(rows), max_rows):
                yield matrix[rows[start : start + max_rows]].astype(np.float32)


def _find_described(part: Path) -> tuple[Ids, NDArray[np.int32]]:
    """The images of a part that have a descriptor, and their rows."""
    table = read_table(part, EMBEDDINGS, ["image_id", "status"])
    is_described = pc.equal(table["status"], ImageStatus.OK.value).to_numpy()
    return pack_ids(table["image_id"])[is_described], np.flatnonzero(is_described).astype(np.int32)


def matrix_path(part: Path) -> Path:
    """The float16 matrix (n, d) beside a part of the table `embeddings`, row for row."""
    return part.with_suffix(".npy")


def digest_tables(run_dir: Path, names: Iterable[str] = tuple(_STEPS)) -> dict[str, str]:
    """One digest per table: of `images`, `features` and `descriptors`, or of some of them."""
    return {name: digest_outputs(run_dir, _STEPS[name]) for name in names}


def digest_of(run_dir: Path, unit: Unit, table: str) -> str:
    """What the `spec` of a unit says under `tables`: the table as the plan has seen it.

    With it, a worker need not read the markers of another stage for each of its units.
    """
    digests: Mapping[str, str] = unit.spec.get("tables", {})  # type: ignore[assignment]
    return digests.get(table) or digest_outputs(run_dir, _STEPS[table])


def open_images(run_dir: Path, digest: str | None = None) -> UsableImages:
    """The usable images of the run.

    Args:
        run_dir: the run folder.
        digest: what `digest_outputs` says of the stage; found out if it is not given, by reading
            all markers of the stage.
    """
    return _open_images(run_dir, digest or digest_outputs(run_dir, _STEPS["images"]))


def open_features(run_dir: Path, digest: str | None = None) -> FeatureStore:
    """The local features of the run; arguments as for `open_images`."""
    return _open_features(run_dir, digest or digest_outputs(run_dir, _STEPS["features"]))


def open_descriptors(run_dir: Path, digest: str | None = None) -> DescriptorStore:
    """The global descriptors of the run; arguments as for `open_images`."""
    return _open_descriptors(run_dir, digest or digest_outputs(run_dir, _STEPS["descriptors"]))


def count_class_sizes(run_dir: Path) -> dict[int, int]:
    """landmark_id -> number of usable images; for planning, when no image itself is needed."""
    return _count_class_sizes(run_dir, digest_outputs(run_dir, _STEPS["images"]))


def read_landmark_names(parts: Sequence[Path]) -> dict[int, str]:
    """landmark_id -> readable name, of the classes in parts of the table `images`."""
    names: dict[int, str] = {}
    for part in parts:
        table = _read_usable(part, ["landmark_id", "landmark_name"])
        distinct = table.group_by(["landmark_id", "landmark_name"]).aggregate([]).to_pydict()
        pairs = zip(distinct["landmark_id"], distinct["landmark_name"], strict=True)
        names |= {landmark_id: name for landmark_id, name in pairs if name is not None}
    return dict(sorted(names.items()))


@lru_cache(maxsize=1)
def _open_images(run_dir: Path, _: str) -> UsableImages:
    parts = table_parts(run_dir, _STEPS["images"])
    columns = ["image_id", "landmark_id", "sha256", "width", "height"]
    pieces = list(zip(*(_pack_images(_read_usable(part, columns)) for part in parts), strict=True))
    packed = []
    while pieces:  # column by column, so that only one is there twice
        packed.append(np.concatenate(pieces.pop(0)))
    order = np.lexsort(packed[:2])
    for place, column in enumerate(packed):
        packed[place] = column[order]
    ids, classes, digests, widths, heights = packed
    return UsableImages(ids, classes, digests, widths, heights, parts)


@lru_cache(maxsize=1)
def _open_features(run_dir: Path, _: str) -> FeatureStore:
    return FeatureStore(table_parts(run_dir, _STEPS["features"]))


@lru_cache(maxsize=1)
def _open_descriptors(run_dir: Path, _: str) -> DescriptorStore:
    return DescriptorStore(table_parts(run_dir, _STEPS["descriptors"]))


@lru_cache(maxsize=1)
def _count_class_sizes(run_dir: Path, _: str) -> dict[int, int]:
    parts = table_parts(run_dir, _STEPS["images"])
    found = [_read_usable(part, ["landmark_id"])["landmark_id"].to_numpy() for part in parts]
    return _count(np.concatenate(found))


def _read_usable(part: Path, columns: Sequence[str]) -> pa.Table:
    table = read_table(part, IMAGES, [*columns, "status"])
    return table.filter(pc.equal(table["status"], ImageStatus.OK.value)).drop_columns("status")


def _pack_images(usable: pa.Table) -> tuple[NDArray[Any], ...]:
    return (
        pack_ids(usable["image_id"]),
        usable["landmark_id"].to_numpy().astype(np.int64),
        pack_digests(usable["sha256"]),
        usable["width"].to_numpy().astype(np.int32),
        usable["height"].to_numpy().astype(np.int32),
    )


def pack_digests(texts: pa.Array | pa.ChunkedArray) -> Digests:
    """SHA-256 of files, from their 64 hexadecimal digits."""
    digits = np.ascontiguousarray(pack_ids(texts).astype(f"S{_SHA256_CHARS}")).view(np.uint8)
    values = _DIGIT_VALUES[digits].reshape(-1, 2)
    return (values[:, 0] << 4 | values[:, 1]).reshape(-1).view(np.uint64).reshape(-1, 4)


def _count(landmark_ids: NDArray[np.int64]) -> dict[int, int]:
    ids, sizes = np.unique(landmark_ids, return_counts=True)
    return dict(zip(ids.tolist(), sizes.tolist(), strict=True))
