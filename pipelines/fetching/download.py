"""One file: fetch until it is complete, whatever happens on the way."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.fetching.backoff import Backoff
from pipelines.fetching.errors import PermanentFaultError, StoppedError, TemporaryFaultError
from pipelines.fetching.partial import PartFile
from pipelines.fetching.sources import Source

OnBytes = Callable[[int, int], None]
"""Called with the number of bytes that just came, and with how many of the file are here now."""


@dataclass(frozen=True)
class Downloader:
    """Fetches files one by one; several threads may use one downloader.

    Attributes:
        source: where the bytes come from.
        backoff: how long to wait after a failure.
        max_attempts: failures in a row, none of which brought anything new, before giving up.
        stop: when set, downloads end with `StoppedError`.
    """

    source: Source
    backoff: Backoff
    max_attempts: int
    stop: threading.Event

    def download(self, url: str, part: PartFile, on_bytes: OnBytes) -> None:
        """Bring `part` to its full length, going on with what is there.

        Args:
            url: the address of the file.
            part: where it is written.
            on_bytes: told of what comes.

        Raises:
            MissingFileError: there is no such file.
            PermanentFaultError: attempts are useless, or were.
            DiskError: the disk is full or not writable.
            StoppedError: the job is being stopped.
        """
        num_failures = 0
        furthest = 0
        while not part.is_complete(url):
            try:
                self._try(url, part, on_bytes)
            except TemporaryFaultError as error:
                state = part.read_state(url)
                reached = state.synced_bytes if state else 0
                num_failures = 1 if reached > furthest else num_failures + 1
                furthest = max(furthest, reached)
                if num_failures >= self.max_attempts:
                    raise PermanentFaultError(
                        f"{error} (given up after {num_failures} attempts without progress)"
                    ) from error
                self._check_stop()
                self.backoff.pause(num_failures, error)
                self._check_stop()
            else:
                return

    def _try(self, url: str, part: PartFile, on_bytes: OnBytes) -> None:
        state = part.read_state(url)
        start = state.synced_bytes if state else 0
        with self.source.open(url, start, state.validator if state else None) as body:
            on_bytes(0, body.start)
            with part.writing(url, body.start, body.validator, body.total_bytes) as writer:
                for block in body.blocks:
                    self._check_stop()
                    writer.append(block)
                    on_bytes(len(block), writer.position)
            if body.total_bytes is not None and writer.position != body.total_bytes:
                raise TemporaryFaultError(
                    f"{url}: {writer.position} of {body.total_bytes} bytes came"
                )

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise StoppedError("stopped")
