"""Units of the real stages, run in this process and measured item by item."""

import resource
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipelines.in_flight import InFlight
from pipelines.markers import IN_FLIGHT_SUFFIX, Marker, describe_outputs, write_marker
from pipelines.run_unit import one_thread
from pipelines.units import Counts, LimitedStage, Stage, Unit, UnitStatus

_STATUS, _REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_KIBIBYTE = 1024


@dataclass(frozen=True)
class MeasuredUnits:
    """What some units of one step took.

    Attributes:
        num_units: units that were run.
        cpu_seconds: processor seconds of all of them.
        gpu_seconds: seconds for which they held a GPU; 0 without one.
        counts: what they counted.
        table_bytes: folder of the run -> what they wrote there.
        item_seconds: processor seconds of each item that they counted off, in order.
        peak_bytes: most memory that the process had in use.
    """

    num_units: int = 0
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    counts: Counts = field(default_factory=dict)
    table_bytes: Mapping[str, int] = field(default_factory=dict)
    item_seconds: Sequence[float] = ()
    peak_bytes: int = 0


class TimedInFlight(InFlight):
    """Notes when the items of a unit were done, by the clock of the processor."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, {})
        self.item_seconds: list[float] = []
        self._last = time.process_time()

    def expect(self, num_items: int) -> None:
        """Start the clock of the first item."""
        super().expect(num_items)
        self._last = time.process_time()

    def advance(self) -> None:
        """Stop the clock of an item and start the next one's."""
        super().advance()
        now = time.process_time()
        self.item_seconds.append(now - self._last)
        self._last = now


def measure_units(stage: Stage, run_dir: Path, units: Sequence[Unit]) -> MeasuredUnits:
    """Run units one after the other, with markers for the steps that come after.

    Whatever they raise goes through: a probe that fails says so.
    """
    has_gpu = isinstance(stage, LimitedStage) and stage.max_children == 1
    counts: Counter[str] = Counter()
    tables: defaultdict[str, int] = defaultdict(int)
    items: list[float] = []
    cpu = wall = 0.0
    reset_peak()
    for unit in units:
        begun, cpu_begun = time.perf_counter(), time.process_time()
        with TimedInFlight(unit.state_path(run_dir, IN_FLIGHT_SUFFIX)) as note, one_thread():
            counted = stage.run(unit, note)
        marker = _finish(run_dir, unit, counted, time.perf_counter() - begun)
        cpu += time.process_time() - cpu_begun
        wall += time.perf_counter() - begun
        counts.update(counted)
        items += note.item_seconds
        for output, file in marker.outputs.items():
            tables[PurePosixPath(output).parts[0]] += file.num_bytes
    gpu = wall if has_gpu else 0.0
    return MeasuredUnits(len(units), cpu, gpu, dict(counts), dict(tables), items, read_peak())


def _finish(run_dir: Path, unit: Unit, counts: Counts, seconds: float) -> Marker:
    marker = Marker(
        stage=unit.stage,
        unit_id=unit.unit_id,
        status=UnitStatus.DONE,
        fingerprint=unit.fingerprint,
        counts=counts,
        outputs=describe_outputs(run_dir, unit),
        error=None,
        seconds=seconds,
    )
    write_marker(run_dir, unit, marker)
    return marker


def reset_peak() -> None:
    """Let the peak of this process begin anew, where the system can do that."""
    if _REFERENCES.exists():
        _REFERENCES.write_text(_RESET_PEAK)


def read_peak() -> int:
    """Most memory in use since the last reset, bytes; since the start, where there is no reset."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * _KIBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTE
