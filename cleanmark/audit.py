"""Audits a training list against evaluation sets, and says what came out."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from rich.console import Console

from cleanmark.certificate_check import print_certificate
from manifests.certificates.certificate import CERTIFICATE_NAME
from manifests.certificates.covered_tables import FOLDER, FindingStatus
from pipelines.audit.certify import UNDECIDED_NAME, AuditOutcome, certify, check_undecided
from pipelines.audit.findings import Finding
from pipelines.audit.folder import WORK_FOLDER
from pipelines.audit.job import run_audit_steps
from pipelines.audit.settings import AuditConfig
from pipelines.job import StepResult
from pipelines.run_folder import RunFolderError, is_run_folder

_MAX_CLASSES = 20
_MAX_QUERIES = 4


def run_audit(
    config: AuditConfig,
    out: Path,
    console: Console,
    decisions: Path | None = None,
    beam_args: Sequence[str] = (),
) -> tuple[list[StepResult], AuditOutcome | None]:
    """Audit a list, or go on with an audit that was stopped.

    Args:
        config: of the audit.
        out: folder of the certificate; the work folder is in it.
        console: where progress and outcome are shown.
        decisions: what people say of earlier findings, if anything, beside what they decided in
            the review of the audit, which lies in `out`.
        beam_args: Beam's own options.

    Returns:
        One result per step, and the outcome; None if a unit failed.

    Raises:
        manifests.input_error.InputError: something that was given cannot be used.
    """
    _check_folder(out)
    results = run_audit_steps(config, out / WORK_FOLDER, console, beam_args)
    if any(result.failures for result in results):
        return results, None
    outcome = certify(config, out / WORK_FOLDER, out, decisions)
    _print_findings(console, outcome.findings)
    _print_uncovered(console, outcome)
    print_certificate(console, outcome.certificate)
    if outcome.num_other_votes:
        _say(
            console,
            f"{outcome.num_other_votes:,} decisions are on images or sets that were not audited",
        )
    _print_where(console, out, outcome)
    return results, outcome


def _check_folder(out: Path) -> None:
    check_undecided(out)
    if is_run_folder(out):
        raise RunFolderError(
            f"{out}: the folder of a run, which has decisions of its own; give another --out"
        )


def _print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Classes with most images first, each with the queries that most of its images are like."""
    by_class: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.status is not FindingStatus.REFUSED:
            by_class[finding.label].append(finding)
    most_first = sorted(by_class, key=lambda label: (-_count_images(by_class[label]), label))
    for label in most_first[:_MAX_CLASSES]:
        _print_class(console, label, by_class[label])
    if len(most_first) > _MAX_CLASSES:
        _say(console, f"and {len(most_first) - _MAX_CLASSES:,} classes more, in findings.tsv")


def _print_class(console: Console, label: str, findings: Sequence[Finding]) -> None:
    inliers = max(finding.num_inliers or 0 for finding in findings)
    statuses = ", ".join(sorted({str(finding.status) for finding in findings}))
    images = _count_things(_count_images(findings), "image")
    _say(console, f"class {label}: {images}, up to {inliers:,} inliers, {statuses}")
    counts = Counter(f"{finding.eval_set}/{finding.query_id}" for finding in findings)
    most_first = sorted(counts, key=lambda query: (-counts[query], query))
    for query in most_first[:_MAX_QUERIES]:
        _say(console, f"  {_count_things(counts[query], 'image')} like {query}")
    if len(most_first) > _MAX_QUERIES:
        _say(console, f"  and others like {len(most_first) - _MAX_QUERIES:,} more of the queries")


def _count_things(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _count_images(findings: Sequence[Finding]) -> int:
    return len({finding.image_id for finding in findings})


def _print_uncovered(console: Console, outcome: AuditOutcome) -> None:
    uncovered = outcome.certificate.coverage.uncovered
    if uncovered:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in uncovered.items())
        _say(console, f"not examined: {reasons}")


def _print_where(console: Console, out: Path, outcome: AuditOutcome) -> None:
    _say(console, f"certificate: {out / CERTIFICATE_NAME}, with its tables in {out / FOLDER}")
    if outcome.certificate.findings.get(FindingStatus.UNDECIDED):
        _say(
            console,
            f"Matches wait for a decision. `cleanmark review {quote(str(out))}` shows them in the "
            "browser; the same command as now then takes what people said. Or, without pictures: "
            "fill in reviewer, decision (same, different or unsure) and decided_at in a copy of "
            f"{out / UNDECIDED_NAME}, and give that with --decisions.",
        )


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
