import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from pipelines_helpers import ToyStage

from pipelines.engines.shared_folder import write_token
from pipelines.engines.worker import RunOnWorker
from pipelines.transforms import RunHere, RunInChildren, RunUnits


def _pipeline():
    return beam.Pipeline(runner="FnApiRunner", options=PipelineOptions([]))


def _here(stage):
    return RunHere(stage, stage.run_dir)


def _in_children(stage):
    return RunInChildren(stage, stage.run_dir, num_children=2)


def _on_worker(stage):
    return RunOnWorker(stage, stage.run_dir, write_token(stage.run_dir))


@pytest.mark.parametrize("make_run", [_here, _in_children, _on_worker])
def test_each_unit_gives_one_report(tmp_path, make_run):
    stage = ToyStage(tmp_path, {"u02": "raise"}, items={"u01": ["a"]}, num_units=3)
    with _pipeline() as pipeline:
        reports = pipeline | RunUnits(stage.plan(), make_run(stage))
        seen = reports | beam.Map(lambda r: (r.unit_id, str(r.status), r.counts.get("items")))
        assert_that(
            seen, equal_to([("u00", "done", 0), ("u01", "done", 1), ("u02", "failed", None)])
        )


@pytest.mark.parametrize("make_run", [_in_children, _on_worker])
@pytest.mark.parametrize(
    ("behaviour", "reason"), [("signal SIGSEGV", "SIGSEGV"), ("hang", "no end within 1 s")]
)
def test_a_crash_or_a_hang_of_a_child_is_a_failed_report(tmp_path, make_run, behaviour, reason):
    stage = ToyStage(tmp_path, {"u00": behaviour}, num_units=2, timeout_seconds=1.0)
    with _pipeline() as pipeline:
        reports = pipeline | RunUnits(stage.plan(), make_run(stage))
        seen = reports | beam.Map(
            lambda report: (report.unit_id, str(report.status), reason in (report.error or ""))
        )
        assert_that(seen, equal_to([("u00", "failed", True), ("u01", "done", False)]))
