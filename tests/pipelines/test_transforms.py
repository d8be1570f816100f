import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from pipelines_helpers import ToyStage

from pipelines.transforms import RunUnits


def _pipeline():
    return beam.Pipeline(runner="FnApiRunner", options=PipelineOptions([]))


@pytest.mark.parametrize("num_children", [0, 2])
def test_each_unit_gives_one_report(tmp_path, num_children):
    stage = ToyStage(tmp_path, {"u02": "raise"}, items={"u01": ["a"]}, num_units=3)
    with _pipeline() as pipeline:
        reports = pipeline | RunUnits(stage, tmp_path, stage.plan(), num_children)
        seen = reports | beam.Map(lambda r: (r.unit_id, str(r.status), r.counts.get("items")))
        assert_that(
            seen, equal_to([("u00", "done", 0), ("u01", "done", 1), ("u02", "failed", None)])
        )


def test_with_children_a_crash_is_a_failed_report(tmp_path):
    stage = ToyStage(tmp_path, {"u00": "signal SIGSEGV"}, num_units=2)
    with _pipeline() as pipeline:
        reports = pipeline | RunUnits(stage, tmp_path, stage.plan(), num_children=1)
        seen = reports | beam.Map(lambda report: (report.unit_id, str(report.status)))
        assert_that(seen, equal_to([("u00", "failed"), ("u01", "done")]))
