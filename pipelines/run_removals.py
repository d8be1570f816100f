"""The classes to remove, from the candidates and decisions of a run, under any policy."""

from collections.abc import Mapping
from pathlib import Path

from curation.overlap_evidence import EVIDENCE_COLUMNS, CandidateColumns
from curation.removal_policies import RemovalPlan, RemovalSettings, plan_removals
from manifests.arrow_schemas import CANDIDATES
from manifests.manifest_json import RemovedClass
from manifests.parquet_io import read_table
from pipelines.decision_log import current_decisions
from pipelines.manifest_rows import Cause
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.stages.overlap import Overlap


def plan_run_removals(run_dir: Path, settings: RemovalSettings) -> RemovalPlan:
    """Apply a policy to what a run has found and people have said; nothing is written.

    Args:
        run_dir: the run folder.
        settings: the policy; of a settings class derived from it, no more than that counts.
    """
    parts = table_parts(run_dir, Overlap.name) if output_digests(run_dir, Overlap.name) else []
    tables = (read_table(part, CANDIDATES, EVIDENCE_COLUMNS) for part in parts)
    candidates = CandidateColumns.from_tables(tables)
    return plan_removals(candidates, current_decisions(run_dir), settings)


def explain_images(plan: RemovalPlan) -> dict[str, Cause]:
    """Image id -> why it goes, of the images that a plan rests on."""
    return {
        image_id: Cause("overlap", removal.reason, removal.evidence)
        for removal in plan.removals
        for image_id in removal.images
    }


def explain_classes(plan: RemovalPlan) -> dict[int, Cause]:
    """landmark_id -> why it goes, of the classes of a plan."""
    return {r.landmark_id: Cause("overlap", r.reason, r.evidence) for r in plan.removals}


def describe_removals(
    plan: RemovalPlan, names: Mapping[int, str], sizes: Mapping[int, int]
) -> tuple[RemovedClass, ...]:
    """The removed classes as `manifest.json` lists them, by ascending landmark id.

    Args:
        plan: what is removed.
        names: landmark_id -> readable name, of classes that have one.
        sizes: landmark_id -> images in the clean split.
    """
    return tuple(
        RemovedClass(
            landmark_id=removal.landmark_id,
            landmark_name=names.get(removal.landmark_id),
            images=sizes.get(removal.landmark_id, 0),
            reason=removal.reason,
            evidence=removal.evidence,
            queries=tuple(f"{q.eval_set}/{q.query_id}" for q in removal.queries),
            reviewers=removal.reviewers,
            runner_ups=tuple(sorted({c.landmark_id for c in removal.runner_ups})),
        )
        for removal in plan.removals
    )
