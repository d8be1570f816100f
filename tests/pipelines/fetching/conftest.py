"""A fetch against a local server, with no real pauses."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fault_server import FaultServer
from rich.console import Console
from small_gldv2 import make_files

from pipelines.fetching.catalogue import at_mirror, gldv2
from pipelines.fetching.fetch import FetchReport, fetch_dataset
from pipelines.fetching.ledger import LedgerEntry, read_ledger
from pipelines.fetching.settings import FetchSettings

SETTINGS = FetchSettings(
    connections=3, max_attempts=4, read_timeout_seconds=10.0, sync_every_bytes=8192, margin_bytes=0
)


@dataclass
class Fetching:
    """Fetches shards of a server into a folder; remembers the pauses it was told to make."""

    server: FaultServer
    folder: Path
    pauses: list[float] = field(default_factory=list)

    def __call__(
        self,
        settings: FetchSettings = SETTINGS,
        *,
        verify: bool = False,
        shards: tuple[int, ...] = (0, 1),
    ) -> FetchReport:
        return fetch_dataset(
            at_mirror(gldv2("train", shards), self.server.url),
            self.folder,
            Console(file=io.StringIO()),
            settings,
            verify=verify,
            sleep=self.pauses.append,
            seed=0,
        )

    @property
    def ledger(self) -> dict[str, LedgerEntry]:
        return {entry.path: entry for entry in read_ledger(self.folder)}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(make_files((0, 1))) as running:
        yield running


@pytest.fixture
def fetching(server: FaultServer, tmp_path: Path) -> Fetching:
    return Fetching(server, tmp_path / "gldv2")


@pytest.fixture
def start_server() -> Iterator[Callable[[dict[str, bytes]], FaultServer]]:
    running: list[FaultServer] = []

    def start(files: dict[str, bytes]) -> FaultServer:
        server = FaultServer(files)
        running.append(server.__enter__())
        return server

    yield start
    for server in running:
        server.__exit__(None, None, None)
