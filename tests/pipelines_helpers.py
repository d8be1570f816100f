"""A stage whose units misbehave on request, importable from worker processes.

It lies beside the test folders because workers find classes by import: `tests` is on the path,
the test modules themselves are not.
"""

import contextlib
import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from manifests.atomic import write_text
from pipelines.engines.workstation import Workstation
from pipelines.fork_server import fork_server_from_here
from pipelines.in_flight import InFlight
from pipelines.runners import execute
from pipelines.units import Counts, JsonValue, Unit, make_unit


@dataclass(frozen=True)
class ToyStage:
    """Writes one file per unit, after handling each of the unit's items as `behaviour` says."""

    run_dir: Path
    behaviour: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, Sequence[str]] = field(default_factory=dict)
    num_units: int = 4
    setting: int = 1
    name: str = "toy"
    version: int = 1
    isolate: bool = True
    timeout_seconds: float = 60.0
    item_timeout_seconds: float = 60.0
    num_bytes: int = 0

    def plan(self) -> list[Unit]:
        return [self.unit(f"u{number:02d}") for number in range(self.num_units)]

    def unit(self, unit_id: str) -> Unit:
        # The behaviour is not part of the fingerprint: it stands for the machine's moods.
        spec: dict[str, JsonValue] = {"items": list(self.items.get(unit_id, ()))}
        return make_unit(
            self,
            unit_id,
            spec=spec,
            outputs=[f"toys/{unit_id}.json"],
            inputs={},
            settings={"setting": self.setting},
        )

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        with (self.run_dir / "calls.log").open("a") as log:
            log.write(f"{unit.unit_id} {os.getpid()} {cv2.getNumThreads()}\n")
        self._behave(unit.unit_id)
        rows = {item: self._handle(item, in_flight) for item in unit.spec["items"]}
        rows["setting"] = str(self.setting)
        if self.num_bytes:
            rows["padding"] = "x" * self.num_bytes
        write_text(self.run_dir / unit.outputs[0], json.dumps(rows))
        return {"items": len(unit.spec["items"]), "crashed": len(in_flight.crashed)}

    def _handle(self, item: str, in_flight: InFlight) -> str:
        if item in in_flight.crashed:
            return in_flight.crashed[item]
        with in_flight.item(item, self.item_timeout_seconds):
            self._behave(item)
        return "ok"

    def _behave(self, name: str) -> None:
        match self.behaviour.get(name, "").split():
            case ["raise"]:
                raise ValueError(f"{name} is bad")
            case ["signal", number]:
                os.kill(os.getpid(), signal.Signals[number])
            case ["exit"]:
                os._exit(3)
            case ["fill", "and", "exit"]:
                self._fill_disk()
                os._exit(3)
            case ["hang"]:
                time.sleep(3600)
            case ["hang", "in", "C"]:
                ctypes.PyDLL(None).sleep(3600)  # keeps the interpreter's lock
            case ["sleep", seconds]:
                time.sleep(float(seconds))
            case ["await", num_calls]:
                self._await_calls(int(num_calls))
            case ["remove", path]:
                (self.run_dir / path).unlink(missing_ok=True)
            case ["once", what]:
                self._misbehave_once(name, what)

    def _await_calls(self, num_calls: int) -> None:
        while len(read_calls(self.run_dir)) < num_calls:
            time.sleep(0.01)

    def _fill_disk(self) -> None:
        with contextlib.suppress(OSError), (self.run_dir / "filler").open("wb", 0) as filler:
            while True:
                filler.write(bytes(4096))

    def _misbehave_once(self, name: str, what: str) -> None:
        memory = self.run_dir / f"{name}.died"
        if not memory.exists():
            memory.touch()
            if what == "hang":
                time.sleep(3600)
            os.kill(os.getpid(), signal.Signals[what])


class UnimportableStage(ToyStage):
    """Can be loaded from its pickle in this process and in no other."""

    def __reduce__(self) -> tuple[Callable[[int, Path], "UnimportableStage"], tuple[int, Path]]:
        return _load_only_in, (os.getpid(), self.run_dir)


def _load_only_in(pid: int, run_dir: Path) -> UnimportableStage:
    if os.getpid() != pid:
        raise ImportError("a worker cannot load this stage")
    return UnimportableStage(run_dir)


def called_units(run_dir: Path) -> list[str]:
    """Ids of the units that were called so far, sorted, with repetitions."""
    return sorted(unit_id for unit_id, _, _ in read_calls(run_dir))


def read_calls(run_dir: Path) -> list[tuple[str, int, int]]:
    """Unit, process and OpenCV threads of every call so far."""
    log = run_dir / "calls.log"
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(unit_id, int(pid), int(threads)) for unit_id, pid, threads in lines]


def drive(run_dir: str, behaviour: Mapping[str, str], num_units: int, server: str) -> None:
    """Run a stage with two workers; the body of a driver process that a test stops.

    The fork server is a new interpreter, or a copy of this process.
    """
    if server == "copy":
        fork_server_from_here()
    items = {"u02": ["a"], "u03": ["b"]}
    stage = ToyStage(Path(run_dir), behaviour, items, num_units)
    execute(stage, stage.plan(), stage.run_dir, Workstation(2))
