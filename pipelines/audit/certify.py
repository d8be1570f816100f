"""The last step: everything that was found becomes a certificate."""

import csv
import io
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from curation.canary_choice import ID_PREFIX, group_landmarks
from manifests.arrow_schemas import CANDIDATES, DECISIONS
from manifests.atomic import write_text
from manifests.certificates.certificate import Certificate
from manifests.certificates.covered_tables import EVALUATION_IMAGES, EvaluationRole, FindingStatus
from manifests.certificates.write import AuditTables, write_certificate_folder
from manifests.decisions import DecisionRow, latest_per_reviewer, read_decisions
from manifests.input_error import InputError
from manifests.parquet_io import read_table
from manifests.rows import CandidateVerdict
from pipelines.audit.coverage import ListCoverage, measure_coverage
from pipelines.audit.evaluation_digests import DigestEvaluation
from pipelines.audit.facts import state_facts
from pipelines.audit.findings import Finding, collect_findings
from pipelines.audit.planting import read_planted
from pipelines.audit.probes import (
    OTHER_LANDMARK,
    Probe,
    count_trials,
    judge_probes,
)
from pipelines.audit.settings import AuditConfig
from pipelines.audit.tables import EVALUATED
from pipelines.audit.training_list import read_training_list
from pipelines.decision_log import current_decisions
from pipelines.evaluation_sets import read_evaluation_set
from pipelines.fill_in_lists import is_filled_in
from pipelines.run_folder import table_parts
from pipelines.stages.overlap import Overlap

UNDECIDED_NAME: Final = "undecided.csv"
_GIVEN: Final = ("eval_set", "query_id", "image_id")
_TO_FILL_IN: Final = tuple(c.name for c in DECISIONS.columns if c.name not in _GIVEN)


@dataclass(frozen=True, eq=False)
class AuditOutcome:
    """What an audit came to.

    Attributes:
        certificate: as written.
        findings: by image, set and query.
        uncovered: columns image_id and reason.
        num_other_votes: votes on images or sets that were not audited; they decide nothing.
    """

    certificate: Certificate
    findings: Sequence[Finding]
    uncovered: pa.Table
    num_other_votes: int


def certify(
    config: AuditConfig, work_dir: Path, out: Path, decisions: Path | None = None
) -> AuditOutcome:
    """Judge a finished work folder and write the certificate, its tables and `undecided.csv`.

    Args:
        config: of the audit.
        work_dir: where all steps are done.
        out: folder of the certificate, with what people decided in the review of the audit.
        decisions: what else people say of the findings, if anything.

    Raises:
        manifests.decisions.DecisionsError: decisions cannot be read.
        InputError: see `check_undecided`.
    """
    check_undecided(out)
    work_dir = work_dir.absolute()
    training_list = read_training_list(config.train)
    coverage = measure_coverage(work_dir, training_list)
    votes, num_other = _read_votes(out, decisions, config, coverage)
    candidates = read_table(table_parts(work_dir, Overlap.name), CANDIDATES).to_pylist()
    evaluated = read_table(table_parts(work_dir, DigestEvaluation.name), EVALUATED).to_pylist()
    listed = [row for row in candidates if not row["image_id"].startswith(ID_PREFIX)]
    findings = collect_findings(listed, coverage.images, evaluated, votes)
    probes = _judge_probes(config, work_dir, candidates)
    compared = {(row["eval_set"], row["query_id"]) for row in candidates}
    facts = state_facts(config, work_dir, training_list, votes, probes)
    tables = AuditTables(
        training=coverage.training,
        evaluation=_list_evaluation(evaluated, compared),
        uncovered=coverage.uncovered,
        findings=_as_table(Finding, findings),
        probes=_as_table(Probe, probes),
    )
    certificate = write_certificate_folder(out, facts, tables)
    _write_undecided(out / UNDECIDED_NAME, findings)
    return AuditOutcome(certificate, findings, coverage.uncovered, num_other)


def check_undecided(out: Path) -> None:
    """Look whether `undecided.csv` may be written anew.

    Raises:
        InputError: people have filled it in.
    """
    path = out / UNDECIDED_NAME
    if is_filled_in(path, _TO_FILL_IN):
        raise InputError(
            f"{path}: the audit writes this file anew and what people filled in would be lost; "
            "move it to another place and give that with --decisions"
        )


def _read_votes(
    out: Path, path: Path | None, config: AuditConfig, coverage: ListCoverage
) -> tuple[list[DecisionRow], int]:
    """The votes on what is audited, and the number of all others.

    The later word of a reviewer counts, wherever it stands; of equal times that of `path`.
    """
    given = read_decisions(path, any_image_id=True) if path else []
    votes = latest_per_reviewer([*current_decisions(out, any_image_id=True), *given])
    sets = {evaluation_set.name for evaluation_set in config.evaluation_sets}
    voted = {vote.image_id for vote in votes if vote.eval_set in sets}
    image_ids = coverage.images["image_id"]
    listed = set(image_ids[image_ids.isin(voted)])
    used = [vote for vote in votes if vote.eval_set in sets and vote.image_id in listed]
    return used, len(votes) - len(used)


def _judge_probes(
    config: AuditConfig, work_dir: Path, candidates: Iterable[dict[str, Any]]
) -> list[Probe]:
    matches = [row for row in candidates if row["verdict"] == CandidateVerdict.MATCH]
    landmarks = {
        s.name: group_landmarks(read_evaluation_set(s).queries) for s in config.evaluation_sets
    }
    probes = judge_probes(read_planted(work_dir), matches, landmarks)
    # A kind must be there for every set, or it would count as 0 of 0 and fail.
    if set(count_trials(probes, OTHER_LANDMARK)) != set(landmarks):
        probes = [probe for probe in probes if probe.kind != OTHER_LANDMARK]
    return probes


def _list_evaluation(
    rows: Iterable[dict[str, Any]], compared: Container[tuple[str, str]]
) -> pa.Table:
    """Rows with digests; a query that was not compared, for want of features, is as one unread."""
    listed = [
        row
        if row["role"] == EvaluationRole.DATABASE or (row["eval_set"], row["item_id"]) in compared
        else row | {"sha256": None}
        for row in rows
    ]
    columns = {name: [row[name] for row in listed] for name in EVALUATION_IMAGES.names}
    return pa.table({name: pa.array(c, pa.string()) for name, c in columns.items()})


def _as_table(record: type[Finding] | type[Probe], rows: Iterable[Finding | Probe]) -> pa.Table:
    dicts = [asdict(row) for row in rows]
    names = [field.name for field in fields(record)]
    return pa.table({name: [row[name] for row in dicts] for name in names})


def _write_undecided(path: Path, findings: Iterable[Finding]) -> None:
    """Write what waits for a decision as a decisions file to be filled in."""
    stream = io.StringIO()
    names = [column.name for column in DECISIONS.columns]
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for finding in findings:
        if finding.status is FindingStatus.UNDECIDED:
            writer.writerow({name: getattr(finding, name) for name in _GIVEN})
    write_text(path, stream.getvalue())
