"""Shows what a certificate says, and whether it can be believed: `cleanmark audit --verify`."""

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from manifests.certificates.certificate import Certificate
from manifests.certificates.covered_tables import FindingStatus
from manifests.certificates.gates import GateName
from manifests.certificates.inclusion import prove_inclusion
from manifests.certificates.verify import CertificateCheck, verify_certificate


def check_certificate(
    console: Console, path: Path, *, train: Path | None = None, prove: str | None = None
) -> bool:
    """Check a certificate and print what comes out; a verdict against the list is no fault of it.

    Args:
        console: where to.
        path: `certificate.json`, or the folder that holds it.
        train: a training list, to be compared with the certified one.
        prove: id of an image, whose place in the certified list is to be proved.

    Returns:
        Whether the certificate is sound and the list, if given, is the certified one.

    Raises:
        manifests.input_error.InputError: there is no certificate, the list is unreadable, or the
            image is not in it.
    """
    check = verify_certificate(path, train=train)
    _print_check(console, check)
    if check.certificate is None or not check.is_sound:
        return False
    print_certificate(console, check.certificate)
    if prove is not None:
        _print_proof(console, check.path.parent, check.certificate, prove)
    if check.difference is not None:
        _say(console, f"wrong: {train}: not the list that was certified: {check.difference}")
    return check.difference is None


def print_certificate(console: Console, certificate: Certificate) -> None:
    """What was compared, each gate, and the verdict."""
    training = certificate.training
    _say(
        console,
        f"list: {training.name} ({training.kind}), {training.num_images:,} images of "
        f"{training.num_classes:,} classes",
    )
    for side in certificate.evaluations:
        _say(console, f"against: {side.name} ({side.format}), {side.num_queries:,} queries")
    _print_measured(console, certificate)
    counts = (f"{certificate.findings.get(status, 0):,} {status}" for status in FindingStatus)
    _say(console, f"findings: {', '.join(counts)}")
    _say(console, f"verdict: {'passed' if certificate.verdict.passed else 'did not pass'}")
    for gate in certificate.verdict.gates:
        if not gate.passed:
            _say(console, f"  {gate.words}")


def _print_check(console: Console, check: CertificateCheck) -> None:
    for words in check.checked:
        _say(console, f"right: {words}")
    for problem in check.problems:
        _say(console, f"wrong: {problem}")
    if check.certificate is not None and check.is_sound:
        _say(console, f"sound: {check.path}, SHA-256 {check.certificate.sha256}")
    else:
        _say(console, f"not sound: {check.path}; nothing that it says can be relied on")


def _print_measured(console: Console, certificate: Certificate) -> None:
    limits = {
        (gate.name, gate.eval_set, gate.kind): f"{100 * float(gate.limit):g} %"
        for gate in certificate.verdict.gates
    }
    table = Table("Set", "probe", "found", "of", "95 % interval", "limit", box=box.SIMPLE_HEAD)
    for column in table.columns[2:]:
        column.justify = "right"
    for canary in certificate.recall:
        limit = limits.get((GateName.RECALL, canary.eval_set, canary.kind))
        counts = str(canary.found), str(canary.planted)
        interval = _describe_interval(canary.low, canary.high)
        at_least = f"≥ {limit}" if limit else "none"
        table.add_row(canary.eval_set, canary.kind, *counts, interval, at_least)
    for control in certificate.controls:
        limit = limits.get((GateName.FALSE_ACCEPTS, control.eval_set, control.kind))
        counts = str(control.accepted), str(control.trials)
        interval = _describe_interval(control.low, control.high)
        at_most = f"≤ {limit}" if limit else "none"
        table.add_row(control.eval_set, control.kind, *counts, interval, at_most)
    console.print(table)


def _print_proof(console: Console, folder: Path, certificate: Certificate, image_id: str) -> None:
    proof = prove_inclusion(folder, certificate, image_id)
    _say(console, f"image {image_id} is in the certified list; the proof (docs/certificate.md):")
    _say(console, proof.model_dump_json(indent=2))


def _describe_interval(low: str, high: str) -> str:
    return f"{100 * float(low):.1f} to {100 * float(high):.1f} %"


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
