"""Choose the engine by the settings, and run a stage's units on it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipelines.attempts import forget_attempts
from pipelines.engines.beam_options import (
    BeamOptionError,
    check_beam_args,
    find_runner,
    is_local,
)
from pipelines.engines.dask_cluster import open_dask
from pipelines.engines.dataflow import open_dataflow
from pipelines.engines.engine import Engine
from pipelines.engines.portable import BeamRunner, open_portable
from pipelines.engines.workstation import Workstation
from pipelines.fork_server import fork_server_from_here
from pipelines.markers import clear_unit, pending, read_marker
from pipelines.settings import RunnerSettings
from pipelines.units import Report, Stage, Unit, UnitStatus, check_plan


def prepare_engine(settings: RunnerSettings) -> None:
    """Do for an engine what must be done before a process opens files and starts threads.

    For command lines, which have imported what workers need. Without it everything works the same,
    and takes some seconds more.
    """
    if settings.engine == "workstation" and settings.isolate:
        fork_server_from_here()


@contextmanager
def open_engine(settings: RunnerSettings, beam_args: Sequence[str] = ()) -> Iterator[Engine]:
    """The engine of the settings, or any runner of Beam that `beam_args` name.

    Args:
        settings: the engine and what it needs.
        beam_args: Beam's own options, which come last.

    Raises:
        BeamOptionError: an option is refused.
        EngineError: the engine lacks a setting, or what it needs is not installed.
    """
    check_beam_args(beam_args)
    runner = find_runner(beam_args)
    if settings.engine != "workstation" and runner is not None:
        raise BeamOptionError(
            f"--runner={runner}: not accepted beside runner.engine {settings.engine}; give one"
        )
    if settings.engine == "dask":
        with open_dask(settings.dask, settings.num_workers, beam_args) as cluster:
            yield cluster
    elif settings.engine == "portable":
        yield open_portable(settings.portable, beam_args)
    elif settings.engine == "dataflow":
        yield open_dataflow(settings.dataflow, settings.mount_root, beam_args)
    elif runner is None or is_local(runner):
        yield Workstation(settings.num_workers, settings.isolate, tuple(beam_args))
    else:
        yield BeamRunner(f"Beam's {runner}, by its own options", tuple(beam_args))


def execute(stage: Stage, units: Sequence[Unit], run_dir: Path, engine: Engine) -> list[Report]:
    """Run the units that are not done yet; return a report for every unit given, in order.

    Reports come back through the markers, because a pipeline on a cluster has no return value. A
    unit without a marker afterwards is reported as failed, whatever the engine says.

    Args:
        stage: whose units these are.
        units: planned units; those with a current marker are not run again.
        run_dir: the run folder.
        engine: where they run.

    Raises:
        PlanError: two units have one name or one output.
        WorkerStartError: the worker processes cannot load the stage.
    """
    check_plan(units)
    todo = pending(run_dir, units)
    for unit in todo:
        clear_unit(run_dir, unit)
        forget_attempts(run_dir, unit)
    reason = engine.run(stage, todo, run_dir) if todo else None
    return [_read_report(run_dir, unit, reason) for unit in units]


def _read_report(run_dir: Path, unit: Unit, reason: str | None) -> Report:
    marker = read_marker(run_dir, unit)
    if marker is None or marker.fingerprint != unit.fingerprint:
        error = "the engine ended without running this unit; run the command again"
        if reason is not None:
            error = f"{error}. {reason}"
        return Report(unit.stage, unit.unit_id, UnitStatus.FAILED, {}, error, 0.0)
    return marker.as_report()
