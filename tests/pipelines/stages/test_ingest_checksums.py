"""Checksums of shards: compared before a shard is read, unless our own fetch vouches for it."""

import hashlib
import io
import os

import pytest
from drawn_images import encode, make_texture
from gldv2_layout import image_id, write_lists, write_shard
from rich.console import Console
from stage_runs import Run

from manifests.gldv2_csv import member_path
from pipelines.fetching.catalogue import at_mirror, gldv2
from pipelines.fetching.fetch import fetch_dataset
from pipelines.fetching.ledger import LEDGER_NAME
from pipelines.fetching.settings import FetchSettings
from pipelines.run_config import RunConfig
from pipelines.units import UnitStatus

GOOD = encode(make_texture(1), "JPEG")
A, B = (image_id(number) for number in (1, 2))
SHARD = "train/images_000.tar"


def _write_source(root, shards):
    for name, members in shards.items():
        write_shard(root, name, members)
    write_lists(root, {A: 7, B: 7}, {}, {})


def _run_on(root, tmp_path):
    return Run(RunConfig.model_validate({"source": {"root": root}}), tmp_path / "run")


def _run(tmp_path, shards):
    _write_source(tmp_path / "gldv2", shards)
    return _run_on(tmp_path / "gldv2", tmp_path)


@pytest.fixture
def fetched(tmp_path):
    """A job on a folder that our own fetch filled."""
    _write_source(tmp_path / "mirror", {"images_000": [(member_path(A), GOOD)]})
    root = tmp_path / "gldv2"
    report = fetch_dataset(
        at_mirror(gldv2("train", (0,)), str(tmp_path / "mirror")),
        root,
        Console(file=io.StringIO()),
        FetchSettings(margin_bytes=0),
    )
    assert report.problems == ()
    return _run_on(root, tmp_path)


def _damage(shard, *, keep_time):
    """Change the last byte, behind the end of the archive: only the checksum can show it."""
    status = shard.stat()
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    if keep_time:
        os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def _scan(run):
    return run.do("ingest.scan")["images_000"]


def test_a_wrong_checksum_fails_its_shard_only_and_says_what_to_do(tmp_path):
    run = _run(
        tmp_path,
        {"images_000": [(member_path(A), GOOD)], "images_001": [(member_path(B), GOOD)]},
    )
    tar = tmp_path / "gldv2/train/images_001.tar"
    expected = hashlib.md5(tar.read_bytes()).hexdigest()
    tar.write_bytes(tar.read_bytes().replace(GOOD[40:60], bytes(20)))
    found = hashlib.md5(tar.read_bytes()).hexdigest()
    assert found != expected
    reports = run.do("ingest.scan")
    assert reports["images_000"].status is UnitStatus.DONE
    md5_file = tmp_path / "gldv2/md5sum/train/md5.images_001.txt"
    assert reports["images_001"].error.splitlines()[0] == (
        f"ShardError: {tar}: its MD5 is {found}, {md5_file} says {expected}; fetch the shard again"
    )
    write_shard(tmp_path / "gldv2", "images_001", [(member_path(B), GOOD)])
    assert list(run.do("ingest.scan")) == ["images_001"]
    assert run.waiting("ingest.scan") == []


def test_a_missing_checksum_fails_its_shard_unless_none_is_asked_for(tmp_path):
    shards = {"images_000": [(member_path(A), GOOD)]}
    run = _run(tmp_path, shards)
    (tmp_path / "gldv2/md5sum/train/md5.images_000.txt").unlink()
    assert "md5.images_000.txt: not readable" in run.do("ingest.scan")["images_000"].error
    source = run.config.source.model_copy(update={"check_md5": False})
    lax = Run(run.config.model_copy(update={"source": source}), run.run_dir)
    assert lax.do("ingest.scan")["images_000"].status is UnitStatus.DONE


def test_a_shard_that_our_fetch_vouches_for_is_not_hashed_again(fetched):
    _damage(fetched.config.source.root / SHARD, keep_time=True)
    assert _scan(fetched).status is UnitStatus.DONE


def test_a_touched_shard_is_hashed_again(fetched):
    _damage(fetched.config.source.root / SHARD, keep_time=False)
    assert "fetch the shard again" in _scan(fetched).error


def test_a_touched_shard_that_is_right_is_read(fetched):
    os.utime(fetched.config.source.root / SHARD, ns=(1, 1))
    assert _scan(fetched).status is UnitStatus.DONE


@pytest.mark.parametrize("ledger", [None, "{", '{"files": []}'])
def test_a_shard_that_nobody_vouches_for_is_hashed(fetched, ledger):
    path = fetched.config.source.root / LEDGER_NAME
    if ledger is None:
        path.unlink()
    else:
        path.write_text(ledger)
    _damage(fetched.config.source.root / SHARD, keep_time=True)
    assert "fetch the shard again" in _scan(fetched).error


def test_a_ledger_does_not_vouch_for_another_release(fetched):
    """The published checksum has changed since, so the shard is an old one."""
    md5_file = fetched.config.source.root / "md5sum/train/md5.images_000.txt"
    md5_file.write_text(f"{'0' * 32}  images_000.tar\n")
    assert f"says {'0' * 32}; fetch the shard again" in _scan(fetched).error


def test_a_missing_checksum_file_is_named_whoever_vouches(fetched):
    (fetched.config.source.root / "md5sum/train/md5.images_000.txt").unlink()
    assert "md5.images_000.txt: not readable" in _scan(fetched).error
