"""A worker process that may crash or hang without taking the run with it.

Beam can isolate a function in a subprocess too (`with_exception_handling(use_subprocess=True)`).
It is not used here because it sleeps a second whenever it ends a process (2.5 s for a stage of
trivial units with two workers, against 0.2 s), deals the units out before it starts, says of a
dead worker only that it broke, and has no time limit per image.

Four rules keep the run folder safe:

- The driver sends units through a pipe. When the pipe closes because the driver was killed, the
  worker leaves at once, even from the middle of a unit.
- Should it be deep in C code just then, the system kills it: the fork server ends with the driver,
  and its children end with it.
- Workers come from Python's fork server (see `pipelines.fork_server`), so they inherit neither the
  driver's threads nor the pipes of their siblings, and start with the heavy modules imported.
- The driver alone decides that a worker crashed or hangs: a worker that ends because the run
  ends is no image's fault.
"""

import contextlib
import ctypes
import faulthandler
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TypeAlias

from pipelines.allocator import keep_freed_memory
from pipelines.fork_server import CONTEXT
from pipelines.in_flight import Crash, read_in_flight
from pipelines.markers import IN_FLIGHT_SUFFIX
from pipelines.run_unit import run_unit
from pipelines.storage import StorageError
from pipelines.units import Report, Stage, Unit

_POLL_SECONDS = 0.2
_EXIT_SECONDS = 5.0
_ORPHAN_GRACE_SECONDS = 30.0
_UNKNOWN_STATUS = 255
"""What multiprocessing says of a process whose parent, the fork server, was killed."""
_PR_SET_PDEATHSIG = 1


class WorkerStartError(RuntimeError):
    """A worker process ended before it could take a unit, so that no unit can be run."""


@dataclass(frozen=True)
class Death:
    """How a worker ended in the middle of a unit.

    Attributes:
        crash: how.
        blamed_item: what was in flight, if anything.
        is_timeout: the unit as a whole took too long, so that it would the next time.
    """

    crash: Crash
    blamed_item: str | None = None
    is_timeout: bool = False


Answer: TypeAlias = Report | StorageError | Death


class Child:
    """One worker process, which runs units of one stage, one after the other."""

    def __init__(self, stage: Stage, run_dir: Path) -> None:
        self._stage = stage
        self._run_dir = run_dir
        self._pipe, far_end = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=_serve, args=(stage, run_dir, far_end), daemon=True)
        self._process.start()
        far_end.close()

    def await_start(self) -> None:
        """Wait until the process has imported the stage.

        Raises:
            WorkerStartError: the process ended instead; it has printed why.
        """
        try:
            self._pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerStartError(
                f"stage {self._stage.name}: a worker process could not start "
                f"({self._describe_exit()}); its own message is printed above"
            ) from error

    @property
    def is_alive(self) -> bool:
        """Whether the process can take another unit."""
        return self._process.is_alive()

    def run(self, unit: Unit) -> Answer:
        """Run one unit; return its report, what stops the run, or how the process ended."""
        note = unit.state_path(self._run_dir, IN_FLIGHT_SUFFIX)
        note.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a process that has just died; the wait says why
            self._pipe.send(unit)
        if hang := self._await_answer(note):
            self._process.kill()
            return hang
        return self._read_answer(note)

    def kill(self) -> None:
        """End the process at once: it writes its files whole or not at all."""
        self._process.kill()

    def close(self) -> None:
        """End the process and free what the driver holds of it.

        A process that waits for a dead disk cannot be ended before the disk answers; the driver
        does not wait with it.
        """
        self._process.kill()
        self._process.join(_EXIT_SECONDS)
        self._pipe.close()

    def _await_answer(self, note: Path) -> Death | None:
        """Wait for a report or the end of the process; return a death if neither comes in time."""
        unit_deadline = time.monotonic() + self._stage.timeout_seconds
        while not wait([self._pipe], _POLL_SECONDS):
            item = read_in_flight(note)
            if item and time.monotonic() > item.deadline:
                reason = "no answer within the time limit of one item"
                return Death(Crash(reason), item.item_id)
            if time.monotonic() > unit_deadline:
                # No strike against the item: many quick ones may have used up the time.
                last = f"in flight: {item.item_id}" if item else "no item was in flight"
                reason = f"no end within {self._stage.timeout_seconds:g} s; {last}"
                return Death(Crash(reason), is_timeout=True)
        return None

    def _read_answer(self, note: Path) -> Answer:
        try:
            answer: Report | StorageError = self._pipe.recv()
        except (EOFError, OSError):
            item = read_in_flight(note)
            crash = self._describe_crash()
            if item is None:
                return Death(replace(crash, reason=f"{crash.reason}; no item was in flight"))
            return Death(crash, item.item_id)
        return answer

    def _describe_crash(self) -> Crash:
        reason = self._describe_exit()
        return Crash(reason, self._process.exitcode in (-signal.SIGKILL, _UNKNOWN_STATUS))

    def _describe_exit(self) -> str:
        self._process.join(_EXIT_SECONDS)
        exitcode = self._process.exitcode
        if exitcode is None:
            return "the worker closed its pipe"
        if exitcode == _UNKNOWN_STATUS:
            return "the worker was killed with the process that starts workers"
        if exitcode >= 0:
            return f"the worker exited with status {exitcode}"
        number = signal.Signals(-exitcode)
        hint = "; often memory has run out: use fewer workers" if number == signal.SIGKILL else ""
        return f"the worker was killed by {number.name} ({signal.strsignal(number)}){hint}"


def _serve(
    stage: Stage, run_dir: Path, pipe: "Connection[Report | StorageError | None, Unit]"
) -> None:
    """Run in the worker: one unit after the other, until the pipe closes."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the driver decides
    keep_freed_memory()
    units: queue.SimpleQueue[Unit] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, units), daemon=True).start()
    pipe.send(None)
    while True:
        unit = units.get()
        # The last resort against an orphan that hangs in C code with the interpreter's lock held:
        # this timer needs no lock. A driver that lives is always faster.
        faulthandler.dump_traceback_later(stage.timeout_seconds + _ORPHAN_GRACE_SECONDS, exit=True)
        answer = _run_or_stop(stage, run_dir, unit)
        faulthandler.cancel_dump_traceback_later()
        pipe.send(answer)


def _run_or_stop(stage: Stage, run_dir: Path, unit: Unit) -> Report | StorageError:
    try:
        return run_unit(stage, run_dir, unit)
    except StorageError as error:
        return error


def _die_with_parent() -> None:
    """Have the system kill this process when the fork server ends; only Linux offers that.

    The fork server ends when nobody holds its pipe any more. A worker is given it too, in order to
    fork workers of its own, which this one does not; it must not keep its own parent alive.
    """
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]  # noqa: SLF001
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _listen(
    pipe: "Connection[Report | StorageError | None, Unit]", units: "queue.SimpleQueue[Unit]"
) -> None:
    with contextlib.suppress(EOFError, OSError):
        while True:
            units.put(pipe.recv())
    os._exit(0)
