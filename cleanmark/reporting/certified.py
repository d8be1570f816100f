"""What the certificate beside the manifest says, for the report."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from manifests.certificates.certificate import (
    CERTIFICATE_NAME,
    Certificate,
    CertificateError,
    read_certificate,
)
from manifests.certificates.gates import Gate, GateName
from manifests.certificates.statement import CanaryRecall, ControlResult
from manifests.certificates.verify import list_damage
from manifests.lineage import digest_file


@dataclass(frozen=True)
class Measured:
    """A share that was measured with planted probes, and the interval that it lies in.

    Attributes:
        role: what the probes were planted for, `canary` or `control`.
        eval_set: the evaluation set.
        kind: of probe.
        words: how such a probe is made.
        num_hits: canaries found, or controls taken for overlap.
        num_trials: planted.
        low: lower end of the interval, as a share.
        high: its upper end.
        gate: that the share had to pass; None for a kind that is only measured.
    """

    role: str
    eval_set: str
    kind: str
    words: str
    num_hits: int
    num_trials: int
    low: float
    high: float
    gate: Gate | None


@dataclass(frozen=True)
class CertificatePart:
    """What the report says of the certificate.

    Attributes:
        certificate: None if there is none, or none that can be read.
        measured: recall of canaries, then accepted controls.
        problems: why it cannot be relied on, in words; empty if it can.
    """

    certificate: Certificate | None
    measured: tuple[Measured, ...]
    problems: tuple[str, ...]

    @property
    def extent(self) -> str:
        """How it stands, in a few words."""
        if self.problems:
            return "not to be relied on"
        if self.certificate is None:
            return "not audited yet"
        return "passed" if self.certificate.verdict.passed else "did not pass"


def read_certificate_part(manifest: Path) -> CertificatePart:
    """Read the certificate beside a manifest and check that it is whole and speaks of it.

    Args:
        manifest: a `manifest.json`.
    """
    path = manifest.with_name(CERTIFICATE_NAME)
    try:
        certificate = read_certificate(path)
    except CertificateError as error:
        return CertificatePart(None, (), (str(error),))
    if certificate is None:
        return CertificatePart(None, (), ())
    problems = list(list_damage(path, certificate))
    if certificate.training.manifest_sha256 != digest_file(manifest):
        problems.append("It speaks of other manifests than these: audit the split again.")
    return CertificatePart(certificate, tuple(_list_measured(certificate)), tuple(problems))


def _list_measured(certificate: Certificate) -> Iterable[Measured]:
    gates = {(gate.name, gate.eval_set, gate.kind): gate for gate in certificate.verdict.gates}
    for canary in certificate.recall:
        gate = gates.get((GateName.RECALL, canary.eval_set, canary.kind))
        yield _measure("canary", canary, canary.found, canary.planted, gate)
    for control in certificate.controls:
        gate = gates.get((GateName.FALSE_ACCEPTS, control.eval_set, control.kind))
        yield _measure("control", control, control.accepted, control.trials, gate)


def _measure(
    role: str,
    probe: CanaryRecall | ControlResult,
    num_hits: int,
    num_trials: int,
    gate: Gate | None,
) -> Measured:
    return Measured(
        role,
        probe.eval_set,
        probe.kind,
        probe.words,
        num_hits,
        num_trials,
        float(probe.low),
        float(probe.high),
        gate,
    )
