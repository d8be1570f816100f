"""Run one unit and write down what became of it.

This is the seam between the stages and the engines: a plain function of plain arguments that any
engine can call, in any process, any number of times.
"""

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
from threadpoolctl import threadpool_limits

from pipelines.in_flight import InFlight, given_up, read_crashes
from pipelines.markers import (
    CRASHES_SUFFIX,
    IN_FLIGHT_SUFFIX,
    Marker,
    OutputFile,
    clear_unit,
    describe_outputs,
    remove_outputs,
    write_marker,
)
from pipelines.storage import StorageError, is_storage_error, storage_errors
from pipelines.units import Counts, Report, Stage, Unit, UnitStatus

_TRACEBACK_LINES = 8


def run_unit(stage: Stage, run_dir: Path, unit: Unit) -> Report:
    """Run `unit` in this process; write its marker last.

    An exception becomes a failed unit: one bad shard must not stop the other five hundred, and
    the marker keeps the reason.

    Raises:
        StorageError: the run folder is full; the unit has left nothing there and stays pending.
    """
    try:
        with storage_errors(run_dir, f"running {unit.stage}/{unit.unit_id}"):
            return _run_and_settle(stage, run_dir, unit)
    except StorageError:
        clear_unit(run_dir, unit)
        raise


def _run_and_settle(stage: Stage, run_dir: Path, unit: Unit) -> Report:
    clear_unit(run_dir, unit)
    begun, cpu_begun = time.perf_counter(), time.process_time()
    try:
        with open_in_flight(run_dir, unit) as in_flight, one_thread():
            counts = stage.run(unit, in_flight)
        outputs = describe_outputs(run_dir, unit)
    except Exception as error:  # the boundary; the marker records it
        if is_storage_error(error, run_dir):
            raise
        return fail_unit(run_dir, unit, describe_error(error), time.perf_counter() - begun)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu_begun
    return _settle(run_dir, unit, counts, outputs, None, seconds, cpu_seconds)


def fail_unit(run_dir: Path, unit: Unit, error: str, seconds: float) -> Report:
    """Record that a unit failed; whatever it wrote already is deleted."""
    remove_outputs(run_dir, unit.outputs)
    return _settle(run_dir, unit, {}, {}, error, seconds)


def open_in_flight(run_dir: Path, unit: Unit) -> InFlight:
    """The note of items in flight for one attempt at `unit`."""
    crashes = read_crashes(unit.state_path(run_dir, CRASHES_SUFFIX), unit.fingerprint)
    return InFlight(unit.state_path(run_dir, IN_FLIGHT_SUFFIX), given_up(crashes))


def describe_error(error: BaseException) -> str:
    """Type and message on the first line, then the end of the traceback."""
    where = "".join(traceback.format_tb(error.__traceback__)).splitlines()
    return "\n".join([f"{type(error).__name__}: {error}", *where[-_TRACEBACK_LINES:]])


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the numeric libraries to one thread.

    Units already run side by side, one per core. One thread also keeps the order of every sum the
    same on every machine.
    """
    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        cv2.setNumThreads(cv2_threads)


def _settle(
    run_dir: Path,
    unit: Unit,
    counts: Counts,
    outputs: dict[str, OutputFile],
    error: str | None,
    seconds: float,
    cpu_seconds: float | None = None,
) -> Report:
    marker = Marker(
        stage=unit.stage,
        unit_id=unit.unit_id,
        status=UnitStatus.DONE if error is None else UnitStatus.FAILED,
        fingerprint=unit.fingerprint,
        counts=counts,
        outputs=outputs,
        error=error,
        seconds=round(seconds, 3),
        cpu_seconds=None if cpu_seconds is None else round(cpu_seconds, 3),
    )
    write_marker(run_dir, unit, marker)
    return marker.as_report()
