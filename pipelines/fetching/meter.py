"""How many bytes came and how many are here: counted by the threads, shown live."""

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pipelines.fetching.disk import format_bytes

_POLL_SECONDS = 0.5
_PLAIN_LINE_SECONDS = 10.0


class Meter:
    """Counts the bytes and files of a job.

    Attributes:
        received_bytes: what came over the connections.
        num_done: files that need nothing more, failed ones included.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._here: dict[str, int] = {}
        self.received_bytes = 0
        self.num_done = 0

    def expect(self, path: str, num_bytes_here: int) -> None:
        """Note how much of a file is here before anything begins."""
        with self._lock:
            self._here[path] = num_bytes_here

    def count(self, path: str, num_new: int, num_here: int) -> None:
        """Note that bytes of a file came, and how many of it are here now."""
        with self._lock:
            self.received_bytes += num_new
            self._here[path] = num_here

    def finish(self) -> None:
        """Note that a file needs nothing more."""
        with self._lock:
            self.num_done += 1

    @property
    def bytes_here(self) -> int:
        """Bytes of all files that are here."""
        with self._lock:
            return sum(self._here.values())


class FetchProgress:
    """Shows a meter while the block runs: one live line, or plain lines outside a terminal.

    Args:
        console: where to write.
        title: what is being fetched.
        meter: what is counted.
        num_files: files in all.
        total_bytes: bytes in all, as far as known.
    """

    def __init__(
        self, console: Console, title: str, meter: Meter, num_files: int, total_bytes: int
    ) -> None:
        self._console = console
        self._title = title
        self._meter = meter
        self._num_files = num_files
        self._total_bytes = total_bytes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._begun = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description} {task.fields[files]}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task(
            title, total=total_bytes, completed=meter.bytes_here, files=""
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
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
        if self._console.is_terminal:
            self._show_live()
            self._bar.stop()
        else:
            self._print_plain()

    def _follow(self) -> None:
        last_line = self._begun
        while not self._ended.wait(_POLL_SECONDS):
            if self._console.is_terminal:
                self._show_live()
            elif time.monotonic() > last_line + _PLAIN_LINE_SECONDS:
                last_line = time.monotonic()
                self._print_plain()

    def _show_live(self) -> None:
        files = f"{self._meter.num_done}/{self._num_files} files"
        self._bar.update(self._task, completed=self._meter.bytes_here, files=files)

    def _print_plain(self) -> None:
        here = self._meter.bytes_here
        rate = self._meter.received_bytes / max(time.monotonic() - self._begun, 1e-3)
        text = (
            f"{self._title}: {self._meter.num_done}/{self._num_files} files, "
            f"{format_bytes(here)} of {format_bytes(max(here, self._total_bytes))}"
        )
        if rate > 0:
            left = max(0, self._total_bytes - here) / rate
            text += f", {format_bytes(rate)}/s, {_format_seconds(left)} left"
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _format_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
