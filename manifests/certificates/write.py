"""Writes a certificate and the tables that it covers."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from manifests.certificates.assemble import assemble_certificate
from manifests.certificates.certificate import (
    CERTIFICATE_NAME,
    Certificate,
    CertificateError,
    write_certificate,
)
from manifests.certificates.covered_tables import (
    COVERED,
    EVALUATION_IMAGES,
    FINDINGS,
    FOLDER,
    PROBES,
    TRAINING_ROWS,
    UNCOVERED,
)
from manifests.certificates.facts import AuditFacts
from manifests.certificates.text_tables import write_text_table
from manifests.exports.staging import staged_folder


@dataclass(frozen=True, eq=False)
class AuditTables:
    """What an audit found, row by row, in any order.

    Attributes:
        training: columns of `TRAINING_ROWS`, every image of the list once; sha256 is null where
            there was no file, and such an image must be among `uncovered`.
        evaluation: columns of `EVALUATION_IMAGES`, of all sets.
        uncovered: columns of `UNCOVERED`, an image at most once.
        findings: columns of `FINDINGS`.
        probes: columns of `PROBES`; `found` as bool. An evaluation set must be named, and so must
            the query where there is one.
    """

    training: pa.Table
    evaluation: pa.Table
    uncovered: pa.Table
    findings: pa.Table
    probes: pa.Table


def write_certificate_folder(folder: Path, facts: AuditFacts, tables: AuditTables) -> Certificate:
    """Write the folder `certificate/` and, last, `certificate.json` beside it.

    An earlier certificate is taken away before its tables are replaced: whatever kills the writer,
    there is a whole certificate or none. Counts, intervals and verdict are taken from the tables as
    they lie on disk. The bytes depend on facts and rows alone, not on the order of the rows.

    Args:
        folder: of the manifest that was audited, or any other; made if missing.
        facts: what the audit says of itself.
        tables: what it found.

    Raises:
        manifests.input_error.InputError: the tables contradict one another or the facts, or
            something else lies in `certificate/`.
    """
    path, target = folder / CERTIFICATE_NAME, folder / FOLDER
    _refuse_strangers(target)
    rows = {
        TRAINING_ROWS: tables.training,
        EVALUATION_IMAGES: tables.evaluation,
        UNCOVERED: tables.uncovered,
        FINDINGS: tables.findings,
        PROBES: tables.probes,
    }
    with staged_folder(target, is_replaceable=lambda _: True) as staging:
        for table, data in rows.items():
            write_text_table(staging, table, data)
        certificate = assemble_certificate(facts, staging)
        path.unlink(missing_ok=True)
    write_certificate(path, certificate)
    return certificate


def _refuse_strangers(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    strangers = sorted(names - {table.file_name for table in COVERED})
    if strangers:
        raise CertificateError(
            f"{folder}: holds {strangers[0]}, which is no part of a certificate and would be lost; "
            "move it away"
        )
