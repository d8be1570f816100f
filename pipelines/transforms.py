"""The one Beam transform that runs every stage: units in, reports out.

Beam carries units and files carry data: no image and no descriptor ever travels through a
pipeline, so that memory, coders and shuffles of an engine never matter.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from pipelines.child_pool import ChildPool
from pipelines.run_unit import run_unit
from pipelines.units import Report, Stage, Unit


class RunUnits(beam.PTransform):
    """Run units of one stage on whatever engine the pipeline has.

    Input is the start of a pipeline, output one collection with a `Report` for each unit.

    Args:
        units: what to run.
        run: makes a report of each unit; `RunHere`, `RunInChildren`, or
            `pipelines.engines.worker.RunOnWorker`.
        spread: let the engine deal out the units; otherwise they arrive in the order of the plan.
        hints: resource hints for the machines that run the units.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        run: beam.DoFn,
        *,
        spread: bool = True,
        hints: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._units = list(units)
        self._run = run
        self._spread = spread
        self._hints = dict(hints or {})

    def expand(self, pipeline: beam.Pipeline) -> beam.pvalue.PCollection[Report]:
        """Build the steps."""
        units = pipeline | "Units" >> beam.Create(self._units, reshuffle=False)
        if self._spread:
            units = units | "Spread" >> beam.Reshuffle()
        run = beam.ParDo(self._run).with_output_types(Report)
        reports: beam.pvalue.PCollection[Report]
        reports = units | "Run" >> run.with_resource_hints(**self._hints)
        return reports


class RunHere(beam.DoFn):
    """Run each unit in the process in which the engine calls; a crash ends that process."""

    def __init__(self, stage: Stage, run_dir: Path) -> None:
        self._stage = stage
        self._run_dir = run_dir

    def process(self, unit: Unit) -> Iterator[Report]:
        """Run the unit; any exception becomes a failed report."""
        yield run_unit(self._stage, self._run_dir, unit)


class RunInChildren(beam.DoFn):
    """Queue the units of a bundle for the child processes, then wait for all the reports.

    A bundle is queued whole so that a free child takes the next unit: one expensive unit holds up
    one child, not the share of the units that was dealt to it in advance. A crash or a hang of a
    child becomes a failed report.
    """

    def __init__(self, stage: Stage, run_dir: Path, num_children: int) -> None:
        self._stage = stage
        self._run_dir = run_dir
        self._num_children = num_children

    def setup(self) -> None:
        """Make the pool; its processes start with the first units."""
        self._pool = ChildPool(self._stage, self._run_dir, self._num_children)

    def start_bundle(self) -> None:
        """Begin with nothing queued."""
        self._reports: list[Future[Report]] = []

    def process(self, unit: Unit) -> None:
        """Queue the unit."""
        self._reports.append(self._pool.submit(unit))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Wait for the reports, in the order of the units."""
        for report in self._reports:
            yield GlobalWindows.windowed_value(report.result())

    def teardown(self) -> None:
        """End the processes."""
        self._pool.close()
