import gzip
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fetching.catalogue import FileKind, RemoteFile
from pipelines.fetching.checks import CheckedBy, check_file, read_published_md5
from pipelines.fetching.disk import format_bytes

CONTENT = b"The old mill, seen from the bridge. " * 50


def check(tmp_path, kind, content, path="file", **facts):
    (tmp_path / "bytes").write_bytes(content)
    md5 = facts.pop("md5", None)
    return check_file(tmp_path / "bytes", RemoteFile(path, "u", kind, **facts), md5)


def test_published_md5_decides(tmp_path):
    md5 = hashlib.md5(CONTENT).hexdigest()
    good = check(tmp_path, FileKind.TAR, CONTENT, md5=md5)
    assert (good.problem, good.checked_by, good.digest) == (None, CheckedBy.MD5, md5)
    bad = check(tmp_path, FileKind.TAR, CONTENT + b"x", md5=md5)
    assert md5 in bad.problem
    assert bad.digest in bad.problem
    assert bad.expected == md5


def test_known_sha256_decides(tmp_path):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert check(tmp_path, FileKind.GROUND_TRUTH, CONTENT, sha256=sha256).problem is None
    assert check(tmp_path, FileKind.GROUND_TRUTH, b"", sha256=sha256).problem is not None


def test_unknown_file_gets_its_sha256_recorded(tmp_path):
    found = check(tmp_path, FileKind.LIST, CONTENT)
    assert found.digest == hashlib.sha256(CONTENT).hexdigest()
    assert found.checked_by is CheckedBy.STRUCTURE


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_header_of_a_list_decides(tmp_path, end):
    header = ("id", "url", "landmark_id")
    good = b"id,url,landmark_id" + end + b"1,2,3\n"
    assert check(tmp_path, FileKind.CSV, good, header=header).problem is None
    for bad in (b"", b"id,url" + end, b"id,url,landmark_id,more" + end, b"<html>", good[1:]):
        assert "its first line" in check(tmp_path, FileKind.CSV, bad, header=header).problem


@given(st.data())
def test_every_cut_of_an_archive_is_found(tmp_path_factory, data):
    whole = gzip.compress(CONTENT, mtime=0)
    cut = data.draw(st.integers(0, len(whole) - 1))
    folder = tmp_path_factory.mktemp("cut")
    assert check(folder, FileKind.ARCHIVE, whole).problem is None
    assert check(folder, FileKind.ARCHIVE, whole[:cut]).problem is not None


@pytest.mark.parametrize("bad", [b"", b"<html>sorry</html>", b"\0\0\0"])
def test_what_is_no_list_of_names_is_found(tmp_path, bad):
    assert check(tmp_path, FileKind.LIST, bad).problem is not None


@pytest.mark.parametrize(
    "line",
    [
        b"825975950b2e22f0f66aa8fd26c1f153  images_000.tar\n",
        b"825975950b2e22f0f66aa8fd26c1f153 *images_000.tar",
    ],
)
def test_published_md5_is_read(tmp_path, line):
    (tmp_path / "md5").write_bytes(line)
    found = read_published_md5(tmp_path / "md5", "images_000.tar")
    assert found == "825975950b2e22f0f66aa8fd26c1f153"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"  images_000.tar\n",
        b"825975950b2e22f0f66aa8fd26c1f153  images_001.tar\n",
        b"825975950B2E22F0F66AA8FD26C1F153  images_000.tar\n",
        b"825975950b2e22f0f66aa8fd26c1f15  images_000.tar\n",
        b"825975950b2e22f0f66aa8fd26c1f153  ../images_000.tar\n",
        b"\xff" * 49,
    ],
)
def test_md5_of_something_else_is_not_read(tmp_path, line):
    (tmp_path / "md5").write_bytes(line)
    assert read_published_md5(tmp_path / "md5", "images_000.tar") is None
    path = "md5sum/train/md5.images_000.txt"
    assert "md5sum writes" in check(tmp_path, FileKind.MD5, line, path).problem


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (10**9, "1.0 GB"), (6 * 10**11, "600.0 GB"),
     (10**12, "1.00 TB")],
)  # fmt: skip
def test_sizes_for_people(num_bytes, text):
    assert format_bytes(num_bytes) == text
