"""A driver that is stopped from outside leaves no worker behind and a folder to go on from."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pipelines_helpers import ToyStage, called_units, read_calls

from pipelines.engines.workstation import Workstation
from pipelines.markers import read_markers
from pipelines.runners import execute
from pipelines.units import UnitStatus

NUM_UNITS = 4
PATIENCE_SECONDS = 120.0


def _start_driver(
    run_dir: Path, behaviour: dict[str, str], server: str = "new"
) -> subprocess.Popen[str]:
    arguments = f"{str(run_dir)!r}, {behaviour!r}, {NUM_UNITS}, {server!r}"
    code = f"import pipelines_helpers as h; h.drive({arguments})"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("number", "server"),
    [
        (signal.SIGKILL, "new"),
        (signal.SIGKILL, "copy"),
        (signal.SIGTERM, "new"),
        (signal.SIGINT, "copy"),
    ],
)
def test_a_stopped_driver_leaves_no_worker_and_the_next_run_goes_on(tmp_path, number, server):
    # Two units end at once; then both workers hang in an item.
    items = {"u02": ["a"], "u03": ["b"]}
    behaviour = {"a": "hang", "b": "hang"}
    with _start_driver(tmp_path, behaviour, server) as driver:
        _wait_until(lambda: len(read_calls(tmp_path)) == NUM_UNITS)
        _wait_until(lambda: len(read_markers(tmp_path, "toy")) == 2)
        driver.send_signal(number)
        driver.communicate(timeout=PATIENCE_SECONDS)
    assert driver.returncode == -number
    pids = {pid for _, pid, _ in read_calls(tmp_path)}
    _wait_until(lambda: not any(_is_running(pid) for pid in pids))
    assert {marker.unit_id for marker in read_markers(tmp_path, "toy")} == {"u00", "u01"}

    stage = ToyStage(tmp_path, items=items, num_units=NUM_UNITS)
    reports = execute(stage, stage.plan(), tmp_path, Workstation(2))
    assert {report.status for report in reports} == {UnitStatus.DONE}
    assert {report.counts["crashed"] for report in reports} == {0}
    assert called_units(tmp_path) == ["u00", "u01", "u02", "u02", "u03", "u03"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("server", ["new", "copy"])
def test_a_worker_that_hangs_in_c_code_dies_with_its_driver(tmp_path, server):
    # It keeps the interpreter's lock, so that no thread of its own can end it.
    behaviour = {"a": "hang in C", "b": "hang in C"}
    with _start_driver(tmp_path, behaviour, server) as driver:
        _wait_until(lambda: len(read_markers(tmp_path, "toy")) == 2)
        _wait_until(lambda: len(read_calls(tmp_path)) == NUM_UNITS)
        driver.send_signal(signal.SIGKILL)
        driver.communicate(timeout=PATIENCE_SECONDS)
    pids = {pid for _, pid, _ in read_calls(tmp_path)}
    _wait_until(lambda: not any(_is_running(pid) for pid in pids))


def _fork_server_of(driver_pid: int) -> int | None:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == driver_pid and b"resource_tracker" not in command:
            return int(entry.name)
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("server", ["new", "copy"])
def test_the_death_of_the_fork_server_costs_only_the_units_in_work(tmp_path, server):
    with _start_driver(tmp_path, {"a": "once hang", "b": "once hang"}, server) as driver:
        _wait_until(lambda: len(read_calls(tmp_path)) == NUM_UNITS)
        _wait_until(lambda: (tmp_path / "a.died").exists() and (tmp_path / "b.died").exists())
        os.kill(_fork_server_of(driver.pid), signal.SIGKILL)
        _, errors = driver.communicate(timeout=PATIENCE_SECONDS)
    assert driver.returncode == 0, errors
    markers = read_markers(tmp_path, "toy")
    assert [marker.status for marker in markers] == [UnitStatus.DONE] * NUM_UNITS
    assert {marker.counts["crashed"] for marker in markers} == {0}
    assert called_units(tmp_path) == ["u00", "u01", "u02", "u02", "u03", "u03"]


@pytest.mark.parametrize("server", ["new", "copy"])
def test_a_run_without_trouble_prints_nothing(tmp_path, server):
    with _start_driver(tmp_path, {}, server) as driver:
        _, errors = driver.communicate(timeout=PATIENCE_SECONDS)
    assert driver.returncode == 0
    assert errors == ""
    assert len(called_units(tmp_path)) == NUM_UNITS
