"""Beam's DaskRunner for real: worker processes on loopback, crashes and losses included."""

import os
import signal
import threading
from pathlib import Path

import pytest
from command_line import PATIENCE_SECONDS, wait_until
from pipelines_helpers import ToyStage, called_units, read_calls

from pipelines.attempts import MAX_ATTEMPTS
from pipelines.engines import dask_cluster
from pipelines.engines.dask_cluster import open_dask
from pipelines.engines.engine import EngineError
from pipelines.engines.settings import DaskSettings
from pipelines.engines.workstation import Workstation
from pipelines.markers import output_digests
from pipelines.runners import execute, open_engine
from pipelines.settings import RunnerSettings
from pipelines.units import UnitStatus

MISSING = "the optional extra `dask` is not installed"
dask_config = pytest.importorskip("dask.config", reason=MISSING)
Client = pytest.importorskip("distributed", reason=MISSING).Client


@pytest.fixture(scope="module")
def started():
    """Two worker processes, shared by the tests: a start takes seconds."""
    with open_dask(DaskSettings(), 2, ()) as cluster:
        yield cluster


@pytest.fixture
def cluster(started):
    """The cluster with both of its workers, whatever the test before has done to them."""
    _wait_for_both(started)
    return started


@pytest.fixture
def own_cluster():
    """A cluster that may come to harm: Dask does not always replace a worker that is lost often."""
    with open_dask(DaskSettings(), 2, ()) as cluster:
        _wait_for_both(cluster)
        yield cluster


def _wait_for_both(cluster):
    with Client(cluster.scheduler) as client:
        client.wait_for_workers(2, timeout=PATIENCE_SECONDS)


def _worker_pids(cluster):
    with Client(cluster.scheduler) as client:
        return set(client.run(os.getpid).values())


def _list_ancestors(pid):
    """A unit runs in a child of the process that Dask knows."""
    ancestors = []
    while pid > 1:
        status = Path(f"/proc/{pid}/status").read_text()
        pid = int(status.split("PPid:")[1].split()[0])
        ancestors.append(pid)
    return ancestors


def _folder(path):
    path.mkdir()
    return path


def test_the_bytes_are_those_of_the_workstation_and_two_processes_made_them(cluster, tmp_path):
    items = {"u00": ["a", "b"], "u03": ["c"]}
    both_wait = {"u00": "await 2", "u01": "await 2"}
    digests = []
    for name, engine in (("here", Workstation(2)), ("dask", cluster)):
        run_dir = _folder(tmp_path / name)
        stage = ToyStage(run_dir, both_wait, items, num_units=5)
        reports = execute(stage, stage.plan(), run_dir, engine)
        assert {report.status for report in reports} == {UnitStatus.DONE}
        digests.append(output_digests(run_dir, "toy"))
        pids = {pid for _, pid, _ in read_calls(run_dir)}
        assert len(pids) >= 2
        assert not pids & {os.getpid(), *_worker_pids(cluster)}
    assert len(digests[0]) == 5
    assert digests[0] == digests[1]


def test_a_crash_costs_one_item_as_on_the_workstation(cluster, tmp_path):
    stage = ToyStage(tmp_path, {"bad": "signal SIGSEGV"}, {"u01": ["good", "bad"]}, num_units=3)
    before = _worker_pids(cluster)
    reports = execute(stage, stage.plan(), tmp_path, cluster)
    assert [(r.status, r.counts["crashed"]) for r in reports] == [
        (UnitStatus.DONE, 0),
        (UnitStatus.DONE, 1),
        (UnitStatus.DONE, 0),
    ]
    assert _worker_pids(cluster) == before


def test_a_killed_worker_loses_nothing(own_cluster, tmp_path):
    # Whichever unit comes first is still at work when its worker is killed.
    names = [f"u{number:02d}" for number in range(6)]
    stage = ToyStage(tmp_path, dict.fromkeys(names, "sleep 1"), num_units=6)
    before = _worker_pids(own_cluster)
    victims = []

    def kill():
        wait_until(lambda: len(read_calls(tmp_path)) >= 1)
        busy = _list_ancestors(read_calls(tmp_path)[0][1])
        victims.extend(before & set(busy))
        os.kill(victims[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    reports = execute(stage, stage.plan(), tmp_path, own_cluster)
    killer.join()
    assert {report.status for report in reports} == {UnitStatus.DONE}
    assert len(called_units(tmp_path)) > 6
    assert not list((tmp_path / "state" / "toy").glob("*.attempts"))
    _wait_for_both(own_cluster)
    assert victims[0] not in _worker_pids(own_cluster)


def test_a_unit_that_takes_its_worker_with_it_is_given_up_and_the_others_are_done(
    own_cluster, tmp_path
):
    # Not isolated: the unit's end is the end of the Dask worker.
    stage = ToyStage(tmp_path, {"u01": "signal SIGKILL"}, num_units=4, isolate=False)
    reports = execute(stage, stage.plan(), tmp_path, own_cluster)
    done, failed = UnitStatus.DONE, UnitStatus.FAILED
    assert [report.status for report in reports] == [done, failed, done, done]
    assert f"lost {MAX_ATTEMPTS} times" in reports[1].error
    assert called_units(tmp_path).count("u01") == MAX_ATTEMPTS


def test_what_a_worker_complains_of_is_in_the_reports(cluster, tmp_path):
    # The first unit takes the token away; the other worker may be past its look at it.
    names = [f"u{number:02d}" for number in range(8)]
    stage = ToyStage(tmp_path, dict.fromkeys(names, "remove .shared"), num_units=8)
    reports = execute(stage, stage.plan(), tmp_path, cluster)
    failed = [report for report in reports if report.status is UnitStatus.FAILED]
    assert len(failed) >= 6
    for report in failed:
        assert "is not the run folder of the machine that started the job" in report.error


def test_a_cluster_of_ones_own_is_reached_by_its_address(cluster):
    settings = RunnerSettings.model_validate(
        {"engine": "dask", "dask": {"scheduler": cluster.scheduler}}
    )
    with open_engine(settings) as engine:
        assert engine.description == f"Dask at {cluster.scheduler} (workers: 2)"
    # The cluster is not ours to end.
    assert len(_worker_pids(cluster)) == 2


def test_workers_of_another_version_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CODE_VERSION", "0.0.0")
    settings = DaskSettings(scheduler=cluster.scheduler)
    with pytest.raises(EngineError, match=r"worker tcp://.* has cleanmark .*; here it is 0\.0\.0"):
        open_dask(settings, 1, ()).__enter__()


def test_an_address_at_which_nobody_answers_is_refused():
    settings = DaskSettings(scheduler="tcp://127.0.0.1:9")
    with (
        dask_config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(EngineError, match=r"runner\.dask\.scheduler: tcp://127\.0\.0\.1:9"),
        open_dask(settings, 1, ()),
    ):
        pass
