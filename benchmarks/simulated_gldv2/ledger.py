"""The conservation ledger of a run: nothing ingested is lost, and nothing is there twice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from manifests.arrow_schemas import IMAGES, MANIFEST, REMOVED, Table
from manifests.id_arrays import Ids, pack_ids
from manifests.parquet_io import read_table
from pipelines.run_folder import table_parts
from pipelines.stages.emit import DEOVERLAPPED, FOLDER, REMOVED_ROWS
from pipelines.stages.ingest import Join


def check_ledger(run_dir: Path) -> dict[str, int]:
    """Count what was ingested, kept and removed.

    Raises:
        ValueError: an image was lost or doubled.
    """
    ingested = _read_ids(table_parts(run_dir, Join.name), IMAGES)
    folder = run_dir / FOLDER
    kept = _read_ids(sorted((folder / DEOVERLAPPED).glob("*.parquet")), MANIFEST)
    removed = _read_ids(sorted((folder / REMOVED_ROWS).glob("*.parquet")), REMOVED)
    found = np.concatenate([kept, removed])
    if not np.array_equal(np.sort(found), np.sort(ingested)):
        raise ValueError(
            f"{run_dir}: {len(ingested)} images came in, {len(kept)} are kept and {len(removed)} "
            "removed, and these are not the same ones"
        )
    return {"ingested": len(ingested), "kept": len(kept), "removed": len(removed)}


def _read_ids(parts: Sequence[Path], table: Table) -> Ids:
    ids = [pack_ids(read_table(part, table, ["image_id"])["image_id"]) for part in parts]
    return np.concatenate(ids)
