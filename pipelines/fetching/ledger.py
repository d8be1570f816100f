"""What was fetched, checked, missed and quarantined: one JSON file beside the data.

A file that is recorded with its size and time of change is not hashed again: half a terabyte would
take an hour to learn that nothing happened to it.
"""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from manifests.atomic import write_text
from manifests.strict_model import StrictModel
from pipelines.fetching.checks import CheckedBy
from pipelines.fetching.errors import FetchError
from pipelines.fetching.partial import disk_errors

LEDGER_NAME = "fetch_ledger.json"
_LOCK_NAME = ".fetch.lock"


class FileStatus(StrEnum):
    """What became of a file."""

    VERIFIED = "verified"
    UNPACKED = "unpacked"
    QUARANTINED = "quarantined"
    MISSING = "missing"
    FAILED = "failed"


GOOD = frozenset({FileStatus.VERIFIED, FileStatus.UNPACKED})


class LedgerEntry(StrictModel):
    """One file.

    `digest` is the MD5 where one is published, else the SHA-256; for a quarantined file it is what
    was found, and `expected` what was published.
    """

    path: str
    url: str
    status: FileStatus
    num_bytes: int | None = None
    mtime_ns: int | None = None
    checked_by: CheckedBy | None = None
    digest: str | None = None
    expected: str | None = None
    reason: str | None = None

    def describes(self, path: Path) -> bool:
        """Whether a file is still the one that was found good, by size and time of change."""
        if self.status is not FileStatus.VERIFIED or not path.is_file():
            return False
        status = path.stat()
        return (status.st_size, status.st_mtime_ns) == (self.num_bytes, self.mtime_ns)


class _Content(StrictModel):
    files: tuple[LedgerEntry, ...]


class Ledger:
    """The ledger of one folder; made by `open_ledger`, used by several threads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LEDGER_NAME
        self._lock = threading.Lock()
        self._entries = {entry.path: entry for entry in read_ledger(folder)}

    def get(self, path: str) -> LedgerEntry | None:
        """What is recorded of a file."""
        return self._entries.get(path)

    def record(self, *entries: LedgerEntry) -> None:
        """Write down what became of some files."""
        with self._lock, disk_errors(self._path):
            self._entries.update((entry.path, entry) for entry in entries)
            files = tuple(self._entries[path] for path in sorted(self._entries))
            text = _Content(files=files).model_dump_json(indent=1, exclude_none=True)
            write_text(self._path, text + "\n")


def read_ledger(folder: Path) -> tuple[LedgerEntry, ...]:
    """What is recorded in a folder, by path; nothing if nothing was fetched into it.

    Raises:
        FetchError: the ledger is not readable.
    """
    path = folder / LEDGER_NAME
    try:
        return _Content.model_validate_json(path.read_bytes()).files
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        raise FetchError(
            f"{path}: not a ledger of this version; delete it, and the files that are there will "
            "be checked again, not fetched again"
        ) from error


def is_vouched_for(folder: Path, path: str, md5: str) -> bool:
    """Whether a ledger says that a file, as it is now, was hashed and had an MD5.

    Args:
        folder: where the ledger is, if there is one.
        path: the file, relative to the folder.
        md5: the published digest.
    """
    try:
        entries = read_ledger(folder)
    except FetchError:
        # Of another version: it cannot vouch, and whoever asks will hash the file.
        return False
    return any(
        (entry.path, entry.checked_by, entry.digest) == (path, CheckedBy.MD5, md5)
        and entry.describes(folder / path)
        for entry in entries
    )


@contextmanager
def open_ledger(folder: Path) -> Iterator[Ledger]:
    """Open the ledger of a folder and keep other processes out of it.

    Raises:
        FetchError: another process fetches into the folder, or it cannot be made.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _LOCK_NAME).open("w", encoding="utf-8")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchError(
                f"{folder}: another process is fetching into this folder; wait for it or stop it"
            ) from error
        for leftover in folder.glob(f".{LEDGER_NAME}.*.part"):
            leftover.unlink(missing_ok=True)
        yield Ledger(folder)
