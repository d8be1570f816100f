"""The ledger of a run: no image or query is lost, and none is there twice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from manifests.arrow_schemas import CANDIDATES, IMAGES, MANIFEST, QUERIES, REMOVED, Table
from manifests.id_arrays import Ids, pack_ids
from manifests.parquet_io import read_table
from pipelines.evaluation_sets import read_evaluation_set
from pipelines.run_config import RunConfig
from pipelines.run_folder import table_parts
from pipelines.stages.digest_queries import DigestQueries
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


def check_queries(run_dir: Path, config: RunConfig) -> dict[str, int]:
    """Count the queries that were compared, and the candidates that were found by sight.

    Raises:
        ValueError: a query was lost or doubled, or its nearest images are not those shown.
    """
    num_shown = config.overlap.always_show_top
    num_queries = num_candidates = 0
    for part in table_parts(run_dir, DigestQueries.name):
        queries = read_table(part, QUERIES, ["query_id"])["query_id"]
        columns = ["query_id", "rank"]
        candidates = read_table(run_dir / "candidates" / part.name, CANDIDATES, columns)
        shown = candidates.filter(pc.less_equal(candidates["rank"], num_shown))["query_id"]
        counts = shown.value_counts()
        if not pc.all(pc.equal(counts.field("counts"), num_shown)).as_py() or not np.array_equal(
            np.sort(counts.field("values").to_pylist()), np.sort(queries.to_pylist())
        ):
            raise ValueError(
                f"{part}: a query has not the {num_shown} candidates that it must have"
            )
        num_queries += len(queries)
        num_candidates += len(candidates)
    num_wanted = sum(len(read_evaluation_set(s).queries) for s in config.evaluation_sets)
    if num_queries != num_wanted:
        raise ValueError(f"{run_dir}: {num_wanted} queries came in, {num_queries} were compared")
    return {"queries": num_queries, "candidates": num_candidates}


def _read_ids(parts: Sequence[Path], table: Table) -> Ids:
    ids = [pack_ids(read_table(part, table, ["image_id"])["image_id"]) for part in parts]
    return np.concatenate(ids)
