"""A stage that misbehaves on top of a real one, importable from worker processes."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.in_flight import InFlight
from pipelines.units import Counts, Stage, Unit


@dataclass(frozen=True)
class FaultyStage:
    """Does what `inner` does, after misbehaving for the units and the items named.

    The plan, and with it every fingerprint, is that of `inner`: the faults stand for the moods of
    a machine, which no plan knows.
    """

    inner: Stage
    memory: Path
    units: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 60.0

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
        misbehave(self.units.get(unit.unit_id), unit.unit_id, self.memory)
        return self.inner.run(unit, _MinedInFlight(in_flight, self.items, self.memory))


class _MinedInFlight:
    """An `InFlight` in which some items go off while they are handled."""

    def __init__(self, inner: InFlight, items: Mapping[str, str], memory: Path) -> None:
        self._inner = inner
        self._items = items
        self._memory = memory

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    @contextmanager
    def item(self, item_id: str, timeout_seconds: float) -> Iterator[None]:
        with self._inner.item(item_id, timeout_seconds):
            misbehave(self._items.get(item_id), Path(item_id).stem, self._memory)
            yield


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
