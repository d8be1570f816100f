"""The Parquet files of an export, laid out as Hugging Face loads them without a script.

A configuration for each policy, a split for each role: `data/POLICY/SPLIT-00000-of-000NN.parquet`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.exports.columns import EXPORTED, SplitName
from manifests.exports.exported_rows import read_ids, read_rows
from manifests.exports.id_ranges import cut_ids
from manifests.exports.releases import Release
from manifests.input_error import InputError
from manifests.parquet_io import read_table, write_table

MAX_PART_ROWS = 200_000
"""Rows of one file; what is in memory at a time is a small multiple of one."""


@dataclass(frozen=True)
class ExportedSplit:
    """A split as it was written.

    Attributes:
        name: of the split.
        files: relative to the export, in order; none if it is empty.
        num_images: rows.
        num_classes: distinct landmark ids.
        num_bytes: of the rows in Arrow's memory, which is what Hugging Face states.
    """

    name: SplitName
    files: tuple[str, ...]
    num_images: int
    num_classes: int
    num_bytes: int


@dataclass(frozen=True, eq=False)
class ExportedRelease:
    """The split of one policy as it was written into the folder `root`."""

    root: Path
    release: Release
    splits: tuple[ExportedSplit, ...]

    @property
    def policy(self) -> str:
        """The name of the policy, and of everything that is named after it."""
        return self.release.policy

    @property
    def written_splits(self) -> tuple[ExportedSplit, ...]:
        """The splits that are not empty."""
        return tuple(split for split in self.splits if split.files)

    def find(self, name: SplitName) -> ExportedSplit:
        """A split by its name."""
        return next(split for split in self.splits if split.name is name)

    def read_parts(self, name: SplitName, columns: list[str]) -> Iterator[pa.Table]:
        """The rows of a split, file by file."""
        for file in self.find(name).files:
            yield read_table(self.root / file, EXPORTED, columns)


def write_release(root: Path, release: Release, max_rows: int = MAX_PART_ROWS) -> ExportedRelease:
    """Write the three splits of a policy, each sorted by id.

    Args:
        root: folder of the export.
        release: what to write.
        max_rows: of one file.

    Raises:
        InputError: images kept and removed are not as many as were ingested.
    """
    splits = tuple(_write_split(root, release, name, max_rows) for name in SplitName)
    _check_total(release, sum(split.num_images for split in splits))
    return ExportedRelease(root, release, splits)


def _write_split(root: Path, release: Release, name: SplitName, max_rows: int) -> ExportedSplit:
    ranges = cut_ids(read_ids(release, name), max_rows)
    files, classes = [], np.empty(0, np.int64)
    num_images = num_bytes = 0
    for number, ids in enumerate(ranges):
        rows = read_rows(release, name, ids)
        file = f"data/{release.policy}/{name}-{number:05d}-of-{len(ranges):05d}.parquet"
        write_table(root / file, EXPORTED, rows)
        files.append(file)
        known = pc.unique(rows["landmark_id"].drop_null()).to_numpy()
        classes = np.union1d(classes, known)
        num_images += len(rows)
        num_bytes += rows.nbytes
    return ExportedSplit(name, tuple(files), num_images, len(classes), num_bytes)


def _check_total(release: Release, found: int) -> None:
    ingested = release.manifest.ingested
    if found != ingested:
        raise InputError(
            f"{release.path}: policy {release.policy}: {found:,} images are kept or "
            f"removed, but {ingested:,} were ingested; write the manifests again with "
            "`cleanmark emit`"
        )
