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
    path = manifest.with_name(CERTIFICATE_NAME)
    certificate = read_certificate(path)
    if certificate is None:
        return
    if certificate.training.manifest_sha256 != digest_file(manifest):
        raise CertificateError(
            f"{path}: speaks of another {manifest.name}; audit this one again, or take it away"
        )
    for damage in list_damage(path, certificate):
        raise CertificateError(f"{damage}; copy it again, or audit the list again")
    for name in (*certificate.files, CERTIFICATE_NAME):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path.parent / name, folder / name)
