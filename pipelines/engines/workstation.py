"""This machine, with all its cores: Beam's FnApiRunner, named explicitly and always in memory.

Beam's `DirectRunner` is a switch between engines: it downloads and runs another program where the
network allows it. Its `multi_processing` mode waits for ever when a worker dies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.child_pool import close_pools
from pipelines.engines.beam_options import LOCAL_RUNNER
from pipelines.engines.engine import quiet_beam, run_to_end
from pipelines.units import LimitedStage, Stage, Unit


@dataclass(frozen=True)
class Workstation:
    """Runs units in worker processes of this machine.

    Attributes:
        workers: processes, for a stage that is isolated, else threads.
        isolate: False runs all units in this process, where a debugger can follow them.
        beam_args: further options of Beam.
    """

    workers: int
    isolate: bool = True
    beam_args: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """See `pipelines.engines.engine.Engine`."""
        where = "worker processes" if self.isolate else "threads of this process"
        return f"workstation ({where}: {self.workers})"

    def run(self, stage: Stage, units: Sequence[Unit], run_dir: Path) -> None:
        """See `pipelines.engines.engine.Engine`.

        Raises:
            WorkerStartError: the worker processes cannot load the stage.
        """
        try:
            run_to_end(self.build(stage, units, run_dir))
        finally:
            close_pools()

    def build(self, stage: Stage, units: Sequence[Unit], run_dir: Path) -> Any:  # noqa: ANN401
        """The pipeline of one step, not yet run."""
        with quiet_beam():
            import apache_beam as beam
            from apache_beam.options.pipeline_options import PipelineOptions

            from pipelines.transforms import RunHere, RunInChildren, RunUnits

        num_children = self._count_children(stage)
        if num_children:
            # The pool hands out units itself, in the order of the plan.
            run_units = RunUnits(units, RunInChildren(stage, run_dir, num_children), spread=False)
        else:
            run_units = RunUnits(units, RunHere(stage, run_dir))
        num_threads = 1 if num_children else self.workers
        options = [f"--runner={LOCAL_RUNNER}", f"--direct_num_workers={num_threads}"]
        pipeline = beam.Pipeline(options=PipelineOptions([*options, *self.beam_args]))
        pipeline | stage.name >> run_units
        return pipeline

    def _count_children(self, stage: Stage) -> int:
        return count_children(stage, self.workers) if self.isolate and stage.isolate else 0


def count_children(stage: Stage, workers: int) -> int:
    """How many of the workers may run an isolated stage on this machine at the same time."""
    limit = stage.max_children if isinstance(stage, LimitedStage) else None
    return workers if limit is None else min(workers, limit)
