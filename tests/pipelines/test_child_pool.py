import json

import pytest
from pipelines_helpers import ToyStage, UnimportableStage, called_units, read_calls

from pipelines.child import WorkerStartError
from pipelines.child_pool import ChildPool
from pipelines.in_flight import WHOLE_UNIT, Crash, record_crash
from pipelines.markers import CRASHES_SUFFIX, read_marker
from pipelines.run_unit import run_unit
from pipelines.units import UnitStatus


def _run(stage, num_children=1):
    """Run the whole plan of a stage; return the reports by unit."""
    pool = ChildPool(stage, stage.run_dir, num_children)
    try:
        futures = [pool.submit(unit) for unit in stage.plan()]
        return {report.unit_id: report for report in (future.result() for future in futures)}
    finally:
        pool.close()


def _rows(run_dir, unit_id):
    return json.loads((run_dir / f"toys/{unit_id}.json").read_text())


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("signal SIGSEGV", "the worker was killed by SIGSEGV"),
        ("signal SIGKILL", "use fewer workers"),
        ("exit", "the worker exited with status 3"),
    ],
)
def test_a_crash_without_an_item_fails_its_unit_only(tmp_path, behaviour, reason):
    stage = ToyStage(tmp_path, behaviour={"u01": behaviour}, num_units=3)
    reports = _run(stage)
    assert reason in reports["u01"].error
    assert "no item was in flight" in reports["u01"].error
    assert "2 workers ended like that" in reports["u01"].error
    assert reports["u01"] == read_marker(tmp_path, stage.unit("u01")).as_report()
    assert [reports[name].status for name in ("u00", "u02")] == [UnitStatus.DONE] * 2
    assert called_units(tmp_path) == ["u00", "u01", "u01", "u02"]


def test_a_unit_whose_worker_was_killed_once_is_not_lost(tmp_path):
    stage = ToyStage(tmp_path, {"u00": "once SIGKILL"}, num_units=1)
    assert _run(stage)["u00"].status is UnitStatus.DONE
    assert called_units(tmp_path) == ["u00", "u00"]


def test_a_unit_that_always_kills_its_worker_fails_in_each_run_and_never_goes_on_for_ever(tmp_path):
    stage = ToyStage(tmp_path, {"u00": "exit"}, num_units=1)
    for num_runs in (1, 2):
        assert _run(stage)["u00"].status is UnitStatus.FAILED
        assert len(called_units(tmp_path)) == 2 * num_runs


def test_deaths_before_a_restart_count_after_it(tmp_path):
    stage = ToyStage(tmp_path, {"u00": "exit"}, num_units=1)
    unit = stage.unit("u00")
    record = unit.state_path(tmp_path, CRASHES_SUFFIX)
    record_crash(record, unit.fingerprint, WHOLE_UNIT, Crash("died as the driver did"))
    assert _run(stage)["u00"].status is UnitStatus.FAILED
    assert called_units(tmp_path) == ["u00"]


def test_an_item_in_flight_at_deaths_in_several_runs_is_given_up_in_the_end(tmp_path):
    # Each run ends with its driver, so that none of them sees the worker die twice.
    stage = ToyStage(tmp_path, {"a": "signal SIGSEGV"}, items={"u00": ["a"]}, num_units=1)
    unit = stage.unit("u00")
    record = unit.state_path(tmp_path, CRASHES_SUFFIX)
    record_crash(record, unit.fingerprint, "a", Crash("SIGSEGV"))
    assert _run(stage)["u00"].counts == {"items": 1, "crashed": 1}
    assert called_units(tmp_path) == ["u00", "u00"]


def test_a_hang_without_an_item_fails_its_unit_only(tmp_path):
    stage = ToyStage(tmp_path, behaviour={"u00": "hang"}, num_units=2, timeout_seconds=0.5)
    reports = _run(stage)
    assert reports["u00"].error == "no end within 0.5 s; no item was in flight"
    assert reports["u01"].status is UnitStatus.DONE


