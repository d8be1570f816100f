"""What the check of a certificate prints."""

import io
import json

import pytest
from rich.console import Console
from small_certificates import (
    IMAGE_IDS,
    finding,
    small_tables,
    training_rows,
    with_rows,
    write_small_certificate,
)

from cleanmark.certificate_check import check_certificate
from manifests.certificates.certificate import read_certificate
from manifests.certificates.covered_tables import FINDINGS
from manifests.certificates.inclusion import InclusionProof, verify_inclusion
from manifests.input_error import InputError


def check(path, **options):
    """Whether it is right, and what was printed."""
    stream = io.StringIO()
    result = check_certificate(Console(file=stream, width=100), path, **options)
    return result, stream.getvalue()


def test_a_sound_certificate_that_passed(tmp_path):
    certificate = write_small_certificate(tmp_path)
    is_right, text = check(tmp_path)
    assert is_right
    assert f"sound: {tmp_path}/certificate.json, SHA-256 {certificate.sha256}" in text
    assert "list: list.txt (path and label lines), 12 images of 4 classes" in text
    assert "findings: 0 overlap, 0 undecided, 2 refused" in text
    assert text.endswith("verdict: passed\n")
    measured = [line.split() for line in text.splitlines() if "cropped" in line]
    assert measured == [
        [name, "cropped", "18", "20", "69.9", "to", "97.2", "%", "≥", "50", "%"]
        for name in ("roxford5k", "tiny")
    ]


def test_a_sound_certificate_that_did_not_pass(tmp_path):
    tables = with_rows(small_tables(), findings=(FINDINGS, [finding(2, "overlap")]))
    write_small_certificate(tmp_path, passed=False, tables=tables)
    is_right, text = check(tmp_path)
    assert is_right
    outcome = text.splitlines()[-3:]
    assert outcome[0] == "verdict: did not pass"
    assert outcome[1].startswith("  overlaps of an image of the list with an evaluation query: 1")
    assert outcome[2].startswith("  11 of 12 images examined")


@pytest.mark.parametrize("name", ["certificate.json", "certificate/findings.tsv"])
def test_a_damaged_one_is_not_believed(tmp_path, name):
    write_small_certificate(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    is_right, text = check(tmp_path)
    assert not is_right
    assert f"wrong: {path}: " in text
    assert "not sound" in text
    assert "verdict: " not in text


def test_the_list_is_compared(tmp_path):
    write_small_certificate(tmp_path)
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{image_id} {label}\n" for image_id, label, _ in training_rows()))
    assert check(tmp_path, train=path)[0]
    path.write_text(path.read_text().replace(IMAGE_IDS[4], "4" * 16))
    is_right, text = check(tmp_path, train=path)
    assert not is_right
    assert "sound: " in text
    assert text.splitlines()[-1].startswith(f"wrong: {path}: not the list that was certified: ")


def test_the_proof_that_is_printed_holds(tmp_path):
    write_small_certificate(tmp_path)
    is_right, text = check(tmp_path, prove=IMAGE_IDS[4])
    assert is_right
    proof = InclusionProof.model_validate(json.loads(text[text.index("{") :]))
    assert proof.line.startswith(IMAGE_IDS[4])
    assert verify_inclusion(proof, read_certificate(tmp_path / "certificate.json"))


def test_an_image_that_was_not_certified(tmp_path):
    write_small_certificate(tmp_path)
    with pytest.raises(InputError, match="stray is not in it"):
        check(tmp_path, prove="stray")
