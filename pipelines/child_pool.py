"""A few worker processes that share the units of one stage."""

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pipelines.child import Answer, Child, Death
from pipelines.fork_server import start_fork_server
from pipelines.in_flight import (
    STRIKES,
    WHOLE_UNIT,
    Crash,
    forget_crashes,
    given_up,
    record_crash,
)
from pipelines.markers import CRASHES_SUFFIX, clear_unit
from pipelines.run_unit import fail_unit
from pipelines.storage import StorageError, storage_errors
from pipelines.units import Report, Stage, Unit

MAX_CRASHING_ITEMS = 25
"""With more in one unit, the trouble is hardly in the images, and the unit fails."""


class StoppedError(RuntimeError):
    """The run is being stopped; the unit stays pending."""


class ChildPool:
    """Runs units in at most `num_children` processes.

    Each process has a thread here that waits for it. A process is started when a unit finds none
    idle, and whichever is free takes the next unit.
    """

    def __init__(self, stage: Stage, run_dir: Path, num_children: int) -> None:
        self._stage = stage
        self._run_dir = run_dir
        self._idle: queue.SimpleQueue[Child] = queue.SimpleQueue()
        self._children: set[Child] = set()
        self._stopping = threading.Event()
        self._full: StorageError | None = None
        self._threads = ThreadPoolExecutor(num_children, thread_name_prefix=stage.name)
        if not _open_pools:
            _storage_errors.clear()
        _open_pools.add(self)
        start_fork_server()

    def submit(self, unit: Unit) -> Future[Report]:
        """Queue a unit for the next free process."""
        return self._threads.submit(self._run_until_settled, unit)

    def close(self) -> None:
        """End all processes; units that still run or wait stay pending."""
        self._stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in list(self._children):
            child.kill()
        self._threads.shutdown()
        for child in self._children:
            child.close()
        _open_pools.discard(self)

    def _run_until_settled(self, unit: Unit) -> Report:
        """Run a unit, unless the disk was found full meanwhile."""
        if self._full is not None:
            raise self._full
        try:
            with storage_errors(self._run_dir, f"running {unit.stage}/{unit.unit_id}"):
                return self._try_until_settled(unit)
        except StorageError as error:
            self._full = error
            _storage_errors.append(error)
            raise

    def _try_until_settled(self, unit: Unit) -> Report:
        """Run a unit, again after deaths that may be bad luck, or an item's doing.

        How often is bounded, across resumed runs too: deaths are recorded beside the marker.
        """
        begun = time.monotonic()
        while True:
            outcome = self._attempt(unit)
            if isinstance(outcome, Report):
                return outcome
            clear_unit(self._run_dir, unit)
            if isinstance(outcome, StorageError):
                raise outcome
            error = self._judge(unit, outcome)
            if error is not None:
                return fail_unit(self._run_dir, unit, error, time.monotonic() - begun)

    def _attempt(self, unit: Unit) -> Answer:
        child = self._take_child()
        outcome = child.run(unit)
        if self._stopping.is_set():
            raise StoppedError(f"{unit.stage}/{unit.unit_id}: stopped")
        if isinstance(outcome, Death):
            self._discard(child)
        else:
            self._idle.put(child)
        return outcome

    def _take_child(self) -> Child:
        with contextlib.suppress(queue.Empty):
            while True:
                child = self._idle.get_nowait()
                if child.is_alive:
                    return child
                self._discard(child)
        child = Child(self._stage, self._run_dir)
        self._children.add(child)
        if self._stopping.is_set():
            raise StoppedError(f"{self._stage.name}: stopped")
        child.await_start()
        return child

    def _discard(self, child: Child) -> None:
        self._children.discard(child)
        child.close()

    def _judge(self, unit: Unit, death: Death) -> str | None:
        """Hold a death against the item in flight, or else the unit; an error fails the unit."""
        if death.is_timeout:
            return death.crash.reason
        record = unit.state_path(self._run_dir, CRASHES_SUFFIX)
        culprit = death.blamed_item or WHOLE_UNIT
        crashes = record_crash(record, unit.fingerprint, culprit, death.crash)
        if culprit == WHOLE_UNIT:
            return self._judge_unit(unit, crashes[WHOLE_UNIT])
        if len(given_up(crashes)) <= MAX_CRASHING_ITEMS:
            return None
        record.unlink()
        return (
            f"{death.crash.reason}; in flight: {culprit}. More than {MAX_CRASHING_ITEMS} items "
            "stopped a worker, so the images are hardly to blame: look at memory and libraries"
        )

    def _judge_unit(self, unit: Unit, deaths: Sequence[Crash]) -> str | None:
        if len(deaths) < STRIKES:
            return None
        # The next run, which a person starts, may try as often again.
        record = unit.state_path(self._run_dir, CRASHES_SUFFIX)
        forget_crashes(record, unit.fingerprint, WHOLE_UNIT)
        return f"{deaths[-1].reason}; {len(deaths)} workers ended like that"


_open_pools: set[ChildPool] = set()
_storage_errors: list[StorageError] = []


def close_pools() -> None:
    """Close every pool that an interrupted pipeline has left open.

    Raises:
        StorageError: a pool has stopped because of it; Beam would wrap it in a traceback.
    """
    for pool in list(_open_pools):
        pool.close()
    errors = _storage_errors.copy()
    _storage_errors.clear()
    if errors:
        raise errors[0]
