"""A live line per stage, read from the markers: the same on every engine."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipelines.in_flight import read_share_done
from pipelines.markers import IN_FLIGHT_SUFFIX, MARKER_SUFFIX, Marker, Tally, parse_marker, tally
from pipelines.units import state_dir

_POLL_SECONDS = 0.5
_PLAIN_LINE_SECONDS = 10.0


class MarkerWatch:
    """Tallies the markers of a stage again and again; reads only those that are new."""

    def __init__(self, run_dir: Path, stage_name: str) -> None:
        self._folder = state_dir(run_dir, stage_name)
        self._seen: dict[tuple[str, int, int], Marker] = {}

    def poll(self) -> Tally:
        """Tally what is there now."""
        seen = {}
        for path in self._folder.glob(f"[!.]*{MARKER_SUFFIX}"):
            try:
                status = path.stat()
            except FileNotFoundError:  # its unit is being done again
                continue
            key = (path.name, status.st_ino, status.st_mtime_ns)
            marker = self._seen.get(key) or parse_marker(path)
            if marker is not None:
                seen[key] = marker
        self._seen = seen
        return tally(list(seen.values()))

    def poll_begun(self) -> float:
        """The units at work, each as the share of its items that are done, added up."""
        notes = self._folder.glob(f"[!.]*{IN_FLIGHT_SUFFIX}")
        return sum(read_share_done(note) for note in notes)


class StageProgress:
    """Shows how a stage gets on while the block runs.

    On a terminal, one live line; elsewhere (a log file, a pipe) a plain line now and then.

    Args:
        console: where to write.
        stage_name: the stage.
        total: units in the plan.
        already_done: units that need no work now; they count as done but not into the rate.
        run_dir: the run folder.
    """

    def __init__(
        self, console: Console, stage_name: str, total: int, already_done: int, run_dir: Path
    ) -> None:
        self._console = console
        self._stage_name = stage_name
        self._total = total
        self._already_done = already_done
        self._watch = MarkerWatch(run_dir, stage_name)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._begun = time.monotonic()
        self._bar = _live_line(console)
        self._task: TaskID = self._bar.add_task(stage_name, total=total, detail="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        self._begun = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        seen = self._watch.poll()
        if self._console.is_terminal:
            self._show_live(seen)
            self._bar.stop()
        else:
            self._print_plain(seen)

    def _follow(self) -> None:
        last_line = self._begun
        while not self._ended.wait(_POLL_SECONDS):
            seen = self._watch.poll()
            if self._console.is_terminal:
                self._show_live(seen)
            elif time.monotonic() > last_line + _PLAIN_LINE_SECONDS:
                last_line = time.monotonic()
                self._print_plain(seen)

    def _show_live(self, seen: Tally) -> None:
        completed = seen.num_done + seen.num_failed + self._watch.poll_begun()
        self._bar.update(self._task, completed=completed, detail=self._describe(seen))

    def _print_plain(self, seen: Tally) -> None:
        begun = self._watch.poll_begun()
        at_work = f", {begun / self._total:.0%} at work" if begun else ""
        text = f"{self._stage_name}: {self._describe(seen)}{at_work}"
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _describe(self, seen: Tally) -> str:
        parts = [f"{seen.num_done}/{self._total} units done"]
        if seen.num_failed:
            parts.append(f"{seen.num_failed} failed")
        num_new = seen.num_done + seen.num_failed - self._already_done
        if num_new > 0:
            minutes = (time.monotonic() - self._begun) / 60
            parts.append(f"{num_new / max(minutes, 1e-3):.1f} units/min")
        parts += [f"{name} {count:,}" for name, count in sorted(seen.counts.items())]
        return ", ".join(parts)


def _live_line(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:.0f} %"),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeRemainingColumn(),
        console=console,
    )
