"""One file of a data set: fetched or found, checked, published under its name, and written down."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipelines.fetching.catalogue import RemoteFile
from pipelines.fetching.checks import Check, CheckedBy, check_file
from pipelines.fetching.disk import format_bytes
from pipelines.fetching.download import Downloader
from pipelines.fetching.errors import DiskError, FetchError, MissingFileError, StoppedError
from pipelines.fetching.ledger import GOOD, FileStatus, Ledger, LedgerEntry
from pipelines.fetching.meter import Meter
from pipelines.fetching.partial import PartFile, disk_errors
from pipelines.fetching.plan import PlannedFile, read_expected_md5

QUARANTINE = "quarantine"


@dataclass(frozen=True)
class FileFetcher:
    """Brings files into a folder; several threads may use one.

    Attributes:
        folder: the folder of the data set.
        downloader: fetches the bytes.
        ledger: where it is written down.
        meter: where bytes and files are counted.
        sync_every_bytes: see `PartFile`.
    """

    folder: Path
    downloader: Downloader
    ledger: Ledger
    meter: Meter
    sync_every_bytes: int

    def settle(self, planned: PlannedFile) -> None:
        """Make one file good, or write down why it is not."""
        file = planned.file
        try:
            if planned.is_pending:
                self._obtain(file)
        except (DiskError, StoppedError):
            raise
        except MissingFileError as error:
            self._record_bad(file, FileStatus.MISSING, str(error))
        except FetchError as error:
            self._record_bad(file, FileStatus.FAILED, str(error))
        except Exception as error:  # noqa: BLE001  (one file's surprise must not end the others)
            self._record_bad(file, FileStatus.FAILED, f"{type(error).__name__}: {error}")
        self.meter.finish()

    def refuse(self, file: RemoteFile, reason: str) -> None:
        """Set a file aside that turned out to be bad after it was checked."""
        self._quarantine(self.folder / file.path, file)
        self._record_bad(file, FileStatus.QUARANTINED, reason)

    def _obtain(self, file: RemoteFile) -> None:
        md5 = read_expected_md5(self.folder, file)
        if file.md5_path is not None and md5 is None:
            raise FetchError(f"not fetched, because its checksum {file.md5_path} is not there")
        path = self.folder / file.path
        if path.is_file():
            check = self._check_existing(path, file, md5)
            if check.problem is None:
                self._record_verified(file, check)
                return
            self._quarantine(path, file)
            self.meter.count(file.path, 0, 0)
        self._fetch(file, md5)

    def _fetch(self, file: RemoteFile, md5: str | None) -> None:
        """Fetch and check; when wrong, once more from the beginning; when wrong again, set aside.

        A download that was resumed may be wrong where it was sewn together; one from the
        beginning tells whether the source itself is wrong.
        """
        part = PartFile(self.folder / file.path, self.sync_every_bytes)
        for is_last in (False, True):
            self.downloader.download(file.url, part, partial(self.meter.count, file.path))
            check = check_file(part.path, file, md5)
            if check.problem is None:
                part.publish()
                with disk_errors(part.destination):
                    self._quarantine_path(file).unlink(missing_ok=True)
                self._record_verified(file, check)
                return
            if is_last:
                part.move_to(self._quarantine_path(file))
                self._record_quarantined(file, check)
            else:
                part.discard()
                self.meter.count(file.path, 0, 0)

    def _check_existing(self, path: Path, file: RemoteFile, md5: str | None) -> Check:
        """Check a file that is here but not recorded as it is."""
        check = check_file(path, file, md5)
        if check.problem is not None or check.checked_by is not CheckedBy.STRUCTURE:
            return check
        entry = self.ledger.get(file.path)
        if entry is not None and entry.status in GOOD and entry.digest != check.digest:
            return Check(check.checked_by, check.digest, "it changed since it came", entry.digest)
        return Check(check.checked_by, check.digest, self._find_length_problem(path, file))

    def _find_length_problem(self, path: Path, file: RemoteFile) -> str | None:
        try:
            expected = self.downloader.source.look_up(file.url).num_bytes
        except FetchError:
            return None
        found = path.stat().st_size
        return None if expected in (None, found) else f"it has {found} bytes, not {expected}"

    def _quarantine(self, path: Path, file: RemoteFile) -> None:
        target = self._quarantine_path(file)
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)

    def _quarantine_path(self, file: RemoteFile) -> Path:
        return self.folder / QUARANTINE / file.path

    def _record_verified(self, file: RemoteFile, check: Check) -> None:
        status = (self.folder / file.path).stat()
        entry = LedgerEntry(
            path=file.path,
            url=file.url,
            status=FileStatus.VERIFIED,
            num_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            checked_by=check.checked_by,
            digest=check.digest,
        )
        self.ledger.record(entry)

    def _record_quarantined(self, file: RemoteFile, check: Check) -> None:
        size = self._quarantine_path(file).stat().st_size
        entry = LedgerEntry(
            path=file.path,
            url=file.url,
            status=FileStatus.QUARANTINED,
            num_bytes=size,
            checked_by=check.checked_by,
            digest=check.digest,
            expected=check.expected,
            reason=f"fetched twice, and {check.problem}; {format_bytes(size)} set aside in "
            f"{QUARANTINE}/{file.path}",
        )
        self.ledger.record(entry)

    def _record_bad(self, file: RemoteFile, status: FileStatus, reason: str) -> None:
        entry = LedgerEntry(path=file.path, url=file.url, status=status, reason=reason)
        self.ledger.record(entry)
