"""The one Beam transform that runs every stage: units in, reports out.

Beam carries units and files carry data: no image and no descriptor ever travels through a
pipeline, so that memory, coders and shuffles of an engine never matter.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from pipelines.child_pool import ChildPool
from pipelines.run_unit import run_unit
from pipelines.units import Report, Stage, Unit


class RunUnits(beam.PTransform):
    """Run units of one stage on whatever engine the pipeline has.

    Input is the start of a pipeline, output one collection with a `Report` for each unit. An
    ordinary exception, and with isolation a crash or a hang as well, becomes a failed report.

    Args:
        stage: whose `run` is called.
        run_dir: the run folder, as the workers see it.
        units: what to run.
        num_children: worker processes on this machine; 0 runs the units where the engine calls,
            as an engine that has workers of its own wants it.
    """

    def __init__(
        self, stage: Stage, run_dir: Path, units: Sequence[Unit], num_children: int = 0
    ) -> None:
        super().__init__()
        self._stage = stage
        self._run_dir = run_dir
        self._units = list(units)
        self._num_children = num_children

    def expand(self, pipeline: beam.Pipeline) -> beam.pvalue.PCollection[Report]:
        """Build the steps."""
        reports: beam.pvalue.PCollection[Report]
        units = pipeline | "Units" >> beam.Create(self._units, reshuffle=False)
        if self._num_children:
            # The pool hands out units itself, in the order of the plan: no reshuffle.
            run_in_children = _RunInChildren(self._stage, self._run_dir, self._num_children)
            reports = units | "Run in children" >> beam.ParDo(run_in_children)
        else:
            run_here = partial(run_unit, self._stage, self._run_dir)
            reports = units | "Spread" >> beam.Reshuffle() | "Run" >> beam.Map(run_here)
        return reports


class _RunInChildren(beam.DoFn):
    """Queue the units of a bundle for the child processes, then wait for all the reports.

    A bundle is queued whole so that a free child takes the next unit: one expensive unit holds up
    one child, not the share of the units that was dealt to it in advance.
    """

    def __init__(self, stage: Stage, run_dir: Path, num_children: int) -> None:
        self._stage = stage
        self._run_dir = run_dir
        self._num_children = num_children

    def setup(self) -> None:
        self._pool = ChildPool(self._stage, self._run_dir, self._num_children)

    def start_bundle(self) -> None:
        self._reports: list[Future[Report]] = []

    def process(self, unit: Unit) -> None:
        self._reports.append(self._pool.submit(unit))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for report in self._reports:
            yield GlobalWindows.windowed_value(report.result())

    def teardown(self) -> None:
        self._pool.close()
