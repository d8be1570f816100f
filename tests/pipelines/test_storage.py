"""A run folder on a disk that really is full."""

import errno
import re
from dataclasses import replace

import pytest
from pipelines_helpers import ToyStage, called_units
from small_disk import small_disk

from pipelines.child_pool import ChildPool
from pipelines.engines.workstation import Workstation
from pipelines.markers import pending, read_markers
from pipelines.run_unit import run_unit
from pipelines.runners import execute
from pipelines.storage import StorageError, explaining_need, is_storage_error, storage_errors
from pipelines.units import UnitStatus


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", "size=256k") as disk:
        yield disk


def _files(folder):
    """All files but the log of the toy stage."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != "calls.log")


def test_a_unit_that_does_not_fit_stays_pending_and_leaves_nothing(disk):
    stage = ToyStage(disk.path, num_units=1, num_bytes=1 << 20)
    with pytest.raises(StorageError, match="running toy/u00") as failure:
        run_unit(stage, disk.path, stage.unit("u00"))
    assert str(failure.value).startswith(f"{disk.path}: cannot be written")
    assert "No space left on device" in str(failure.value)
    assert "KiB are free now" in str(failure.value)
    assert _files(disk.path) == []
    assert pending(disk.path, stage.plan()) == stage.plan()


def test_a_marker_that_does_not_fit_takes_its_part_with_it(tmp_path):
    with small_disk(tmp_path / "disk", "nr_inodes=7") as disk:
        # Root, log, two folders, state of the stage, part: one is left, for the item in flight.
        stage = ToyStage(disk.path, num_units=1)
        (disk.path / "toys").mkdir()
        (disk.path / "state/toy").mkdir(parents=True)
        (disk.path / "calls.log").touch()
        (disk.path / "filler").touch()
        with pytest.raises(StorageError):
            run_unit(stage, disk.path, stage.unit("u00"))
        assert _files(disk.path) == ["filler"]
        (disk.path / "filler").unlink()
        disk.resize("nr_inodes=100")
        assert run_unit(stage, disk.path, stage.unit("u00")).status is UnitStatus.DONE


def test_workers_stop_at_a_full_disk_and_the_next_run_goes_on(disk):
    stage = ToyStage(disk.path, num_units=8, num_bytes=60_000)
    with (
        pytest.raises(StorageError, match=r"for the \d units of toy that are left") as failure,
        explaining_need(disk.path, "toy", stage.plan()),
    ):
        execute(stage, stage.plan(), disk.path, Workstation(2))
    done = {marker.unit_id for marker in read_markers(disk.path, "toy")}
    assert 1 <= len(done) < 8
    need_kib = int(re.search(r"About (\d+) KiB are needed", str(failure.value))[1])
    assert need_kib == pytest.approx((8 - len(done)) * stage.num_bytes / 1024, rel=0.02)
    assert not any(name.endswith(".part") for name in _files(disk.path))
    assert len(called_units(disk.path)) < 8  # the others were not even tried

    disk.resize("size=8m")
    before = len(called_units(disk.path))
    reports = execute(stage, stage.plan(), disk.path, Workstation(2))
    assert {report.status for report in reports} == {UnitStatus.DONE}
    assert len(called_units(disk.path)) - before == 8 - len(done)


def test_the_driver_finds_the_disk_full_too(disk):
    # The unit dies, and the strike against its item cannot be written down.
    stage = ToyStage(disk.path, {"a": "exit"}, items={"u00": ["a"]}, num_units=1)
    (disk.path / "state/toy").mkdir(parents=True)
    (disk.path / "state/toy/u00.inflight").touch()
    pool = ChildPool(replace(stage, behaviour={"a": "fill and exit"}), disk.path, 1)
    try:
        with pytest.raises(StorageError, match="running toy/u00"):
            pool.submit(stage.unit("u00")).result()
    finally:
        pool.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_what_the_system_says_is_found_behind_other_errors(tmp_path, number):
    error = ValueError("wrapped")
    error.__cause__ = OSError(number, "no")
    assert is_storage_error(error, tmp_path)


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "x"), OSError("8 requested and 4 written"), ValueError("x"), None]
)
def test_other_errors_are_left_alone(tmp_path, error):
    assert not is_storage_error(error, tmp_path)
    if error is not None:
        with pytest.raises(type(error)), storage_errors(tmp_path, "testing"):
            raise error
