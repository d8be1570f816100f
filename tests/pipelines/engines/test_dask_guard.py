"""The guard lets through what the DaskRunner does right, and nothing else."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.userstate import BagStateSpec
from apache_beam.transforms.window import FixedWindows
from pipelines_helpers import ToyStage

from pipelines.engines.dask_guard import DaskShapeError, check_dask_pipeline
from pipelines.engines.engine import build_remote_pipeline
from pipelines.engines.workstation import Workstation


def _numbers(pipeline):
    return pipeline | "Numbers" >> beam.Create([("a", 1), ("b", 2)])


def _check(build):
    pipeline = beam.Pipeline(runner="FnApiRunner", options=PipelineOptions([]))
    build(pipeline)
    check_dask_pipeline(pipeline)


def _swap(pair):
    return pair[1], pair[0]


class _AtTheEnd(beam.DoFn):
    def process(self, element):
        pass

    def finish_bundle(self):
        yield


class _Inherited(_AtTheEnd):
    pass


class _Stateful(beam.DoFn):
    STATE = beam.DoFn.StateParam(BagStateSpec("state", beam.coders.VarIntCoder()))

    def process(self, element, state=STATE):
        yield element


class _OwnParDo(beam.ParDo):
    """The DaskRunner looks for the very class, and ignores this one."""


class _Inside(beam.PTransform):
    def expand(self, numbers):
        return numbers | "Fine" >> beam.Map(_swap) | "Deep" >> beam.ParDo(_AtTheEnd())


def _two_ends(pipeline):
    numbers = _numbers(pipeline)
    numbers | "One" >> beam.Map(_swap)
    numbers | "Other" >> beam.Map(_swap)


def _tagged(pipeline):
    outputs = _numbers(pipeline) | "Tagged" >> beam.ParDo(_swap).with_outputs("odd", main="even")
    (outputs.odd, outputs.even) | beam.Flatten()


def _dead_letters(pipeline):
    good, bad = _numbers(pipeline) | "Try" >> beam.Map(_swap).with_exception_handling()
    (good, bad) | beam.Flatten()


ALLOWED = {
    "linear": lambda p: _numbers(p) | beam.Reshuffle() | beam.Map(_swap),
    "grouped": lambda p: _numbers(p) | beam.GroupByKey() | beam.Map(_swap),
    "flat": lambda p: (p | "A" >> beam.Create([1]), p | "B" >> beam.Create([2])) | beam.Flatten(),
}

REFUSED = {
    "an end of a bundle": (lambda p: _numbers(p) | "X" >> beam.ParDo(_AtTheEnd()), "'X'.*finish_b"),
    "one inherited": (lambda p: _numbers(p) | "X" >> beam.ParDo(_Inherited()), "'X'.*finish_b"),
    "inside a composite": (lambda p: _numbers(p) | "X" >> _Inside(), "'X/Deep'.*finish_bundle"),
    "state": (lambda p: _numbers(p) | "X" >> beam.ParDo(_Stateful()), "'X'.*state"),
    "tags": (_tagged, "Tagged.*tagged outputs"),
    "dead letters": (_dead_letters, "Try.*tagged outputs"),
    "two ends": (_two_ends, "has 2: One.*, Other"),
    "no end": (lambda p: None, "has 0"),
    "a class of one's own": (lambda p: _numbers(p) | "X" >> _OwnParDo(_Inherited()), "_OwnParDo"),
    "windows": (lambda p: _numbers(p) | "X" >> beam.WindowInto(FixedWindows(1)), "WindowInto"),
    "batches": (lambda p: _numbers(p) | "X" >> beam.BatchElements(), "'X.*finish_bundle"),
    "a file": (lambda p: p | "X" >> beam.io.ReadFromText(__file__), "'X/"),
}


@pytest.mark.parametrize("build", ALLOWED.values(), ids=ALLOWED)
def test_what_the_runner_does_right_passes(build):
    _check(build)


@pytest.mark.parametrize(("build", "complaint"), REFUSED.values(), ids=REFUSED)
def test_what_it_would_lose_is_refused_by_name(build, complaint):
    with pytest.raises(DaskShapeError, match=complaint):
        _check(build)


def test_the_pipeline_of_a_step_passes(tmp_path):
    stage = ToyStage(tmp_path)
    check_dask_pipeline(build_remote_pipeline(stage, stage.plan(), tmp_path, []))


def test_that_of_the_workstation_does_not(tmp_path):
    stage = ToyStage(tmp_path)
    with pytest.raises(DaskShapeError, match=r"toy/Run.*finish_bundle"):
        check_dask_pipeline(Workstation(2).build(stage, stage.plan(), tmp_path))
