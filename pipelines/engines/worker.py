"""What runs in the workers of an engine that has machines of its own."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam

from pipelines.attempts import run_attempt
from pipelines.child_pool import ChildPool
from pipelines.engines.shared_folder import check_token
from pipelines.run_unit import run_unit
from pipelines.units import Report, Stage, Unit


class RunOnWorker(beam.DoFn):
    """Run each unit in a child process of the worker, so that a crash costs one image.

    The report is handed on at once and not when the bundle ends: there are engines that lose what
    comes then.

    Args:
        stage: whose `run` is called.
        run_dir: the run folder, at the same path on all machines.
        token: what `write_token` has left there.
    """

    def __init__(self, stage: Stage, run_dir: Path, token: str) -> None:
        self._stage = stage
        self._run_dir = run_dir
        self._token = token

    def setup(self) -> None:
        """Make the pool; its process starts with the first unit."""
        self._pool: ChildPool | None = None
        # Python forbids children to daemonic processes. Without them a crash costs the unit.
        if self._stage.isolate and not multiprocessing.current_process().daemon:
            self._pool = ChildPool(self._stage, self._run_dir, 1)

    def process(self, unit: Unit) -> Iterator[Report]:
        """Run the unit.

        Raises:
            SharedFolderError: this worker does not see the run folder.
            WorkerStartError: the child process cannot load the stage.
        """
        check_token(self._run_dir, self._token)
        yield run_attempt(self._run_dir, unit, self._run)

    def teardown(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.close()

    def _run(self, unit: Unit) -> Report:
        if self._pool is None:
            return run_unit(self._stage, self._run_dir, unit)
        return self._pool.submit(unit).result()
