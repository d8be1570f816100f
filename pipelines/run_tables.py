"""What later stages read again and again: usable images by class, features, descriptors.

Opened once per process and kept, keyed by the digests of the parts: a worker that does a hundred
units of a stage reads the tables once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from manifests.arrow_schemas import EMBEDDINGS, IMAGES
from manifests.feature_store import FeatureStore
from manifests.parquet_io import read_table
from manifests.rows import ImageStatus
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts

_COLUMNS = ("image_id", "landmark_id", "landmark_name", "shard", "sha256", "width", "height")


@dataclass(frozen=True)
class UsableImages:
    """The images with status `ok`, by class and id.

    Attributes:
        frame: columns image_id, landmark_id, landmark_name, shard, sha256, width, height,
            sorted by landmark_id and image_id.
    """

    frame: pd.DataFrame

    @cached_property
    def class_sizes(self) -> dict[int, int]:
        """landmark_id -> number of images."""
        ids, sizes = np.unique(self._landmark_ids, return_counts=True)
        return dict(zip(ids.tolist(), sizes.tolist(), strict=True))

    @cached_property
    def landmark_names(self) -> dict[int, str]:
        """landmark_id -> readable name, of the classes that have one."""
        named = self.frame.dropna(subset="landmark_name").drop_duplicates("landmark_id")
        return dict(
            zip(named["landmark_id"].tolist(), named["landmark_name"].tolist(), strict=True)
        )

    def of_class(self, landmark_id: int) -> pd.DataFrame:
        """The rows of one class, by image id."""
        first, last = np.searchsorted(self._landmark_ids, [landmark_id, landmark_id + 1])
        return self.frame.iloc[first:last]

    @cached_property
    def _landmark_ids(self) -> NDArray[np.int64]:
        return self.frame["landmark_id"].to_numpy(np.int64)


class DescriptorStore:
    """Global descriptors by image id, mapped from the parts of the embed stage."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._parts = list(parts)

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        for number, part in enumerate(self._parts):
            columns = read_table(part, EMBEDDINGS, ["image_id", "status"]).to_pydict()
            ids = zip(columns["image_id"], columns["status"], strict=True)
            for row, (image_id, status) in enumerate(ids):
                if status == ImageStatus.OK:
                    places[image_id] = (number, row)
        return places

    @cached_property
    def _matrices(self) -> list[NDArray[np.float16]]:
        return [np.load(matrix_path(part), mmap_mode="r") for part in self._parts]

    def has(self, image_id: str) -> bool:
        """Whether the image has a descriptor."""
        return image_id in self._places

    def load(self, image_ids: Sequence[str]) -> NDArray[np.float32]:
        """Descriptors float32 (n, d) of images that have one, in the order asked for.

        Raises:
            KeyError: an image has no descriptor.
        """
        if not image_ids:
            return np.empty((0, self._matrices[0].shape[1]), np.float32)
        places = [self._places[image_id] for image_id in image_ids]
        rows = [self._matrices[number][row] for number, row in places]
        return np.stack(rows).astype(np.float32)


def matrix_path(part: Path) -> Path:
    """The float16 matrix (n, d) beside a part of the table `embeddings`, row for row."""
    return part.with_suffix(".npy")


def open_images(run_dir: Path) -> UsableImages:
    """The usable images of the run."""
    return _open_images(run_dir, _state(run_dir, "ingest.join"))


def open_features(run_dir: Path) -> FeatureStore:
    """The local features of the run."""
    return _open_features(run_dir, _state(run_dir, "describe"))


def open_descriptors(run_dir: Path) -> DescriptorStore:
    """The global descriptors of the run."""
    return _open_descriptors(run_dir, _state(run_dir, "embed"))


def _state(run_dir: Path, stage_name: str) -> tuple[tuple[str, str], ...]:
    return tuple(output_digests(run_dir, stage_name).items())


@lru_cache(maxsize=1)
def _open_images(run_dir: Path, _: object) -> UsableImages:
    columns = [*_COLUMNS, "status"]
    frame = read_table(table_parts(run_dir, "ingest.join"), IMAGES, columns).to_pandas()
    usable = frame[frame["status"] == ImageStatus.OK].drop(columns="status")
    usable = usable.astype({"landmark_id": "int64", "width": "int64", "height": "int64"})
    return UsableImages(usable.sort_values(["landmark_id", "image_id"], ignore_index=True))


@lru_cache(maxsize=1)
def _open_features(run_dir: Path, _: object) -> FeatureStore:
    return FeatureStore(table_parts(run_dir, "describe"))


@lru_cache(maxsize=1)
def _open_descriptors(run_dir: Path, _: object) -> DescriptorStore:
    return DescriptorStore(table_parts(run_dir, "embed"))
