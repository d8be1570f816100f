"""Makes a certificate of what an audit says of itself and of the tables that lie on disk."""

from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from manifests.certificates.certificate import Certificate, CertificateError
from manifests.certificates.covered_tables import COVERED, FOLDER, EvaluationRole, ProbeRole
from manifests.certificates.facts import AuditFacts
from manifests.certificates.statement import (
    CanaryRecall,
    ControlResult,
    Coverage,
    CoveredFile,
    EvaluationSide,
    EvaluationSource,
    ProbeKind,
    TrainingSide,
    measure_interval,
)
from manifests.certificates.tables_summary import TablesSummary, summarise_tables
from manifests.lineage import digest_file


def assemble_certificate(facts: AuditFacts, tables: Path) -> Certificate:
    """Count the tables in a folder and sign off what comes out.

    Args:
        facts: of the audit.
        tables: folder of the tables.

    Raises:
        CertificateError: facts and tables name different sets or kinds of probes.
        manifests.certificates.text_tables.TextTableError: a table is damaged.
    """
    summary = summarise_tables(tables)
    names = sorted(source.name for source in facts.evaluations)
    if names != sorted(summary.evaluations):
        _refuse(tables, "sets", names, summary.evaluations)
    for role, kinds in ((ProbeRole.CANARY, facts.canaries), (ProbeRole.CONTROL, facts.controls)):
        stated = [kind.kind for kind in kinds]
        planted = {kind for found_role, kind, _ in summary.probes if found_role is role}
        if len(set(stated)) != len(stated) or not planted <= set(stated):
            _refuse(tables, f"kinds of {role}", stated, planted)
    return Certificate.seal(
        {
            "training": TrainingSide(
                **facts.training.model_dump(),
                num_images=summary.num_images,
                num_classes=summary.num_classes,
                root=summary.root,
            ),
            "evaluations": tuple(
                _describe_side(source, summary)
                for source in sorted(facts.evaluations, key=lambda source: source.name)
            ),
            "policy": facts.policy,
            "method": facts.method,
            "votes": facts.votes,
            "recall": tuple(
                _measure_recall(name, kind, summary)
                for name in names
                for kind in _by_kind(facts.canaries)
            ),
            "controls": tuple(
                _measure_control(name, kind, summary)
                for name in names
                for kind in _by_kind(facts.controls)
            ),
            "coverage": Coverage(
                listed=summary.num_images,
                examined=summary.num_images - sum(summary.uncovered.values()),
                uncovered=summary.uncovered,
            ),
            "findings": summary.findings,
            "limits": facts.limits,
            "files": {f"{FOLDER}/{t.file_name}": _cover(tables / t.file_name) for t in COVERED},
        }
    )


def _refuse(tables: Path, what: str, stated: Iterable[str], counted: Iterable[str]) -> NoReturn:
    raise CertificateError(
        f"{tables}: the audit speaks of the {what} {sorted(stated)}, the tables of "
        f"{sorted(counted)}; audit the list again"
    )


def _by_kind(kinds: Iterable[ProbeKind]) -> list[ProbeKind]:
    return sorted(kinds, key=lambda kind: kind.kind)


def _describe_side(source: EvaluationSource, summary: TablesSummary) -> EvaluationSide:
    count = summary.evaluations[source.name]
    return EvaluationSide(
        **source.model_dump(),
        num_queries=count.by_role[EvaluationRole.QUERY],
        num_database=count.by_role[EvaluationRole.DATABASE],
        num_unread=count.num_unread,
        root=count.root,
    )


def _measure_recall(eval_set: str, kind: ProbeKind, summary: TablesSummary) -> CanaryRecall:
    planted, found = summary.probes.get((ProbeRole.CANARY, kind.kind, eval_set), (0, 0))
    low, high = measure_interval(found, planted)
    return CanaryRecall(
        kind=kind.kind,
        words=kind.words,
        eval_set=eval_set,
        planted=planted,
        found=found,
        low=low,
        high=high,
    )


def _measure_control(eval_set: str, kind: ProbeKind, summary: TablesSummary) -> ControlResult:
    trials, accepted = summary.probes.get((ProbeRole.CONTROL, kind.kind, eval_set), (0, 0))
    low, high = measure_interval(accepted, trials)
    return ControlResult(
        kind=kind.kind,
        words=kind.words,
        eval_set=eval_set,
        trials=trials,
        accepted=accepted,
        low=low,
        high=high,
    )


def _cover(path: Path) -> CoveredFile:
    return CoveredFile(sha256=digest_file(path), num_bytes=path.stat().st_size)
