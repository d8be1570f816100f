"""Carries a certificate along with the manifest that it speaks of."""

import shutil
from pathlib import Path

from manifests.certificates.certificate import CERTIFICATE_NAME, CertificateError, read_certificate
from manifests.certificates.verify import list_damage
from manifests.lineage import digest_file


def copy_certificate(manifest: Path, folder: Path) -> None:
    """Copy the certificate beside a manifest, with the files that it covers; nothing if none is.

    Args:
        manifest: a `manifest.json`.
        folder: where to.

    Raises:
        CertificateError: the certificate is damaged, incomplete or of another manifest.
    """
    if manifest.with_name(CERTIFICATE_NAME).is_file():
        _copy(manifest.parent, manifest, folder)


def attach_certificate(folder: Path, manifest: Path) -> None:
    """Put the certificate of an audit beside the manifest that it speaks of.

    Args:
        folder: of the certificate.
        manifest: a `manifest.json`.

    Raises:
        CertificateError: there is no certificate, or it is damaged, incomplete or of another
            manifest.
    """
    _copy(folder, manifest, manifest.parent)


def _copy(source: Path, manifest: Path, target: Path) -> None:
    path = source / CERTIFICATE_NAME
    certificate = read_certificate(path)
    if certificate is None:
        raise CertificateError(f"{path}: no such certificate; run the audit first")
    if certificate.training.manifest_sha256 != digest_file(manifest):
        raise CertificateError(
            f"{path}: speaks of another {manifest.name}; audit this one again, or take it away"
        )
    for damage in list_damage(path, certificate):
        raise CertificateError(f"{damage}; copy it again, or audit the list again")
    for name in (*certificate.files, CERTIFICATE_NAME):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
