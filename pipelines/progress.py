"""A live line per stage, read from the markers: the same on every engine."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipelines.in_flight import read_in_flight, read_share_done
from pipelines.markers import IN_FLIGHT_SUFFIX, MARKER_SUFFIX, Marker, Tally, parse_marker, tally
from pipelines.units import state_dir

_POLL_SECONDS = 0.5
_PLAIN_LINE_SECONDS = 10.0
_STALL_SECONDS = 30.0
"""When nothing has moved for so long, it is said, and what is being waited for."""


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
        return sum(read_share_done(note) for note in self._list_notes())

    def list_in_flight(self) -> list[str]:
        """What each unit at work is handling, as `unit: item`, or the unit alone."""
        return [_describe_note(note) for note in sorted(self._list_notes())]

    def _list_notes(self) -> Iterator[Path]:
        return self._folder.glob(f"[!.]*{IN_FLIGHT_SUFFIX}")


def _describe_note(note: Path) -> str:
    item = read_in_flight(note)
    return note.stem if item is None else f"{note.stem}: {item.item_id}"


class _StallWatch:
    """Tells how long nothing has moved: a disk that stalls, or an item that takes its time."""

    def __init__(self) -> None:
        self._seen: tuple[float, ...] = ()
        self._since = time.monotonic()

    def update(self, *numbers: float) -> float:
        """Seconds since these numbers last were others."""
        if numbers != self._seen:
            self._seen = numbers
            self._since = time.monotonic()
        return time.monotonic() - self._since


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
        self._stall_watch = _StallWatch()
        self._log_error: OSError | None = None
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
        if self._log_error is not None:
            if kind is not None:
                return  # what ends the block matters more
            raise OSError(
                f"the output of this command cannot be written: {self._log_error}. What is "
                "finished is kept; mend it, and the same command goes on"
            ) from self._log_error
        seen = self._watch.poll()
        if self._console.is_terminal:
            self._show_live(seen)
            self._bar.stop()
        else:
            self._print_plain(seen)

    def _follow(self) -> None:
        try:
            self._show_until_ended()
        except OSError as error:  # raised again at the end of the block
            self._log_error = error

    def _show_until_ended(self) -> None:
        last_line = self._begun
        while not self._ended.wait(_POLL_SECONDS):
            seen = self._watch.poll()
            if self._console.is_terminal:
                self._show_live(seen)
            elif time.monotonic() > last_line + _PLAIN_LINE_SECONDS:
                last_line = time.monotonic()
                self._print_plain(seen)

    def _show_live(self, seen: Tally) -> None:
        begun = self._watch.poll_begun()
        completed = seen.num_done + seen.num_failed + begun
        detail = self._describe(seen) + self._describe_stall(seen, begun)
        self._bar.update(self._task, completed=completed, detail=detail)

    def _print_plain(self, seen: Tally) -> None:
        begun = self._watch.poll_begun()
        at_work = f", {begun / self._total:.0%} at work" if begun else ""
        stall = self._describe_stall(seen, begun)
        text = f"{self._stage_name}: {self._describe(seen)}{at_work}{stall}"
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _describe_stall(self, seen: Tally, begun: float) -> str:
        seconds = self._stall_watch.update(seen.num_done, seen.num_failed, begun)
        if seconds < _STALL_SECONDS:
            return ""
        waiting_for = "; ".join(self._watch.list_in_flight()) or "the engine"
        return f", nothing has moved for {seconds:.0f} s ({waiting_for})"

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
