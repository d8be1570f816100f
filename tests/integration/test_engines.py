"""The tiny job on every engine that runs here: the same bytes, and nothing heavy in a pipeline."""

import pytest
from element_sizes import MeasuringWorkstation, read_sizes
from stage_runs import read_outputs
from tiny_run import run_tiny_job

from manifests.manifest_json import read_manifest
from pipelines.engines.workstation import Workstation
from pipelines.fork_server import start_fork_server
from pipelines.job import build_steps
from pipelines.run_folder import write_config
from pipelines.runners import execute
from pipelines.settings import RunnerSettings
from pipelines.units import UnitStatus

RUNNERS = {
    "one worker": {"workers": 1},
    "two workers": {"workers": 2},
    "four workers": {"workers": 4},
    "in this process": {"workers": 1, "isolate": False},
    "threads of this process": {"workers": 2, "isolate": False},
    "dask": {"workers": 2, "engine": "dask"},
}
MAX_ELEMENT_BYTES = 4096


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)
def test_every_engine_writes_the_same_bytes(tiny_run, tmp_path, runner):
    if runner.get("engine") == "dask":
        pytest.importorskip("distributed", reason="the optional extra `dask` is not installed")
    settings = RunnerSettings.model_validate(runner)
    run_tiny_job(tiny_run.config.model_copy(update={"runner": settings}), tmp_path)
    digests = [
        read_manifest(run_dir / "manifests/manifest.json").digests
        for run_dir in (tmp_path, tiny_run.run_dir)
    ]
    assert digests[0]
    assert digests[0] == digests[1]
    assert read_outputs(tmp_path) == read_outputs(tiny_run.run_dir)


@pytest.mark.parametrize("isolate", [True, False])
def test_no_collection_holds_an_image_or_a_descriptor(tiny_run, tmp_path, isolate):
    start_fork_server(["pytest"])
    run_dir, log = tmp_path / "run", tmp_path / "sizes.log"
    write_config(run_dir, tiny_run.config)
    engine = MeasuringWorkstation(Workstation(2, isolate=isolate), log)
    num_units = 0
    for stage in build_steps(tiny_run.config, run_dir):
        units = stage.plan()
        reports = execute(stage, units, run_dir, engine)
        assert {report.status for report in reports} <= {UnitStatus.DONE}
        num_units += len(units)
    sizes = read_sizes(log)
    runs = [
        size for label, found in sizes.items() if label.endswith("/Run[None]") for size in found
    ]
    assert len(runs) == num_units
    assert {label.split("/")[0] for label in sizes} == {
        step.name for step in build_steps(tiny_run.config, run_dir) if step.plan()
    }
    assert max(size for found in sizes.values() for size in found) < MAX_ELEMENT_BYTES
