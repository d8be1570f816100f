"""What of a data set is here, what would come, and how large it is."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipelines.fetching.catalogue import Dataset, FileKind, RemoteFile
from pipelines.fetching.checks import read_published_md5
from pipelines.fetching.errors import FetchError, MissingFileError
from pipelines.fetching.ledger import FileStatus, Ledger, LedgerEntry
from pipelines.fetching.partial import PartFile
from pipelines.fetching.settings import FetchSettings
from pipelines.fetching.sources import Source
from pipelines.fetching.unpack import ImageFolder

_WORTH_ASKING_BYTES = 1 << 16


class Presence(StrEnum):
    """What of a file is here."""

    VERIFIED = "verified"
    UNCHECKED = "here, to be checked"
    PARTIAL = "begun"
    ABSENT = "to come"
    NOT_OFFERED = "not offered"
    KNOWN_MISSING = "not offered before"


@dataclass(frozen=True)
class PlannedFile:
    """One file of a plan.

    Attributes:
        file: the file.
        presence: what of it is here.
        here_bytes: how much of it is here.
        total_bytes: its size; None if nobody says.
        is_exact: whether the size is that of the file, or only published and rounded.
        reason: why it is not offered.
    """

    file: RemoteFile
    presence: Presence
    here_bytes: int
    total_bytes: int | None
    is_exact: bool
    reason: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether there is anything to do."""
        return self.presence not in (Presence.VERIFIED, Presence.KNOWN_MISSING)

    @property
    def missing_bytes(self) -> int:
        """How much is still to come, as far as known."""
        if self.presence not in (Presence.PARTIAL, Presence.ABSENT):
            return 0
        return max(0, (self.total_bytes or 0) - self.here_bytes)


def make_plan(
    dataset: Dataset,
    folder: Path,
    ledger: Ledger,
    source: Source,
    settings: FetchSettings,
    *,
    verify: bool,
) -> list[PlannedFile]:
    """Look at every file of a data set, here and at the source, and fetch nothing.

    Args:
        dataset: the data set.
        folder: its folder.
        ledger: what is known of the folder.
        source: asked for the size of what is not here.
        settings: how many questions at a time.
        verify: trust nothing that is recorded: what is here is to be checked, and what was not
            offered and is not required is to be asked for.
    """
    planner = _Planner(dataset, folder, ledger, source, settings, verify=verify)
    with ThreadPoolExecutor(settings.connections) as pool:
        return list(pool.map(planner.look_at, dataset.files))


def needed_bytes(plan: Sequence[PlannedFile]) -> int:
    """Disk space that a plan needs at its peak: what comes, and one archive unpacked."""
    archives = [f.total_bytes or 0 for f in plan if f.file.kind is FileKind.ARCHIVE]
    coming = sum(planned.missing_bytes for planned in plan)
    return coming + (max(archives, default=0) if coming else 0)


def read_expected_md5(folder: Path, file: RemoteFile) -> str | None:
    """The digest published for a file; None if it has none, or it is not here yet."""
    if file.md5_path is None or not (md5_file := folder / file.md5_path).is_file():
        return None
    return read_published_md5(md5_file, Path(file.path).name)


def is_recorded(folder: Path, file: RemoteFile, entry: LedgerEntry | None) -> bool:
    """Whether a file is the one that was checked before, by size and time of change."""
    return (
        entry is not None
        and entry.describes(folder / file.path)
        and (file.sha256 is None or file.sha256 == entry.digest)
        and (file.md5_path is None or read_expected_md5(folder, file) == entry.digest)
    )


@dataclass(frozen=True)
class _Planner:
    dataset: Dataset
    folder: Path
    ledger: Ledger
    source: Source
    settings: FetchSettings
    verify: bool

    def look_at(self, file: RemoteFile) -> PlannedFile:
        path = self.folder / file.path
        if self._is_unpacked(file):
            return PlannedFile(file, Presence.VERIFIED, 0, 0, is_exact=True)
        if path.is_file():
            size = path.stat().st_size
            entry = self.ledger.get(file.path)
            known = not self.verify and is_recorded(self.folder, file, entry)
            presence = Presence.VERIFIED if known else Presence.UNCHECKED
            return PlannedFile(file, presence, size, size, is_exact=True)
        if not file.required and not self.verify and self._was_missing(file):
            # Else a complete folder could not be used without a network.
            return PlannedFile(file, Presence.KNOWN_MISSING, 0, None, is_exact=False)
        return self._ask(file, path)

    def _ask(self, file: RemoteFile, path: Path) -> PlannedFile:
        state = PartFile(path, self.settings.sync_every_bytes).read_state(file.url)
        here = state.synced_bytes if state else 0
        total, is_exact = (state.total_bytes, True) if state else (None, False)
        # A thousand checksum files of 49 bytes are not worth a thousand questions.
        if total is None and (file.about_bytes or _WORTH_ASKING_BYTES) >= _WORTH_ASKING_BYTES:
            try:
                total = self.source.look_up(file.url).num_bytes
                is_exact = total is not None
            except MissingFileError as error:
                return PlannedFile(
                    file, Presence.NOT_OFFERED, here, None, is_exact=False, reason=str(error)
                )
            except FetchError:
                # Fetching it will try again and say what is wrong; this is only about its size.
                total = None
        presence = Presence.PARTIAL if here else Presence.ABSENT
        return PlannedFile(file, presence, here, total or file.about_bytes, is_exact=is_exact)

    def _is_unpacked(self, file: RemoteFile) -> bool:
        entry = self.ledger.get(file.path)
        if entry is None or entry.status is not FileStatus.UNPACKED:
            return False
        return ImageFolder(self.folder).is_unpacked(file.path, verify=self.verify)

    def _was_missing(self, file: RemoteFile) -> bool:
        entry = self.ledger.get(file.path)
        return entry is not None and entry.status is FileStatus.MISSING and entry.url == file.url
