import hashlib
import shutil
import subprocess

import pytest

from manifests.exports.checksums import is_export, read_checksums, write_checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a b.txt").write_text("one")
    (tmp_path / "z.txt").write_text("two")
    write_checksums(tmp_path)
    return tmp_path


def test_every_file_is_listed_by_its_digest(folder):
    expected = {
        "data/a b.txt": hashlib.sha256(b"one").hexdigest(),
        "z.txt": hashlib.sha256(b"two").hexdigest(),
    }
    assert read_checksums(folder) == expected


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_reads_it_and_finds_a_changed_file(folder):
    command = ["sha256sum", "--check", "--quiet", "CHECKSUMS.sha256"]
    assert subprocess.run(command, cwd=folder, check=False).returncode == 0
    (folder / "z.txt").write_text("three")
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True)
    assert done.returncode == 1


def test_a_folder_with_another_file_in_it_is_no_export(folder):
    assert is_export(folder)
    (folder / "data" / "mine").write_text("")
    assert not is_export(folder)


def test_a_folder_without_checksums_is_no_export(tmp_path):
    assert not is_export(tmp_path)
