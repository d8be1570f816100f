"""`certificate.json`: whether a published split was shown not to overlap its evaluation sets.

The file lies beside `manifest.json`. Whoever trains on the split reads of it no more than this:
which manifest it speaks of, whether that one passed, and why.
"""

from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from manifests.atomic import write_text
from manifests.input_error import InputError
from manifests.strict_model import StrictModel

CERTIFICATE_NAME: Final = "certificate.json"
FORMAT_VERSION: Final = 1


class Certificate(StrictModel):
    """The content of `certificate.json`."""

    format_version: Literal[1] = FORMAT_VERSION
    manifest_sha256: str
    """SHA-256 of the `manifest.json` that was audited."""
    passed: bool
    """Whether the audit found the split free of overlap, and was able to."""
    reason: str
    """What the verdict rests on, in words."""


def write_certificate(path: Path, certificate: Certificate) -> None:
    """Write a certificate, atomically; equal content gives equal bytes."""
    write_text(path, certificate.model_dump_json(indent=2) + "\n")


def read_certificate(path: Path) -> Certificate | None:
    """Read a certificate; None if there is none.

    Raises:
        InputError: the file is there and is no certificate of this format.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return Certificate.model_validate_json(data)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
        raise InputError(
            f"{path}: no certificate that this program can read ({problems}); audit the split again"
        ) from error
