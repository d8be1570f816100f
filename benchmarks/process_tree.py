"""Processor time and memory of a process and all its descendants, from Linux's /proc."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

SAMPLE_SECONDS = 0.5
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_MIB_PER_KIB = 1 / 1024


@dataclass(frozen=True)
class Peak:
    """The greatest sums over all processes since a mark.

    Attributes:
        pss_mib: proportional set size; a page that several processes share counts once, and mapped
            files count as far as they are in memory.
        anonymous_mib: the part of it that no file backs, which the system cannot take back.
    """

    pss_mib: float
    anonymous_mib: float


class TreeWatch:
    """Samples a process and its descendants until the block ends."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._cpu_ticks: dict[tuple[int, str], int] = {}
        self._pss_kib = self._anonymous_kib = 0
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
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

    def count_cpu_seconds(self) -> float:
        """Processor seconds of all processes so far; of the dead, up to their last sample."""
        self._sample()
        with self._lock:
            return sum(self._cpu_ticks.values()) / _TICKS_PER_SECOND

    def take_peak(self) -> Peak:
        """The peak since the last call."""
        self._sample()
        with self._lock:
            peak = Peak(self._pss_kib * _MIB_PER_KIB, self._anonymous_kib * _MIB_PER_KIB)
            self._pss_kib = self._anonymous_kib = 0
        return peak

    def _follow(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        pss_kib = anonymous_kib = 0
        with self._lock:
            for pid in _list_tree(self._pid):
                try:
                    begun, ticks = _read_times(pid)
                    memory = _read_memory(pid)
                except (OSError, IndexError):  # it has just ended
                    continue
                self._cpu_ticks[pid, begun] = ticks
                pss_kib += memory.get("Pss", 0)
                anonymous_kib += memory.get("Pss_Anon", 0)
            self._pss_kib = max(self._pss_kib, pss_kib)
            self._anonymous_kib = max(self._anonymous_kib, anonymous_kib)


def _list_tree(root: int) -> list[int]:
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                waiting += map(int, children.read_text().split())
            except OSError:  # the thread has just ended
                continue
    return found


def _read_times(pid: int) -> tuple[str, int]:
    """When a process began, and its ticks of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[19], int(fields[11]) + int(fields[12])


def _read_memory(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.split()[:2] for line in lines)
    return {name.rstrip(":"): int(kib) for name, kib in pairs}
