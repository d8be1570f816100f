"""Which item a unit is handling right now, and which items stopped a worker before.

A decoder that crashes takes its whole process with it, so the last word about the guilty image
must already be outside the process when that happens. A unit therefore notes each item in a
small file before it touches it. Whoever watches the worker reads that file when the worker is
dead, or to see that an item takes too long.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from manifests.atomic import write_text

ITEM_TIMEOUT_SECONDS = 120.0
"""A photograph that is handled for so long hangs: the slowest honest ones take a few seconds."""

STRIKES = 2
"""An item is given up when it stopped so many workers: once may be the machine's own trouble, and a
sound image must not be lost to that. Where the death came from outside (memory ran out, a person
killed a process) it counts half."""

WHOLE_UNIT = ""
"""Where deaths with no item in flight are recorded; no item has this id."""

_RECORD_BYTES = 4096


@dataclass(frozen=True)
class Item:
    """The item in flight and the `time.monotonic()` at which it counts as hanging."""

    item_id: str
    deadline: float


class InFlight:
    """A unit's note of the item it is handling.

    Attributes:
        crashed: items that stopped a worker in earlier attempts of this same unit, each with the
            reason. The stage must record them as such and leave their bytes alone.
    """

    def __init__(self, path: Path, crashed: Mapping[str, str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.crashed = crashed
        self._path = path
        self._num_items = 0
        self._num_done = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._file)
        self._path.unlink(missing_ok=True)

    @contextmanager
    def item(self, item_id: str, timeout_seconds: float = ITEM_TIMEOUT_SECONDS) -> Iterator[None]:
        """Note that `item_id` is being handled until the block ends."""
        self._write({"item_id": item_id, "deadline": time.monotonic() + timeout_seconds})
        try:
            yield
        finally:
            self.advance()

    def expect(self, num_items: int) -> None:
        """Say how many items the unit has, for whoever shows progress."""
        self._num_items = num_items
        self._write(None)

    def advance(self) -> None:
        """Count an item as done; `item` does so by itself."""
        self._num_done += 1
        self._write(None)

    def _write(self, item: Mapping[str, str | float] | None) -> None:
        record = {"item": item, "num_done": self._num_done, "num_items": self._num_items}
        # One system call of a fixed length: what the kernel holds survives the process, and a
        # shorter record leaves no tail of a longer one behind.
        os.pwrite(self._file, json.dumps(record).encode().ljust(_RECORD_BYTES), 0)


def read_in_flight(path: Path) -> Item | None:
    """The item that a unit noted last; None between items, or when there is no readable note."""
    item = _read_record(path).get("item")
    return None if item is None else Item(**item)


def read_share_done(path: Path) -> float:
    """The share of a unit's items that are done, 0 to 1; 0 when the unit does not count them."""
    record = _read_record(path)
    num_done, num_items = int(record.get("num_done", 0)), int(record.get("num_items", 0))
    return min(1.0, num_done / max(1, num_items))


def _read_record(path: Path) -> dict[str, Any]:
    """What the note says; empty if there is none, or if it is being written."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):  # a mounted bucket has more than one error for what is gone
        return {}
    return record


@dataclass(frozen=True)
class Crash:
    """How a worker died in the middle of a unit.

    Attributes:
        reason: in words.
        from_outside: it was killed, which says less of the item it was handling than a crash.
    """

    reason: str
    from_outside: bool = False


Crashes = Mapping[str, Sequence[Crash]]
"""Item -> the deaths it was in flight at, in order."""


def read_crashes(path: Path, fingerprint: str) -> dict[str, list[Crash]]:
    """The deaths recorded; none if `path` is missing, damaged, or of another fingerprint."""
    try:
        record = json.loads(path.read_bytes())
        if record["fingerprint"] != fingerprint:
            return {}
        return {
            item: [Crash(**crash) for crash in crashes]
            for item, crashes in record["crashes"].items()
        }
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return {}


def record_crash(path: Path, fingerprint: str, item_id: str, crash: Crash) -> Crashes:
    """Add a strike against an item; return all that is recorded now."""
    crashes = read_crashes(path, fingerprint)
    crashes.setdefault(item_id, []).append(crash)
    _write_crashes(path, fingerprint, crashes)
    return crashes


def forget_crashes(path: Path, fingerprint: str, item_id: str) -> None:
    """Take back all strikes against an item."""
    crashes = read_crashes(path, fingerprint)
    crashes.pop(item_id, None)
    _write_crashes(path, fingerprint, crashes)


def given_up(crashes: Crashes) -> dict[str, str]:
    """The items with enough strikes against them, each with the latest reason."""
    return {
        item: deaths[-1].reason
        for item, deaths in crashes.items()
        if item != WHOLE_UNIT and _count_strikes(deaths) >= STRIKES
    }


def _count_strikes(deaths: Sequence[Crash]) -> float:
    return sum(0.5 if death.from_outside else 1.0 for death in deaths)


def _write_crashes(path: Path, fingerprint: str, crashes: Crashes) -> None:
    listed = {item: [asdict(crash) for crash in deaths] for item, deaths in crashes.items()}
    record = {"fingerprint": fingerprint, "crashes": listed}
    write_text(path, json.dumps(record, indent=1, sort_keys=True) + "\n")
