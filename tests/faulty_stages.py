"""A stage that misbehaves on top of a real one, importable from worker processes."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from curation.shards import ShardReader
from pipelines.in_flight import ITEM_TIMEOUT_SECONDS, InFlight
from pipelines.units import Counts, Stage, Unit


@dataclass(frozen=True)
class FaultyStage:
    """Does what `inner` does, after misbehaving for the units and the items named.

    The unit `*` stands for every unit. Reads of shards take `read_seconds`. A
    stage that loses a row writes the last of its outputs without the first of its rows.

    The plan, and with it every fingerprint, is that of `inner`: the faults stand for the moods of
    a machine, which no plan knows.
    """

    inner: Stage
    memory: Path
    units: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 60.0
    read_seconds: float = 0.0
    loses_a_row: bool = False

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def version(self) -> int:
        return self.inner.version

    @property
    def isolate(self) -> bool:
        return self.inner.isolate

    def plan(self) -> list[Unit]:
        return self.inner.plan()

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        behaviour = self.units.get(unit.unit_id) or self.units.get("*")
        misbehave(behaviour, unit.unit_id, self.memory)
        with _slow_reads(self.read_seconds):
            counts = self.inner.run(unit, _MinedInFlight(in_flight, self.items, self.memory))
        if self.loses_a_row:
            _lose_a_row(Path(self.inner.run_dir) / unit.outputs[-1])
        return counts


class _MinedInFlight:
    """An `InFlight` in which some items go off while they are handled."""

    def __init__(self, inner: InFlight, items: Mapping[str, str], memory: Path) -> None:
        self._inner = inner
        self._items = items
        self._memory = memory

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    @contextmanager
    def item(self, item_id: str, timeout_seconds: float = ITEM_TIMEOUT_SECONDS) -> Iterator[None]:
        with self._inner.item(item_id, timeout_seconds):
            misbehave(self._items.get(item_id), Path(item_id).stem, self._memory)
            yield


def _lose_a_row(part: Path) -> None:
    pq.write_table(pq.read_table(part)[1:], part, store_schema=True)


@contextmanager
def _slow_reads(seconds: float) -> Iterator[None]:
    """A disk that takes its time for every read."""
    read = ShardReader.read

    def read_slowly(self: ShardReader, offset: int, num_bytes: int) -> bytes:
        time.sleep(seconds)
        return read(self, offset, num_bytes)

    ShardReader.read = read_slowly  # type: ignore[method-assign]
    try:
        yield
    finally:
        ShardReader.read = read  # type: ignore[method-assign]


def misbehave(behaviour: str | None, name: str, memory: Path) -> None:
    """Raise, die, hang, or die only the first time."""
    if behaviour == "raise":
        raise RuntimeError(f"{name} is in a bad mood")
    if behaviour == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "hang":
        time.sleep(3600)
    if behaviour == "die once" and not (memory / name).exists():
        (memory / name).touch()
        os.kill(os.getpid(), signal.SIGKILL)
