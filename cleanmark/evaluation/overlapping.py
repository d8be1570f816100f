"""Which queries of an evaluation set have their landmark in the training set."""

from pathlib import Path

from manifests.arrow_schemas import CANDIDATES
from manifests.decisions import DecisionRow, latest_per_reviewer, read_decisions
from manifests.evaluation_sets import EvaluationSet
from manifests.manifest_json import read_manifest
from manifests.parquet_io import read_table
from manifests.rows import Decision
from pipelines.decision_log import current_decisions
from pipelines.run_folder import RunFolderError, read_config, table_parts
from pipelines.stages.emit import FOLDER
from pipelines.stages.overlap import Overlap
from training.overlap_split import find_overlapping_queries


def find_overlap(
    evaluation_set: EvaluationSet, run_dir: Path | None, decisions: Path | None
) -> frozenset[str] | None:
    """Ids of the queries for which people confirmed a photograph of the training set.

    Args:
        evaluation_set: the set; decisions are looked up under its name.
        run_dir: a run; only its candidates of classes that it removed, or took images from, count.
        decisions: a file of decisions, instead of those of the run. Without a run, every confirmed
            photograph counts, because nobody says which classes were removed.

    Returns:
        None if neither is given.

    Raises:
        InputError: a file is missing or wrong, or the run has no manifests yet.
    """
    rows = None if decisions is None else read_decisions(decisions)
    if run_dir is not None:
        return _find_in_run(evaluation_set.name, run_dir, rows)
    if rows is None:
        return None
    known = {query.query_id for query in evaluation_set.queries}
    return frozenset(
        row.query_id
        for row in latest_per_reviewer(rows)
        if row.eval_set == evaluation_set.name
        and row.decision is Decision.SAME
        and row.query_id in known
    )


def _find_in_run(
    eval_set: str, run_dir: Path, decisions: list[DecisionRow] | None
) -> frozenset[str]:
    min_confirmations = read_config(run_dir).emit.min_confirmations
    path = run_dir / FOLDER / "manifest.json"
    if not path.is_file():
        raise RunFolderError(f"{run_dir}: has no manifests yet; run the job to its end")
    manifest = read_manifest(path)
    columns = ["eval_set", "query_id", "image_id", "landmark_id", "source"]
    return find_overlapping_queries(
        eval_set,
        read_table(table_parts(run_dir, Overlap.name), CANDIDATES, columns),
        current_decisions(run_dir) if decisions is None else decisions,
        {c.landmark_id for c in (*manifest.removed_classes, *manifest.reduced_classes)},
        min_confirmations,
    )
