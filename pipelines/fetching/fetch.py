"""Many files: a data set fetched, checked, recorded and unpacked; the second time, nothing comes.

Checksum files come first, then everything else. A file that cannot be had or is wrong twice is
written down and named at the end; the others go on. Only a full disk ends the job.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pipelines.fetching.backoff import Backoff
from pipelines.fetching.catalogue import Dataset, FileKind
from pipelines.fetching.completeness import find_incompleteness, list_known_corrupt
from pipelines.fetching.disk import check_room
from pipelines.fetching.download import Downloader
from pipelines.fetching.fsspec_source import FsspecSource
from pipelines.fetching.http_source import HttpSource
from pipelines.fetching.ledger import GOOD, FileStatus, Ledger, open_ledger
from pipelines.fetching.meter import FetchProgress, Meter
from pipelines.fetching.one_file import FileFetcher
from pipelines.fetching.partial import disk_errors
from pipelines.fetching.plan import PlannedFile, make_plan, needed_bytes
from pipelines.fetching.settings import FetchSettings
from pipelines.fetching.sources import Source, scheme_of
from pipelines.fetching.unpack import ImageFolder, UnpackError


@dataclass(frozen=True)
class FetchReport:
    """What a fetch came to.

    Attributes:
        num_files: files of the data set.
        num_good: those that are here and right.
        num_pending: those that were not known to be right when the fetch began.
        received_bytes: what came over the connections.
        problems: what makes the data set incomplete, a line for each.
        notes: what a user should know and need not act upon.
    """

    num_files: int
    num_good: int
    num_pending: int
    received_bytes: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def make_source(url: str, settings: FetchSettings) -> Source:
    """The source that serves an address: http(s), or whatever fsspec knows, paths included."""
    if scheme_of(url) in ("http", "https"):
        return HttpSource(settings)
    return FsspecSource()


def plan_fetch(
    dataset: Dataset,
    folder: Path,
    settings: FetchSettings,
    *,
    source: Source | None = None,
    verify: bool = False,
) -> list[PlannedFile]:
    """Look what a fetch would do; nothing is written. See `fetch_dataset`."""
    source = source or make_source(dataset.files[0].url, settings)
    return make_plan(dataset, folder, Ledger(folder), source, settings, verify=verify)


def fetch_dataset(
    dataset: Dataset,
    folder: Path,
    console: Console,
    settings: FetchSettings,
    *,
    source: Source | None = None,
    verify: bool = False,
    keep_archives: bool = False,
    sleep: Callable[[float], None] | None = None,
    seed: int | None = None,
) -> FetchReport:
    """Bring a data set into a folder, going on with whatever is there.

    Args:
        dataset: the data set; see `catalogue`.
        folder: where it belongs.
        console: where progress is shown.
        settings: connections, patience and care.
        source: where the bytes come from; chosen by the first address when None.
        verify: hash again what is here and was checked before.
        keep_archives: do not delete archives once they are unpacked.
        sleep: waits between attempts; by default, until the job is stopped at most.
        seed: of the jitter; from the system when None.

    Raises:
        DiskError: there is no room, or the disk is not writable. What has come is kept.
        FetchError: another process fetches into the folder, or its ledger is not readable.
    """
    stop = threading.Event()
    source = source or make_source(dataset.files[0].url, settings)
    backoff = Backoff(settings, sleep or stop.wait, seed)
    downloader = Downloader(source, backoff, settings.max_attempts, stop)
    if dataset.archives:
        ImageFolder(folder).check_owner()
    with open_ledger(folder) as ledger:
        plan = make_plan(dataset, folder, ledger, source, settings, verify=verify)
        check_room(folder, needed_bytes(plan), settings.margin_bytes)
        fetcher = FileFetcher(folder, downloader, ledger, Meter(), settings.sync_every_bytes)
        job = _Job(dataset, folder, settings, fetcher)
        job.run(plan, console)
        job.unpack(keep_archives=keep_archives)
        return job.report(num_pending=sum(planned.is_pending for planned in plan))


@dataclass(frozen=True)
class _Job:
    dataset: Dataset
    folder: Path
    settings: FetchSettings
    fetcher: FileFetcher

    def run(self, plan: Sequence[PlannedFile], console: Console) -> None:
        """Fetch and check what is not verified; checksum files first."""
        for planned in plan:
            self.fetcher.meter.expect(planned.file.path, planned.here_bytes)
        total_bytes = sum(planned.total_bytes or 0 for planned in plan)
        title = f"fetch {self.dataset.name}"
        with FetchProgress(console, title, self.fetcher.meter, len(plan), total_bytes):
            for checksums in (True, False):
                wave = [p for p in plan if (p.file.kind is FileKind.MD5) is checksums]
                self._run_wave(wave)

    def unpack(self, *, keep_archives: bool) -> None:
        """Unpack the archives that are verified; show the images once all are there."""
        images = ImageFolder(self.folder)
        names = [file.path for file in self.dataset.archives]
        for file in self.dataset.archives:
            entry = self.fetcher.ledger.get(file.path)
            if entry is None or entry.status is not FileStatus.VERIFIED:
                continue
            archive = self.folder / file.path
            others = [name for name in names if name != file.path]
            try:
                images.unpack(archive, others, flatten=self.dataset.flatten)
            except UnpackError as error:
                self.fetcher.refuse(file, str(error))
                continue
            self.fetcher.ledger.record(entry.model_copy(update={"status": FileStatus.UNPACKED}))
            if not keep_archives:
                with disk_errors(archive):
                    archive.unlink()
        if names and all(self._status_of(name) is FileStatus.UNPACKED for name in names):
            images.publish()

    def report(self, *, num_pending: int) -> FetchReport:
        """Sum up what is recorded now."""
        problems: list[str] = []
        notes: list[str] = []
        num_good = 0
        for file in self.dataset.files:
            entry = self.fetcher.ledger.get(file.path)
            if entry is not None and entry.status in GOOD:
                num_good += 1
                continue
            status, reason = (entry.status, entry.reason) if entry else ("not fetched", None)
            (problems if file.required else notes).append(f"{file.path}: {status}: {reason}")
        if self.dataset.archives and not problems:
            if (incompleteness := find_incompleteness(self.dataset, self.folder)) is not None:
                problems.append(incompleteness)
            if corrupt := list_known_corrupt(self.dataset, self.folder):
                notes.append(
                    f"jpg: {len(corrupt)} images are known to be broken as published, and no "
                    f"ground truth uses them: {', '.join(corrupt)}"
                )
        return FetchReport(
            len(self.dataset.files),
            num_good,
            num_pending,
            self.fetcher.meter.received_bytes,
            tuple(problems),
            tuple(notes),
        )

    def _run_wave(self, wave: Sequence[PlannedFile]) -> None:
        with ThreadPoolExecutor(self.settings.connections) as pool:
            futures = [pool.submit(self.fetcher.settle, planned) for planned in wave]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                # A full disk, or Ctrl-C: the threads keep what they have and end.
                self.fetcher.downloader.stop.set()
                self.fetcher.downloader.source.abort()
                for future in futures:
                    future.cancel()
                raise

    def _status_of(self, path: str) -> FileStatus | None:
        entry = self.fetcher.ledger.get(path)
        return entry.status if entry else None
