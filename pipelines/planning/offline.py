"""What a fetch would bring, by published sizes: a plan asks no server."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.fetching.catalogue import Dataset
from pipelines.fetching.errors import FetchError
from pipelines.fetching.fetch import plan_fetch
from pipelines.fetching.plan import PlannedFile
from pipelines.fetching.settings import FetchSettings
from pipelines.fetching.sources import Body, RemoteInfo
from pipelines.settings import SourceSettings


class OfflineSource:
    """A `Source` that answers nothing."""

    def look_up(self, url: str) -> RemoteInfo:
        """Say nothing of a file."""
        raise FetchError(f"{url}: not asked for; a plan goes by published sizes")

    @contextmanager
    def open(self, url: str, start: int, validator: str | None) -> Iterator[Body]:  # noqa: ARG002
        """Open nothing."""
        raise FetchError(f"{url}: not opened; a plan fetches nothing")
        yield

    def abort(self) -> None:
        """Nothing waits."""


def look_at_fetch(dataset: Dataset, source: SourceSettings) -> list[PlannedFile]:
    """Every required file of a data set: what of it is here, and its published size."""
    settings = FetchSettings() if source.fetch is None else source.fetch
    planned = plan_fetch(dataset, source.root, settings, source=OfflineSource())
    return [file for file in planned if file.file.required]
