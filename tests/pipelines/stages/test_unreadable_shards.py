"""Shards that cannot be read, or not any more: each fails by name, and the others go on."""

from pathlib import Path

import pytest
from drawn_images import encode, make_texture
from gldv2_layout import image_id, write_lists, write_shard
from stage_runs import Run

from curation.shards import ShardError, ShardReader
from manifests.gldv2_csv import member_path
from pipelines.run_config import RunConfig
from pipelines.run_unit import run_unit
from pipelines.units import UnitStatus

UNREADABLE = Path("/proc/self/mem")
"""A file whose first bytes the system refuses with an I/O error, as a broken disk does."""


@pytest.fixture
def run(tmp_path):
    """Two shards of one image each, not yet ingested."""
    root = tmp_path / "gldv2"
    for number in range(2):
        data = encode(make_texture(number), "JPEG")
        write_shard(root, f"images_{number:03d}", [(member_path(image_id(number)), data)])
    ids = {image_id(number): 7 for number in range(2)}
    write_lists(root, ids, {}, {})
    config = RunConfig.model_validate({"source": {"root": root, "check_md5": False}})
    return Run(config, tmp_path / "run")


def _shard(run):
    return run.config.source.root / "train/images_001.tar"


def _become_folder(shard):
    shard.unlink()
    shard.mkdir()


def _become_unreadable(shard):
    shard.unlink()
    shard.symlink_to(UNREADABLE)


def _vanish(shard):
    shard.unlink()


@pytest.mark.parametrize("harm", [_become_folder, _become_unreadable])
def test_a_shard_that_cannot_be_read_fails_by_name_and_the_other_goes_on(run, harm):
    harm(_shard(run))
    reports = run.do("ingest.scan")
    assert reports["images_000"].status is UnitStatus.DONE
    assert reports["images_001"].status is UnitStatus.FAILED
    assert str(_shard(run)) in reports["images_001"].error
    assert "fetch the shard again" in reports["images_001"].error


@pytest.mark.parametrize("harm", [_vanish, _become_folder, _become_unreadable])
@pytest.mark.parametrize("step", ["ingest.scan", "describe"])
def test_a_shard_that_goes_bad_during_the_run_fails_by_name(run, harm, step):
    if step == "describe":
        run.finish("ingest.join")
    stage = run.step(step)
    units = {unit.unit_id: unit for unit in stage.plan()}
    harm(_shard(run))
    reports = {name: run_unit(stage, run.run_dir, unit) for name, unit in units.items()}
    assert reports["images_000"].status is UnitStatus.DONE
    assert reports["images_001"].status is UnitStatus.FAILED
    assert str(_shard(run)) in reports["images_001"].error


def test_a_failed_shard_is_done_when_it_is_whole_again(run):
    shard = _shard(run)
    data = shard.read_bytes()
    shard.write_bytes(data[:700])
    assert run.do("ingest.scan")["images_001"].status is UnitStatus.FAILED
    shard.write_bytes(data)
    assert run.finish("ingest.scan")["ingest.scan"] == ["images_001"]


@pytest.mark.skipif(not UNREADABLE.exists(), reason="only Linux has such a file")
def test_an_error_of_the_disk_names_the_shard_and_the_place(tmp_path):
    with UNREADABLE.open("rb") as stream:
        reader = ShardReader(tmp_path / "images_007.tar", stream)
        with pytest.raises(
            ShardError, match=r"images_007.tar: cannot be read at offset 0 \(.*Input"
        ):
            reader.read(0, 10)
    with (tmp_path / "plain").open("wb") as stream:
        reader = ShardReader(tmp_path / "images_007.tar", stream)
        with pytest.raises(ShardError, match="cannot be read at offset 512"):
            reader.read(512, 10)
