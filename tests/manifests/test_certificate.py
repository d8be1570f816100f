"""The certificate as a training reads it."""

import pytest

from manifests.certificate import Certificate, read_certificate, write_certificate
from manifests.input_error import InputError

CERTIFICATE = Certificate(manifest_sha256="ab" * 32, passed=True, reason="no candidate pending")


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "certificate.json"
    write_certificate(path, CERTIFICATE)
    assert read_certificate(path) == CERTIFICATE


def test_no_certificate_is_no_error(tmp_path):
    assert read_certificate(tmp_path / "certificate.json") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "manifest_sha256: Field required"),
        ('{"manifest_sha256": "", "passed": true, "reason": "", "verdict": 1}', "verdict: Extra"),
        ("not json", "file: Invalid JSON"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path, text, problem):
    path = tmp_path / "certificate.json"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_certificate(path)
