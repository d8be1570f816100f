import os

import pytest
from pipelines_helpers import ToyStage, UnimportableStage, called_units, read_calls

from pipelines.child import WorkerStartError
from pipelines.engines.beam_options import BeamOptionError, check_beam_args
from pipelines.engines.workstation import Workstation
from pipelines.markers import output_digests
from pipelines.runners import execute, open_engine
from pipelines.settings import RunnerSettings
from pipelines.units import PlanError, UnitStatus

TROUBLE = {
    "u01": "raise",
    "u02": "signal SIGSEGV",
    "u03": "exit",
    "u04": "hang",
}


def _execute(stage, workers=2, beam_args=(), **settings):
    settings = RunnerSettings.model_validate({"workers": workers} | settings)
    with open_engine(settings, beam_args) as engine:
        return execute(stage, stage.plan(), stage.run_dir, engine)


def test_the_next_run_does_exactly_the_failed_units_again(tmp_path):
    first = _execute(ToyStage(tmp_path, TROUBLE, num_units=6, timeout_seconds=1.0))
    assert [report.unit_id for report in first] == [f"u{number:02d}" for number in range(6)]
    failed = [report.unit_id for report in first if report.status is UnitStatus.FAILED]
    assert failed == sorted(TROUBLE)
    before = called_units(tmp_path)
    second = _execute(ToyStage(tmp_path, num_units=6))
    assert {report.status for report in second} == {UnitStatus.DONE}
    assert called_units(tmp_path) == sorted([*before, *TROUBLE])


def test_a_finished_stage_is_not_run_again(tmp_path):
    stage = ToyStage(tmp_path, num_units=2)
    first = _execute(stage)
    assert _execute(stage) == first
    assert len(called_units(tmp_path)) == 2


def test_a_changed_setting_runs_all_again(tmp_path):
    _execute(ToyStage(tmp_path, num_units=2))
    _execute(ToyStage(tmp_path, num_units=2, setting=2))
    assert called_units(tmp_path) == ["u00", "u00", "u01", "u01"]


def test_two_workers_are_two_processes_other_than_this_one(tmp_path):
    _execute(ToyStage(tmp_path, {"u00": "await 2", "u01": "await 2"}, num_units=2))
    pids = {pid for _, pid, _ in read_calls(tmp_path)}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_a_stage_that_is_not_isolated_runs_in_this_process(tmp_path):
    _execute(ToyStage(tmp_path, num_units=3, isolate=False))
    assert {pid for _, pid, _ in read_calls(tmp_path)} == {os.getpid()}


def test_the_number_of_workers_does_not_change_the_outputs(tmp_path):
    digests = []
    for workers, isolate in ((1, True), (2, True), (1, False), (2, False)):
        run_dir = tmp_path / f"{workers}{isolate}"
        run_dir.mkdir()
        items = {"u00": ["a", "b"], "u03": ["c"]}
        _execute(ToyStage(run_dir, items=items, num_units=5, isolate=isolate), workers)
        digests.append(output_digests(run_dir, "toy"))
    assert len(digests[0]) == 5
    assert digests[1:] == digests[:1] * 3


@pytest.mark.parametrize(
    ("beam_args", "reason"),
    [
        (["--runner=DirectRunner"], "may download one"),
        (["--runner", "directrunner"], "may download one"),
        (["--runner=direct"], "may download one"),
        (["--runner=apache_beam.runners.direct.direct_runner.DirectRunner"], "may download one"),
        (["--direct_running_mode=multi_processing"], "waits for ever"),
        (["--direct_running_mode", "multi_processing"], "waits for ever"),
        (["--direct_num_workers=4"], "runner.workers"),
        (
            ["--runner=apache_beam.runners.dask.dask_runner.DaskRunner"],
            "Set `runner.engine` to dask",
        ),
    ],
)
def test_options_that_would_change_or_hang_a_run_are_refused(tmp_path, beam_args, reason):
    with pytest.raises(BeamOptionError, match=reason):
        _execute(ToyStage(tmp_path), beam_args=beam_args)
    assert called_units(tmp_path) == []


def test_options_of_other_engines_pass():
    check_beam_args([])
    check_beam_args(["--runner=FnApiRunner"])
    check_beam_args(["--runner=FlinkRunner", "--flink_master=host:8081"])


def test_a_unit_that_the_engine_lost_is_reported_as_failed(tmp_path):
    # An engine that draws the pipeline and runs none of it.
    drawing = tmp_path / "pipeline.dot"
    beam_args = ["--runner=apache_beam.runners.render.RenderRunner", f"--render_output={drawing}"]
    reports = _execute(ToyStage(tmp_path, num_units=2), beam_args=beam_args)
    assert drawing.exists()
    assert [report.status for report in reports] == [UnitStatus.FAILED] * 2
    assert "without running this unit" in reports[0].error


def test_an_engine_and_a_runner_are_one_too_many(tmp_path):
    with pytest.raises(BeamOptionError, match=r"beside runner\.engine portable; give one"):
        _execute(ToyStage(tmp_path), beam_args=["--runner=FnApiRunner"], engine="portable")
    assert called_units(tmp_path) == []


@pytest.mark.parametrize("stage_isolates", [True, False])
def test_without_isolation_units_run_in_this_process(tmp_path, stage_isolates):
    _execute(ToyStage(tmp_path, num_units=2, isolate=stage_isolates), isolate=False)
    assert {pid for _, pid, _ in read_calls(tmp_path)} == {os.getpid()}


def test_the_engine_says_what_it_is():
    with open_engine(RunnerSettings(workers=3)) as engine:
        assert engine.description == "workstation (worker processes: 3)"
    with open_engine(RunnerSettings(), ["--runner", "FlinkRunner"]) as engine:
        assert engine.description == "Beam's FlinkRunner, by its own options"


def test_a_plan_with_a_clash_is_refused(tmp_path):
    stage = ToyStage(tmp_path)
    with pytest.raises(PlanError, match="unit toy/u00"):
        execute(stage, [stage.unit("u00"), stage.unit("u00")], tmp_path, Workstation(1))


def test_a_stage_that_no_worker_can_load_stops_the_run(tmp_path):
    with pytest.raises(WorkerStartError, match="could not start"):
        _execute(UnimportableStage(tmp_path))


@pytest.mark.parametrize(
    "runner", ["fnapi", "apache_beam.runners.portability.fn_api_runner.FnApiRunner"]
)
def test_the_local_engine_isolates_however_it_is_spelt(tmp_path, runner):
    stage = ToyStage(tmp_path, {"u00": "signal SIGSEGV"}, num_units=1)
    report = _execute(stage, beam_args=[f"--runner={runner}"])[0]
    assert "SIGSEGV" in report.error


@pytest.mark.parametrize("beam_args", [["emit"], ["--streaming", "a", "b"], ["--runner=X", "emit"]])
def test_a_word_that_beam_would_ignore_is_refused(beam_args):
    with pytest.raises(BeamOptionError, match=f"'{beam_args[-1]}': not accepted"):
        check_beam_args(beam_args)


def test_a_value_may_stand_after_its_option():
    check_beam_args(["--runner", "FnApiRunner", "--job_name", "mini", "--streaming"])
