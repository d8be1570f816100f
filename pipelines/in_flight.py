"""Which item a unit is handling right now, and which items stopped a worker before.

A decoder that crashes takes its whole process with it, so the last word about the guilty image
must already be outside the process when that happens. A unit therefore notes each item in a
small file before it touches it. Whoever watches the worker reads that file when the worker is
dead, or to see that an item takes too long.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from manifests.atomic import write_text

ITEM_TIMEOUT_SECONDS = 120.0
"""A photograph that is handled for so long hangs: the slowest honest ones take a few seconds."""

STRIKES = 2
"""An item is given up when it stopped so many workers: once may be the machine's own trouble
(memory ran out, a person killed a process), and a sound image must not be lost to that."""

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
    except (FileNotFoundError, ValueError):
        return {}
    return record


def read_crashes(path: Path, fingerprint: str) -> dict[str, list[str]]:
    """For each item that stopped a worker, the reasons; empty if `path` is of another unit."""
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    crashes: dict[str, list[str]] = record["crashes"]
    return crashes if record["fingerprint"] == fingerprint else {}


def record_crash(path: Path, fingerprint: str, item_id: str, reason: str) -> dict[str, str]:
    """Add a strike against an item; return the items that are now given up, with the reason."""
    crashes = read_crashes(path, fingerprint)
    crashes.setdefault(item_id, []).append(reason)
    record = {"fingerprint": fingerprint, "crashes": crashes}
    write_text(path, json.dumps(record, indent=1, sort_keys=True) + "\n")
    return given_up(crashes)


def given_up(crashes: Mapping[str, list[str]]) -> dict[str, str]:
    """The items with enough strikes against them, each with the latest reason."""
    return {item: reasons[-1] for item, reasons in crashes.items() if len(reasons) >= STRIKES}
