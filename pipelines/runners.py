"""Choose the engine and run a stage's units on it.

On a workstation that is Beam's FnApiRunner, named explicitly and always in memory. Beam's
`DirectRunner` is a switch between engines: it downloads and runs another program where the
network allows it. Its `multi_processing` mode waits for ever when a worker dies. Other engines
are chosen by Beam's own options and run the same pipeline, without isolation: their workers are
theirs to restart.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise, zip_longest
from pathlib import Path

from manifests.input_error import InputError
from pipelines.child_pool import close_pools
from pipelines.markers import clear_unit, pending, read_marker
from pipelines.units import LimitedStage, Report, Stage, Unit, UnitStatus, check_plan

LOCAL_RUNNER = "FnApiRunner"
_SWITCHING_RUNNERS = {"direct", "switchingdirect", "bundlebaseddirect"}


class BeamOptionError(InputError):
    """A Beam option that this program does not let through, and why."""


def execute(
    stage: Stage,
    units: Sequence[Unit],
    run_dir: Path,
    workers: int,
    beam_args: Sequence[str] = (),
) -> list[Report]:
    """Run the units that are not done yet; return a report for every unit given, in order.

    Reports come back through the markers, because a pipeline on a cluster has no return value. A
    unit without a marker afterwards is reported as failed, whatever the engine says.

    Args:
        stage: whose units these are.
        units: planned units; those with a current marker are not run again.
        run_dir: the run folder.
        workers: processes for a stage that is isolated, else threads; on this machine only.
        beam_args: Beam's own options, such as `--runner=DataflowRunner`.

    Raises:
        BeamOptionError: an option is refused.
        PlanError: two units have one name or one output.
        WorkerStartError: the worker processes cannot load the stage.
    """
    check_beam_args(beam_args)
    check_plan(units)
    todo = pending(run_dir, units)
    for unit in todo:
        clear_unit(run_dir, unit)
    if todo:
        _run_pipeline(stage, todo, run_dir, workers, beam_args)
    return [_read_report(run_dir, unit) for unit in units]


def count_children(stage: Stage, workers: int) -> int:
    """How many of the workers may run an isolated stage on this machine at the same time."""
    limit = stage.max_children if isinstance(stage, LimitedStage) else None
    return workers if limit is None else min(workers, limit)


def check_beam_args(beam_args: Sequence[str]) -> None:
    """Refuse the options of Beam that would change what a run does, or make it hang.

    Raises:
        BeamOptionError: with the reason and the remedy.
    """
    for before, arg in pairwise(["", *beam_args]):
        if not arg.startswith("-") and not _wants_value(before):
            raise BeamOptionError(
                f"{arg!r}: not accepted, because Beam would ignore it. After `--` come Beam's own "
                "options, such as --runner=NAME; an option of this program that may be given "
                "several times is repeated each time"
            )
        if arg.startswith("--direct_"):
            raise BeamOptionError(
                f"{arg}: not accepted. Set the number of workers as `runner.workers` of the "
                "configuration. Beam's own multi_processing mode waits for ever when a worker "
                "dies, and opens ports on all interfaces; stages have worker processes anyway"
            )
    runner = _find_runner(beam_args)
    if _short_name(runner) in _SWITCHING_RUNNERS:
        raise BeamOptionError(
            f"--runner={runner}: not accepted. It picks another engine on each machine and may "
            f"download one; leave the option out to use {LOCAL_RUNNER} on this machine"
        )


def _wants_value(arg: str) -> bool:
    """Whether the next argument may be this option's value, as in `--runner NAME`."""
    return arg.startswith("-") and "=" not in arg


def _find_runner(beam_args: Sequence[str]) -> str:
    """Find the last runner named, as in `--runner NAME` or `--runner=NAME`."""
    name = LOCAL_RUNNER
    for arg, following in zip_longest(beam_args, beam_args[1:], fillvalue=""):
        if arg == "--runner":
            name = following
        elif arg.startswith("--runner="):
            name = arg.partition("=")[2]
    return name


def _short_name(runner: str) -> str:
    """Strip what Beam lets people leave out or spell as they like: module, case, suffix."""
    return runner.rpartition(".")[2].lower().removesuffix("runner")


def _run_pipeline(
    stage: Stage, units: Sequence[Unit], run_dir: Path, workers: int, beam_args: Sequence[str]
) -> None:
    with _quiet_beam():
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions

        from pipelines.transforms import RunUnits

    is_local = _short_name(_find_runner(beam_args)) == _short_name(LOCAL_RUNNER)
    num_children = count_children(stage, workers) if is_local and stage.isolate else 0
    num_threads = 1 if num_children else workers
    local_args = [f"--runner={LOCAL_RUNNER}", f"--direct_num_workers={num_threads}"]
    options = PipelineOptions([*(local_args if is_local else ()), *beam_args])
    try:
        with beam.Pipeline(options=options) as pipeline:
            pipeline | stage.name >> RunUnits(stage, run_dir, units, num_children)
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # Beam has wrapped it
            raise KeyboardInterrupt from None
        raise
    finally:
        close_pools()


@contextmanager
def _quiet_beam() -> Iterator[None]:
    """Import Beam without its warnings, and keep it quiet afterwards.

    It warns of Google clients that are not installed and of threads in memory, and it logs with
    a traceback every exception that it then raises.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
    logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)


def _read_report(run_dir: Path, unit: Unit) -> Report:
    marker = read_marker(run_dir, unit)
    if marker is None or marker.fingerprint != unit.fingerprint:
        error = "the engine ended without running this unit; run the command again"
        return Report(unit.stage, unit.unit_id, UnitStatus.FAILED, {}, error, 0.0)
    return marker.as_report()
