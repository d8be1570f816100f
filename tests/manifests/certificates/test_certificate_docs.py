"""docs/certificate.md: what it tells a stranger to do works, and nothing is left out."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from small_certificates import (
    small_tables,
    training_rows,
    with_rows,
    write_small_certificate,
)

from manifests.certificates.certificate import Certificate
from manifests.certificates.covered_tables import COVERED, TRAINING_ROWS, FindingStatus
from manifests.certificates.gates import AuditLimits, GateName
from manifests.certificates.inclusion import prove_inclusion

TEXT = (Path(__file__).parents[3] / "docs" / "certificate.md").read_text(encoding="utf-8")
CHECKER, PROOF_CHECKER = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(params=[12, 23, 32])
def certified(request, tmp_path):
    rows = training_rows(request.param)
    tables = with_rows(small_tables(), training=(TRAINING_ROWS, rows))
    return tmp_path, write_small_certificate(tmp_path, tables=tables)


def run_checker(tmp_path, folder, monkeypatch):
    script = tmp_path / "checker.py"
    script.write_text(CHECKER)
    monkeypatch.setattr(sys, "argv", ["checker.py", str(folder)])
    runpy.run_path(str(script))


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_the_checker_accepts_what_is_right_and_nothing_else(certified, tmp_path, monkeypatch):
    folder, _ = certified
    run_checker(tmp_path, folder, monkeypatch)
    path = folder / "certificate" / "training_rows.tsv"
    rows = path.read_bytes()
    path.write_bytes(rows[:-2] + b"x\n")
    with pytest.raises(AssertionError):
        run_checker(tmp_path, folder, monkeypatch)
    path.write_bytes(rows)
    path = folder / "certificate.json"
    path.write_text(path.read_text().replace('"listed": ', '"listed": 1'))
    with pytest.raises(AssertionError):
        run_checker(tmp_path, folder, monkeypatch)


def test_the_checker_of_proofs(certified):
    folder, certificate = certified
    names: dict = {}
    exec("import hashlib\n" + PROOF_CHECKER, names)
    training = certificate.training
    for image_id, _, _ in training_rows():
        proof = prove_inclusion(folder, certificate, image_id).model_dump()
        assert names["holds"](proof, training.root, training.num_images)
        other = proof | {"line": proof["line"][:-1]}
        assert not names["holds"](other, training.root, training.num_images)


@pytest.mark.parametrize(
    "name",
    [
        *Certificate.model_fields,
        *AuditLimits.model_fields,
        *GateName,
        *FindingStatus,
        *(f"certificate/{table.file_name}" for table in COVERED),
        *sorted({name for table in COVERED for name in table.names}),
    ],
)
def test_everything_is_named(name):
    assert f"`{name}`" in TEXT
