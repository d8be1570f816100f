"""A few worker processes that share the units of one stage."""

import contextlib
import queue
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pipelines.child import Child, Death, start_fork_server
from pipelines.in_flight import record_crash
from pipelines.markers import CRASHES_SUFFIX, clear_unit
from pipelines.run_unit import fail_unit
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
        self._threads = ThreadPoolExecutor(num_children, thread_name_prefix=stage.name)
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
        """Run a unit, again after each crash that can be laid at an item's door."""
        begun = time.monotonic()
        while True:
            outcome = self._attempt(unit)
            if isinstance(outcome, Report):
                return outcome
            clear_unit(self._run_dir, unit)
            error = self._judge(unit, outcome)
            if error is not None:
                return fail_unit(self._run_dir, unit, error, time.monotonic() - begun)

    def _attempt(self, unit: Unit) -> Report | Death:
        child = self._take_child()
        outcome = child.run(unit)
        if self._stopping.is_set():
            raise StoppedError(f"{unit.stage}/{unit.unit_id}: stopped")
        if isinstance(outcome, Report):
            self._idle.put(child)
        else:
            self._discard(child)
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
        """Hold a death against the item in flight; return an error if it fails the unit."""
        if death.blamed_item is None:
            return death.reason
        crashes = unit.state_path(self._run_dir, CRASHES_SUFFIX)
        crashed = record_crash(crashes, unit.fingerprint, death.blamed_item, death.reason)
        if len(crashed) <= MAX_CRASHING_ITEMS:
            return None
        crashes.unlink()
        return (
            f"{death.reason}; in flight: {death.blamed_item}. More than {MAX_CRASHING_ITEMS} items "
            "stopped a worker, so the images are hardly to blame: look at memory and libraries"
        )


_open_pools: set[ChildPool] = set()


def close_pools() -> None:
    """Close every pool that an interrupted pipeline has left open."""
    for pool in list(_open_pools):
        pool.close()
