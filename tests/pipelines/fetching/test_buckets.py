"""gs:// and s3:// through their own libraries, against object stores on this machine."""

import io

import fsspec
import pytest
from bucket_server import BucketServer
from rich.console import Console
from small_gldv2 import make_files, read_tree

from pipelines.fetching.catalogue import at_mirror, gldv2
from pipelines.fetching.errors import MissingFileError
from pipelines.fetching.fetch import fetch_dataset
from pipelines.fetching.fsspec_source import FsspecSource
from pipelines.fetching.ledger import FileStatus, read_ledger
from pipelines.fetching.settings import FetchSettings

BUCKET = "landmarks"
PREFIX = "mirror"
TAR = "train/images_000.tar"
SETTINGS = FetchSettings(margin_bytes=0, sync_every_bytes=8192, max_attempts=6)
LIBRARIES = {"s3": "s3fs", "gs": "gcsfs"}


@pytest.fixture
def files():
    return make_files((0, 1))


@pytest.fixture
def server(files):
    objects = {f"{PREFIX}{path}": content for path, content in files.items()}
    with BucketServer(BUCKET, objects) as running:
        yield running


@pytest.fixture(params=LIBRARIES)
def bucket(request, server, monkeypatch):
    """The address of the data set, with fsspec configured as its environment variables do."""
    name = LIBRARIES[request.param]
    pytest.importorskip(name, reason=f"{name} is not installed: pip install 'cleanmark[cloud]'")
    for protocol, options in (("s3", {"anon": True}), ("gs", {"token": "anon"})):
        monkeypatch.setitem(fsspec.config.conf, protocol, {"endpoint_url": server.url, **options})
    yield f"{request.param}://{BUCKET}/{PREFIX}"
    fsspec.get_filesystem_class(request.param).clear_instance_cache()


def fetch(base_url, folder):
    dataset = at_mirror(gldv2("train", (0, 1)), base_url)
    pauses = []
    return fetch_dataset(
        dataset, folder, Console(file=io.StringIO()), SETTINGS, sleep=pauses.append, seed=0
    )


def test_a_bucket_is_fetched_whole_and_only_once(bucket, server, files, tmp_path):
    report = fetch(bucket, tmp_path)
    assert report.problems == ()
    assert read_tree(tmp_path) == files
    num_bodies = len(server.bodies)
    assert fetch(bucket, tmp_path).received_bytes == 0
    assert len(server.bodies) == num_bodies


def test_a_broken_transfer_ends_in_the_right_bytes(bucket, server, files, tmp_path):
    server.drop_after[f"{PREFIX}/{TAR}"] = [20_000]
    assert fetch(bucket, tmp_path).problems == ()
    assert read_tree(tmp_path) == files
    assert server.drop_after[f"{PREFIX}/{TAR}"] == []


def test_reading_goes_on_in_the_middle_of_the_same_object_only(bucket, server, files):
    source, url = FsspecSource(), f"{bucket}/{TAR}"
    validator = source.look_up(url).validator
    with source.open(url, 1000, validator) as body:
        assert body.start == 1000
        assert b"".join(body.blocks) == files[f"/{TAR}"][1000:]
    assert (f"{PREFIX}/{TAR}", 1000) in server.bodies
    server.objects[f"{PREFIX}/{TAR}"] = b"another object"
    with source.open(url, 1000, validator) as body:
        assert (body.start, b"".join(body.blocks)) == (0, b"another object")


def test_a_missing_object_is_named_and_the_others_come(bucket, server, files, tmp_path):
    del server.objects[f"{PREFIX}/{TAR}"]
    report = fetch(bucket, tmp_path)
    assert [problem.partition(":")[0] for problem in report.problems] == [TAR]
    ledger = {entry.path: entry.status for entry in read_ledger(tmp_path)}
    assert ledger[TAR] is FileStatus.MISSING
    assert set(read_tree(tmp_path)) == files.keys() - {f"/{TAR}"}
    with pytest.raises(MissingFileError):
        FsspecSource().look_up(f"{bucket}/{TAR}")


def test_wrong_bytes_are_set_aside_by_name(bucket, server, tmp_path):
    server.objects[f"{PREFIX}/{TAR}"] = b"not the shard"
    report = fetch(bucket, tmp_path)
    assert [problem.partition(":")[0] for problem in report.problems] == [TAR]
    assert (tmp_path / "quarantine" / TAR).read_bytes() == b"not the shard"
    assert not (tmp_path / TAR).exists()
