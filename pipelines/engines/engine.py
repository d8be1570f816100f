"""What every engine offers, and how the pipeline of a step is made and run quietly."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from manifests.input_error import InputError
from pipelines.engines.shared_folder import write_token
from pipelines.importing import uncollected
from pipelines.units import Stage, Unit


class EngineError(InputError):
    """An engine that cannot be used as it is set up, and what to do."""


class Engine(Protocol):
    """Runs the units of one step after the other.

    Attributes:
        description: what a person is told: the engine, and how much of it.
    """

    @property
    def description(self) -> str: ...  # noqa: D102  (described above)

    def run(self, stage: Stage, units: Sequence[Unit], run_dir: Path) -> str | None:
        """Run the units; what became of them is in their markers.

        Returns:
            Why the engine ended early, if it did.
        """
        ...


@contextmanager
def quiet_beam() -> Iterator[None]:
    """Import Beam without its warnings and without looking for garbage; keep it quiet afterwards.

    It warns of Google clients that are not installed and of threads in memory, and it logs with
    a traceback every exception that it then raises.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with uncollected():
            yield
    finally:
        logging.disable(before)
    logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)


def build_remote_pipeline(
    stage: Stage,
    units: Sequence[Unit],
    run_dir: Path,
    beam_args: Sequence[str],
    hints: Mapping[str, str] | None = None,
) -> Any:  # noqa: ANN401  (Beam is not typed)
    """The pipeline of one step for workers on other machines, not yet run.

    Args:
        stage: whose units these are.
        units: what to run.
        run_dir: the run folder, at the same path on all machines.
        beam_args: Beam's options.
        hints: resource hints for the machines that run the units.
    """
    with quiet_beam():
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions

        from pipelines.engines.worker import RunOnWorker
        from pipelines.transforms import RunUnits

    run_dir.mkdir(parents=True, exist_ok=True)
    run = RunOnWorker(stage, run_dir, write_token(run_dir))
    pipeline = beam.Pipeline(options=PipelineOptions(list(beam_args)))
    pipeline | stage.name >> RunUnits(units, run, hints=hints)
    return pipeline


def run_to_end(pipeline: Any) -> None:  # noqa: ANN401  (Beam is not typed)
    """Run a pipeline and wait for its end.

    Raises:
        KeyboardInterrupt: the user has stopped it, however Beam has wrapped that.
        RuntimeError: the engine says that the pipeline failed.
    """
    try:
        pipeline.run().wait_until_finish()
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
