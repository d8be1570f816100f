"""The verdicts of the cleaning as columns, sorted by image id."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.arrow_schemas import VERDICTS
from manifests.id_arrays import Ids, Positions, find_sorted, pack_ids
from manifests.parquet_io import read_table
from manifests.rows import ImageReason
from pipelines.markers import digest_outputs
from pipelines.run_folder import table_parts

CLEAN_STEP = "clean"
REASONS = tuple(ImageReason)
"""What a code in `VerdictColumns.reasons` means."""
_COLUMNS = (
    "image_id", "landmark_id", "kept", "reason", "num_verified_neighbours", "duplicate_of",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class VerdictColumns:
    """n verdicts, sorted by image id, row for row: 40 bytes each.

    Attributes:
        image_ids: distinct.
        landmark_ids: int64 (n,).
        kept: bool (n,).
        reasons: int8 (n,), places in `REASONS`.
        num_verified_neighbours: int32 (n,).
        duplicates_of: row of the representative, int64 (n,), -1 for none.
    """

    image_ids: Ids
    landmark_ids: NDArray[np.int64]
    kept: NDArray[np.bool_]
    reasons: NDArray[np.int8]
    num_verified_neighbours: NDArray[np.int32]
    duplicates_of: Positions

    @classmethod
    def from_tables(cls, parts: Sequence[pa.Table]) -> "VerdictColumns":
        """Pack rows of the table `verdicts`."""
        packed = [_pack(part) for part in (VERDICTS.schema.empty_table(), *parts)]
        columns = [np.concatenate(column) for column in zip(*packed, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        ids, classes, kept, reasons, num_neighbours, copies = (column[order] for column in columns)
        return cls(ids, classes, kept, reasons, num_neighbours, find_sorted(ids, copies))

    def find(self, ids: Ids) -> Positions:
        """The row of each image, -1 where it has no verdict."""
        return find_sorted(self.image_ids, ids)

    @cached_property
    def kept_class_sizes(self) -> dict[int, int]:
        """landmark_id -> number of images kept."""
        ids, sizes = np.unique(self.landmark_ids[self.kept], return_counts=True)
        return dict(zip(ids.tolist(), sizes.tolist(), strict=True))


def read_verdicts(run_dir: Path) -> VerdictColumns:
    """All verdicts of a run."""
    parts = table_parts(run_dir, CLEAN_STEP)
    return VerdictColumns.from_tables([read_table(part, VERDICTS, _COLUMNS) for part in parts])


@dataclass(frozen=True, eq=False)
class KeptImages:
    """The clean split, sorted by image id.

    Attributes:
        image_ids: distinct.
        landmark_ids: int64 (n,).
    """

    image_ids: Ids
    landmark_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image_ids)

    def find(self, ids: Ids) -> Positions:
        """The position of each image, -1 where it was not kept."""
        return find_sorted(self.image_ids, ids)


def open_kept_images(run_dir: Path, digest: str | None = None) -> KeptImages:
    """The images that the cleaning kept; read once for each state of the run.

    Args:
        run_dir: the run folder.
        digest: what `digest_outputs` says of the cleaning; found out if it is not given.
    """
    return _open_kept_images(run_dir, digest or digest_outputs(run_dir, CLEAN_STEP))


@lru_cache(maxsize=1)
def _open_kept_images(run_dir: Path, _: str) -> KeptImages:
    ids, landmark_ids = [np.empty(0, "S1")], [np.empty(0, np.int64)]
    for part in table_parts(run_dir, CLEAN_STEP):
        rows = read_table(part, VERDICTS, ["image_id", "landmark_id", "kept"])
        rows = rows.filter(rows["kept"])
        ids.append(pack_ids(rows["image_id"]))
        landmark_ids.append(rows["landmark_id"].to_numpy())
    all_ids = np.concatenate(ids)
    order = np.argsort(all_ids, kind="stable")
    return KeptImages(all_ids[order], np.concatenate(landmark_ids)[order])


def _pack(rows: pa.Table) -> tuple[NDArray[Any], ...]:
    codes = pc.index_in(rows["reason"], pa.array([str(reason) for reason in REASONS]))
    return (
        pack_ids(rows["image_id"]),
        rows["landmark_id"].to_numpy(),
        rows["kept"].to_numpy(),
        codes.to_numpy().astype(np.int8),
        rows["num_verified_neighbours"].to_numpy(),
        pack_ids(pc.fill_null(rows["duplicate_of"], "")),
    )
