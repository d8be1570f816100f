"""Folders of this machine, and an object store without a network: fsspec's memory."""

import io
import sys

import fsspec
import pytest
from rich.console import Console
from small_gldv2 import make_files, read_tree

from pipelines.fetching.catalogue import at_mirror, gldv2
from pipelines.fetching.errors import MissingFileError, PermanentFaultError
from pipelines.fetching.fetch import fetch_dataset, make_source
from pipelines.fetching.fsspec_source import FsspecSource
from pipelines.fetching.http_source import HttpSource
from pipelines.fetching.settings import FetchSettings

SETTINGS = FetchSettings(margin_bytes=0, sync_every_bytes=8192)
TAR = "/train/images_000.tar"


@pytest.fixture
def files():
    return make_files((0, 1))


@pytest.fixture
def mirror(files, tmp_path):
    folder = tmp_path / "a mirror"
    for path, content in files.items():
        target = folder / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


@pytest.fixture
def memory(files):
    store = fsspec.filesystem("memory")
    for path, content in files.items():
        store.pipe(f"/gldv2{path}", content)
    yield "memory://gldv2"
    store.rm("/gldv2", recursive=True)


def fetch(base_url, folder):
    dataset = at_mirror(gldv2("train", (0, 1)), base_url)
    return fetch_dataset(dataset, folder, Console(file=io.StringIO()), SETTINGS)


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_local_folder(mirror, files, tmp_path, prefix):
    report = fetch(f"{prefix}{mirror}", tmp_path / "to")
    assert report.problems == ()
    assert read_tree(tmp_path / "to") == files
    assert fetch(f"{prefix}{mirror}", tmp_path / "to").received_bytes == 0


def test_object_store(memory, files, tmp_path):
    assert fetch(memory, tmp_path).problems == ()
    assert read_tree(tmp_path) == files


def test_missing_file_is_named(mirror, tmp_path):
    (mirror / TAR[1:]).unlink()
    report = fetch(str(mirror), tmp_path / "to")
    assert [p.partition(":")[0] for p in report.problems] == [TAR[1:]]
    with pytest.raises(MissingFileError):
        FsspecSource().look_up(f"{mirror}{TAR}")


def test_reading_goes_on_in_the_middle_of_the_same_file_only(mirror, files):
    source, url = FsspecSource(), f"{mirror}{TAR}"
    validator = source.look_up(url).validator
    with source.open(url, 1000, validator) as body:
        assert body.start == 1000
        assert b"".join(body.blocks) == files[TAR][1000:]
    (mirror / TAR[1:]).write_bytes(b"another file")
    with source.open(url, 1000, validator) as body:
        assert body.start == 0
        assert b"".join(body.blocks) == b"another file"


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_missing_extra_is_named_with_the_command(scheme, monkeypatch):
    # As if the extra were not installed, wherever the tests run.
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(PermanentFaultError, match=r"pip install 'cleanmark\[cloud\]'"):
        FsspecSource().look_up(f"{scheme}://bucket/file")


def test_address_that_nobody_serves_is_refused():
    with pytest.raises(PermanentFaultError, match="not an address"):
        FsspecSource().look_up("gopher://example.org/file")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://example.org/x", HttpSource),
        ("HTTP://example.org/x", HttpSource),
        ("/data/gldv2/x", FsspecSource),
        ("gs://bucket/x", FsspecSource),
    ],
)
def test_scheme_chooses_the_source(url, kind):
    assert isinstance(make_source(url, SETTINGS), kind)
