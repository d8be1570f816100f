import multiprocessing
import os

import pytest
from engine_workers import run_on_worker
from pipelines_helpers import ToyStage, read_calls

from pipelines.attempts import MAX_ATTEMPTS, forget_attempts, run_attempt
from pipelines.engines.shared_folder import SharedFolderError, check_token
from pipelines.markers import read_marker
from pipelines.run_unit import run_unit
from pipelines.units import UnitStatus


def test_a_worker_runs_units_in_a_child(tmp_path):
    reports = run_on_worker(ToyStage(tmp_path, num_units=2))
    assert [report.status for report in reports] == [UnitStatus.DONE] * 2
    pids = {pid for _, pid, _ in read_calls(tmp_path)}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_a_crashed_child_leaves_the_worker_alone(tmp_path):
    first, second = run_on_worker(ToyStage(tmp_path, {"u00": "signal SIGSEGV"}, num_units=2))
    assert "SIGSEGV" in first.error
    assert second.status is UnitStatus.DONE


def test_a_daemonic_worker_runs_units_itself(tmp_path):
    stage = ToyStage(tmp_path, num_units=1)
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=run_on_worker, args=(stage,), daemon=True)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    assert [pid for _, pid, _ in read_calls(tmp_path)] == [worker.pid]


def test_another_folder_at_the_same_path_is_noticed(tmp_path):
    stage = ToyStage(tmp_path, num_units=1)
    with pytest.raises(SharedFolderError, match="not the run folder of the machine that started"):
        run_on_worker(stage, token="of another folder")
    assert read_calls(tmp_path) == []
    with pytest.raises(SharedFolderError, match="mount at the same path"):
        check_token(tmp_path / "absent", "any")


def _lose_worker(run_dir, unit):
    """Leave what a worker leaves that begins a unit and dies."""
    path = unit.state_path(run_dir, ".attempts")
    with pytest.raises(KeyboardInterrupt):
        run_attempt(run_dir, unit, lambda _: _copy_and_die(path))
    path.with_suffix(".copy").rename(path)


def _copy_and_die(path):
    path.with_suffix(".copy").write_bytes(path.read_bytes())
    raise KeyboardInterrupt


def test_a_unit_that_takes_its_worker_with_it_is_given_up_with_a_reason(tmp_path):
    stage = ToyStage(tmp_path)
    unit = stage.unit("u00")
    for _ in range(MAX_ATTEMPTS):
        _lose_worker(tmp_path, unit)
    report = run_attempt(tmp_path, unit, lambda unit: run_unit(stage, tmp_path, unit))
    assert report.status is UnitStatus.FAILED
    assert f"lost {MAX_ATTEMPTS} times" in report.error
    assert read_marker(tmp_path, unit).as_report() == report
    assert read_calls(tmp_path) == []
    assert run_attempt(tmp_path, unit, lambda unit: run_unit(stage, tmp_path, unit)).error is None


def test_fewer_losses_are_forgiven_and_forgotten(tmp_path):
    stage = ToyStage(tmp_path)
    unit = stage.unit("u00")
    for _ in range(2):
        for _ in range(MAX_ATTEMPTS - 1):
            _lose_worker(tmp_path, unit)
        report = run_attempt(tmp_path, unit, lambda unit: run_unit(stage, tmp_path, unit))
        assert report.status is UnitStatus.DONE
    for _ in range(MAX_ATTEMPTS):
        _lose_worker(tmp_path, unit)
    forget_attempts(tmp_path, unit)
    report = run_attempt(tmp_path, unit, lambda unit: run_unit(stage, tmp_path, unit))
    assert report.status is UnitStatus.DONE
