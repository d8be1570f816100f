"""`certificate.json`: whether a training list was shown not to overlap its evaluation sets.

The file has one form only: keys sorted, two blanks of indent, UTF-8, one line feed at the end. It
carries the SHA-256 of that form without the key `sha256`. So any byte that is changed is found,
wherever it stands. The digest protects against damage, not against a forger, who would compute it
anew: what it is compared with must come from elsewhere, such as a paper or a signature.
"""

import json
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, Self

from pydantic import Field, ValidationError, model_validator

from manifests.atomic import write_bytes
from manifests.certificates.covered_tables import FindingStatus
from manifests.certificates.gates import AuditLimits, Verdict, judge
from manifests.certificates.statement import (
    CanaryRecall,
    ControlResult,
    Coverage,
    CoveredFile,
    EvaluationSide,
    Findings,
    Method,
    PolicyStatement,
    Sha256,
    TrainingSide,
    Votes,
)
from manifests.input_error import InputError
from manifests.lineage import digest_bytes
from manifests.strict_model import StrictModel

CERTIFICATE_NAME: Final = "certificate.json"
FORMAT_VERSION: Final = 1
_DIGEST_KEY = "sha256"


class CertificateError(InputError):
    """A certificate that is damaged, or contradicts itself; the message names file and problem."""


class Certificate(StrictModel):
    """The content of `certificate.json`. It cannot be made so that its parts contradict another."""

    format_version: Literal[1] = FORMAT_VERSION
    training: TrainingSide
    evaluations: tuple[EvaluationSide, ...] = Field(min_length=1)
    """By name."""
    policy: PolicyStatement
    method: Method
    votes: Votes
    recall: tuple[CanaryRecall, ...]
    """Every kind with every evaluation set."""
    controls: tuple[ControlResult, ...]
    """Every kind with every evaluation set."""
    coverage: Coverage
    findings: Findings
    limits: AuditLimits
    verdict: Verdict
    files: dict[str, CoveredFile]
    """Path beside `certificate.json` -> the file."""
    sha256: Sha256
    """Of this file in its one form, without this key."""

    @classmethod
    def seal(cls, content: dict[str, Any]) -> Self:
        """Judge and sign off: everything but verdict, format_version and sha256 is given.

        Raises:
            CertificateError: the parts do not fit together.
        """
        draft = cls.model_construct(**content)
        whole = content | {"format_version": FORMAT_VERSION, "verdict": _judge(draft)}
        unsealed = cls.model_construct(**whole, sha256="").model_dump(mode="json")
        try:
            return cls.model_validate(whole | {_DIGEST_KEY: digest_content(unsealed)})
        except ValidationError as error:
            raise CertificateError(f"{CERTIFICATE_NAME}: {_describe(error)}") from error

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.verdict != _judge(self):
            raise ValueError("the verdict does not follow from the counts and limits")
        if self.coverage.listed != self.training.num_images:
            raise ValueError("coverage and training side count different images")
        if self.findings.get(FindingStatus.REFUSED, 0) and not self.votes.num_reviewers:
            raise ValueError("findings are refused, yet nobody voted")
        return self

    def to_bytes(self) -> bytes:
        """The file."""
        return format_json(self.model_dump(mode="json"))


def format_json(content: Any) -> bytes:  # noqa: ANN401  (any JSON value)
    """A JSON value in its one form."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def digest_content(content: dict[str, Any]) -> str:
    """SHA-256 of a certificate in its one form, without the key that holds it."""
    return digest_bytes(format_json({k: v for k, v in content.items() if k != _DIGEST_KEY}))


def write_certificate(path: Path, certificate: Certificate) -> None:
    """Write `certificate.json`, atomically; equal content gives equal bytes."""
    write_bytes(path, certificate.to_bytes())


def read_certificate(path: Path) -> Certificate | None:
    """Read `certificate.json`; None if there is none. The files that it covers are not looked at.

    Raises:
        CertificateError: the file is not in its one form, its digest is not its own, or its parts
            contradict one another.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    content, form = _parse(path, data)
    if form != data:
        _refuse(path, "its bytes are not in the one form that a certificate has")
    if not isinstance(content, dict) or content.get(_DIGEST_KEY) != digest_content(content):
        _refuse(path, "its content has not the SHA-256 that it states")
    try:
        certificate = Certificate.model_validate_json(data)
    except ValidationError as error:
        _refuse(path, _describe(error))
    if certificate.to_bytes() != data:
        _refuse(path, "values have other types than a certificate has")
    return certificate


def _judge(part: Certificate) -> Verdict:
    return judge(
        part.limits, part.findings, part.coverage, part.evaluations, part.recall, part.controls
    )


def _parse(path: Path, data: bytes) -> tuple[Any, bytes]:
    """What the file holds, and how that would be written."""
    try:
        content = json.loads(data.decode(), parse_constant=_refuse_constant)
        return content, format_json(content)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"not JSON: {error}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _describe(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )


def _refuse(path: Path, problem: str) -> NoReturn:
    raise CertificateError(f"{path}: {problem}; copy it again, or audit the list again")
