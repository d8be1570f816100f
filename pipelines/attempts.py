"""How often a worker of a cluster has begun a unit without ending it.

An engine that has machines of its own runs a unit again when the worker that ran it is gone, and
gives up the whole job when that happens too often. A unit that takes its worker with it each time
(its memory, not an image: those are handled in a child process) must instead become a failed unit
with a reason, before the engine loses patience.
"""

from collections.abc import Callable
from pathlib import Path

from manifests.atomic import write_text
from pipelines.markers import ATTEMPTS_SUFFIX
from pipelines.run_unit import fail_unit
from pipelines.units import Report, Unit

MAX_ATTEMPTS = 3
"""Dask allows a task to lose three workers, Dataflow runs a bundle four times."""


def run_attempt(run_dir: Path, unit: Unit, run: Callable[[Unit], Report]) -> Report:
    """Run a unit, unless it has been begun too often without an end; then it has failed.

    Args:
        run_dir: the run folder.
        unit: what to run.
        run: runs it; whatever it raises is no death of a worker.
    """
    path = unit.state_path(run_dir, ATTEMPTS_SUFFIX)
    num_begun = _read(path)
    try:
        if num_begun >= MAX_ATTEMPTS:
            return fail_unit(run_dir, unit, _explain(num_begun), 0.0)
        write_text(path, f"{num_begun + 1}\n")
        return run(unit)
    finally:
        path.unlink(missing_ok=True)


def forget_attempts(run_dir: Path, unit: Unit) -> None:
    """Start counting again; what an engine of an earlier run did says nothing about this one."""
    unit.state_path(run_dir, ATTEMPTS_SUFFIX).unlink(missing_ok=True)


def _read(path: Path) -> int:
    try:
        return int(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0


def _explain(num_begun: int) -> str:
    return (
        f"the worker that ran it was lost {num_begun} times; often its memory has run out: use "
        "machines with more memory, or fewer units at a time on each. The engine's own log says "
        "more"
    )
