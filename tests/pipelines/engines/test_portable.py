"""The job service and the worker pool that Flink and Spark use, as processes of their own.

The pool listens on all interfaces of the machine while the test runs, and runs whatever it is
sent: so does that of a cluster, which belongs on a network of its own.
"""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from command_line import wait_until
from pipelines_helpers import ToyStage, UnimportableStage, read_calls

from pipelines.engines.engine import EngineError, build_remote_pipeline, run_to_end
from pipelines.engines.portable import BeamRunner, portable_args
from pipelines.engines.settings import PortableSettings
from pipelines.engines.workstation import Workstation
from pipelines.markers import output_digests
from pipelines.runners import execute, open_engine
from pipelines.settings import RunnerSettings
from pipelines.units import UnitStatus


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _serving(module, option, log):
    """A server of Beam's, in a session of its own, until the block ends."""
    port = _free_port()
    environment = os.environ | {
        # The pool starts whatever `python` is first on the path.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }
    command = [sys.executable, "-m", module, f"{option}={port}"]
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            command, env=environment, stdout=stream, stderr=stream, start_new_session=True
        ) as process,
    ):
        try:
            wait_until(lambda: _listens(port) or process.poll() is not None)
            yield f"localhost:{port}"
        finally:
            os.killpg(process.pid, 9)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A job service and a pool that wait for work."""
    logs = tmp_path_factory.mktemp("logs")
    servers = (
        ("apache_beam.runners.portability.local_job_service_main", "--port"),
        ("apache_beam.runners.worker.worker_pool_main", "--service_port"),
    )
    with ExitStack() as stack:
        job, pool = (
            stack.enter_context(_serving(module, option, logs / option))
            for module, option in servers
        )
        portable = {"job_endpoint": job, "environment_config": pool}
        yield RunnerSettings.model_validate({"engine": "portable", "portable": portable})


def test_the_bytes_are_those_of_the_workstation_and_crashes_cost_the_same(settings, tmp_path):
    behaviour = {"bad": "signal SIGSEGV", "u02": "raise"}
    outcomes = []
    for name, runner in (("here", None), ("there", settings)):
        run_dir = tmp_path / name
        run_dir.mkdir()
        stage = ToyStage(run_dir, behaviour, {"u01": ["good", "bad"]}, num_units=4)
        if runner is None:
            reports = execute(stage, stage.plan(), run_dir, Workstation(2))
        else:
            with open_engine(runner) as engine:
                reports = execute(stage, stage.plan(), run_dir, engine)
        outcomes.append(([(r.status, r.counts) for r in reports], output_digests(run_dir, "toy")))
        assert os.getpid() not in {pid for _, pid, _ in read_calls(run_dir)}
    assert outcomes[0] == outcomes[1]
    statuses = [status for status, _ in outcomes[0][0]]
    assert statuses == [UnitStatus.DONE, UnitStatus.DONE, UnitStatus.FAILED, UnitStatus.DONE]


def test_a_worker_without_the_run_folder_ends_the_job_and_says_so(tmp_path):
    stage = ToyStage(tmp_path, num_units=1)
    pipeline = build_remote_pipeline(stage, stage.plan(), tmp_path, ["--runner=FnApiRunner"])
    (tmp_path / ".shared").unlink()
    with pytest.raises(RuntimeError, match="is not the run folder of the machine that started"):
        run_to_end(pipeline)
    assert read_calls(tmp_path) == []


def test_what_an_engine_complains_of_is_in_the_reports(tmp_path):
    stage = UnimportableStage(tmp_path, num_units=1)
    (report,) = execute(stage, stage.plan(), tmp_path, BeamRunner("any", ("--runner=FnApiRunner",)))
    assert report.status is UnitStatus.FAILED
    assert "without running this unit" in report.error
    assert "a worker process could not start" in report.error


def test_an_address_at_which_nobody_answers_is_refused():
    portable = {"job_endpoint": f"localhost:{_free_port()}", "environment_config": "localhost:1"}
    settings = RunnerSettings.model_validate({"engine": "portable", "portable": portable})
    with pytest.raises(EngineError, match="nobody answers at localhost"), open_engine(settings):
        pass


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "portable.job_endpoint"),
        ({"job_endpoint": "host:1"}, "environment_type EXTERNAL needs"),
        ({"job_endpoint": "host:1", "environment_type": "DOCKER"}, "environment_type DOCKER"),
    ],
)
def test_what_is_missing_is_named(given, missing):
    with pytest.raises(EngineError, match=missing):
        portable_args(PortableSettings(**given))


def test_the_options_name_service_and_workers():
    settings = PortableSettings(job_endpoint="host:8099", environment_config="pool:50000")
    assert portable_args(settings) == [
        "--runner=PortableRunner",
        "--job_endpoint=host:8099",
        "--environment_type=EXTERNAL",
        "--environment_config=pool:50000",
    ]
    loopback = PortableSettings(job_endpoint="host:8099", environment_type="LOOPBACK")
    assert portable_args(loopback)[-1] == "--environment_type=LOOPBACK"
