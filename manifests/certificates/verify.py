"""Checks a certificate without any image and without a network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from manifests.certificates.assemble import assemble_certificate
from manifests.certificates.certificate import (
    CERTIFICATE_NAME,
    Certificate,
    CertificateError,
    read_certificate,
)
from manifests.certificates.covered_tables import COVERED, FOLDER
from manifests.certificates.facts import extract_facts
from manifests.certificates.listed_rows import find_difference
from manifests.input_error import InputError
from manifests.lineage import digest_file


@dataclass(frozen=True)
class CertificateCheck:
    """What came out of a check.

    Attributes:
        path: of `certificate.json`.
        certificate: as it was read; None if it is damaged.
        checked: what was found to be right, in words.
        problems: what was not, each with the file it is about.
        difference: how the training list differs from the certified one; None if it does not, or
            if that was not asked or could not be found out.
    """

    path: Path
    certificate: Certificate | None
    checked: tuple[str, ...]
    problems: tuple[str, ...]
    difference: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether the certificate is what it was when it was made, whatever its verdict."""
        return self.certificate is not None and not self.problems


def verify_certificate(path: Path, *, train: Path | None = None) -> CertificateCheck:
    """Check a certificate, every file that it covers, and that all of it fits together.

    The counts, intervals, roots and the verdict are computed anew from the covered files.

    Args:
        path: `certificate.json`, or the folder that holds it.
        train: the list, to be compared with the certified one. None leaves that out.

    Raises:
        InputError: there is no certificate, or the training list is unreadable.
    """
    path = path / CERTIFICATE_NAME if path.is_dir() else path
    try:
        certificate = read_certificate(path)
    except CertificateError as error:
        return CertificateCheck(path, None, checked=(), problems=(str(error),))
    if certificate is None:
        raise InputError(f"{path}: no such file; give a certificate, or the folder that holds one")
    checked = ["its own SHA-256, counts, intervals and verdict"]
    problems = list(list_damage(path, certificate))
    if not problems:
        checked.append(f"the {len(certificate.files)} files that it covers, byte by byte")
        problems += _check_content(path, certificate)
    if not problems:
        checked.append("counts, intervals, roots and verdict, computed anew from these files")
    difference = None
    if train is not None and not problems:
        difference = find_difference(train, certificate.training, path.parent / FOLDER)
        if difference is None:
            checked.append(f"{train}: the list that was certified, image by image")
    return CertificateCheck(path, certificate, tuple(checked), tuple(problems), difference)


def list_damage(path: Path, certificate: Certificate) -> Iterator[str]:
    """What is wrong with the files that a certificate covers: missing, or other bytes.

    Args:
        path: of `certificate.json`.
        certificate: as it was read from there.
    """
    expected = {f"{FOLDER}/{table.file_name}" for table in COVERED}
    if certificate.files.keys() != expected:
        yield f"{path}: covers other files than {', '.join(sorted(expected))}"
        return
    for name, file in sorted(certificate.files.items()):
        covered = path.parent / name
        if not covered.is_file():
            yield f"{covered}: missing"
        elif covered.stat().st_size != file.num_bytes:
            yield f"{covered}: has {covered.stat().st_size:,} bytes instead of {file.num_bytes:,}"
        elif digest_file(covered) != file.sha256:
            yield f"{covered}: its SHA-256 is not the one in {path.name}"


def _check_content(path: Path, certificate: Certificate) -> Iterator[str]:
    try:
        expected = assemble_certificate(extract_facts(certificate), path.parent / FOLDER)
    except InputError as error:
        yield str(error)
        return
    for name in Certificate.model_fields:
        if name != "sha256" and getattr(certificate, name) != getattr(expected, name):
            yield f"{path}: {name} is not what its files say"