def test_an_item_in_flight_is_not_blamed_when_the_unit_as_a_whole_takes_too_long(tmp_path):
    stage = ToyStage(
        tmp_path, {"a": "hang"}, items={"u00": ["a"]}, num_units=1, timeout_seconds=0.5
    )
    assert _run(stage)["u00"].error == "no end within 0.5 s; in flight: a"
    assert called_units(tmp_path) == ["u00"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("signal SIGSEGV", "the worker was killed by SIGSEGV (Segmentation fault)"),
        ("signal SIGABRT", "the worker was killed by SIGABRT (Aborted)"),
        ("exit", "the worker exited with status 3"),
        ("hang", "no answer within the time limit of one item"),
    ],
)
def test_an_item_that_stops_workers_is_recorded_and_the_rest_is_done(tmp_path, behaviour, reason):
    stage = ToyStage(
        tmp_path,
        behaviour={"bad": behaviour},
        items={"u00": ["good", "bad", "fine"]},
        num_units=1,
        item_timeout_seconds=0.3,
    )
    report = _run(stage)["u00"]
    assert report.status is UnitStatus.DONE
    assert report.counts == {"items": 3, "crashed": 1}
    assert _rows(tmp_path, "u00") == {"good": "ok", "bad": reason, "fine": "ok", "setting": "1"}


def test_several_bad_items_of_a_unit_are_found_one_after_the_other(tmp_path):
    behaviour = {"a": "signal SIGSEGV", "c": "exit"}
    stage = ToyStage(tmp_path, behaviour, items={"u00": ["a", "b", "c", "d"]}, num_units=1)
    assert _run(stage)["u00"].counts == {"items": 4, "crashed": 2}
    assert len(called_units(tmp_path)) == 5


def test_an_item_that_was_unlucky_once_is_not_lost(tmp_path):
    calm = ToyStage(tmp_path / "calm", items={"u00": ["a", "b"]}, num_units=1)
    calm.run_dir.mkdir()
    run_unit(calm, calm.run_dir, calm.unit("u00"))
    stormy = ToyStage(tmp_path, {"b": "once SIGKILL"}, items=calm.items, num_units=1)
    assert _run(stormy)["u00"].counts["crashed"] == 0
    assert called_units(tmp_path) == ["u00", "u00"]
    assert _rows(tmp_path, "u00") == _rows(calm.run_dir, "u00")


def test_a_unit_done_again_gives_the_crashed_item_the_same_row(tmp_path):
    stage = ToyStage(tmp_path, {"a": "exit"}, items={"u00": ["a"]}, num_units=1)
    _run(stage)
    rows = _rows(tmp_path, "u00")
    (tmp_path / "toys/u00.json").unlink()
    _run(stage)
    assert _rows(tmp_path, "u00") == rows
    assert len(called_units(tmp_path)) == 4


def test_a_unit_in_which_everything_crashes_fails_and_starts_afresh(tmp_path):
    items = [f"i{number:02d}" for number in range(30)]
    stage = ToyStage(tmp_path, dict.fromkeys(items, "exit"), items={"u00": items}, num_units=1)
    report = _run(stage)["u00"]
    assert report.status is UnitStatus.FAILED
    assert "in flight: i25. More than 25 items stopped a worker" in report.error
    assert not (tmp_path / "state/toy/u00.crashes").exists()


def test_an_exception_is_not_tried_again(tmp_path):
    stage = ToyStage(tmp_path, {"a": "raise"}, items={"u00": ["a"]}, num_units=1)
    assert _run(stage)["u00"].error.startswith("ValueError: a is bad")
    assert called_units(tmp_path) == ["u00"]


def test_a_long_unit_holds_up_one_worker_only(tmp_path):
    # The first unit ends when all others have begun, which a fixed deal would never let happen.
    _run(ToyStage(tmp_path, {"u00": "await 6"}, num_units=6), num_children=2)
    pids = {unit_id: pid for unit_id, pid, _ in read_calls(tmp_path)}
    others = {pids[unit_id] for unit_id in pids if unit_id != "u00"}
    assert len(others) == 1
    assert pids["u00"] not in others


def test_no_more_workers_start_than_there_are_units(tmp_path):
    stage = ToyStage(tmp_path, {"u00": "await 2", "u01": "await 2"}, num_units=2)
    pool = ChildPool(stage, tmp_path, num_children=8)
    try:
        for future in [pool.submit(unit) for unit in stage.plan()]:
            future.result()
        assert len(pool._children) == 2
    finally:
        pool.close()


def test_a_stage_that_no_worker_can_load_is_an_error_of_the_run(tmp_path):
    with pytest.raises(WorkerStartError, match=r"stage toy: .* exited with status 1"):
        _run(UnimportableStage(tmp_path))
