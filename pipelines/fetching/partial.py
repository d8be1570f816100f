"""A file that is still coming: ``NAME.part``, and beside it what is needed to go on with it.

The final name appears by one rename, after the bytes are complete, checked and forced to disk.
``NAME.part.json`` says which version of which file the bytes are of, and how many of them had
reached the disk; whatever lies beyond may be lost or garbage after a power cut and is cut off.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydantic import Field, ValidationError

from manifests.atomic import write_text
from manifests.strict_model import StrictModel
from pipelines.fetching.errors import DiskError

PART_SUFFIX = ".part"
STATE_SUFFIX = ".part.json"
# Given back when the disk is full, so that there is room to write down what has come.
_SPARE_BYTES = 1 << 16


class PartState(StrictModel):
    """What the bytes of an unfinished file are."""

    url: str
    validator: str
    total_bytes: int | None = Field(ge=0)
    synced_bytes: int = Field(ge=0)


class PartFile:
    """An unfinished file; one thread at a time.

    Args:
        destination: the final name.
        sync_every_bytes: how much is written between two moments to go on from.
    """

    def __init__(self, destination: Path, sync_every_bytes: int) -> None:
        self.destination = destination
        self.path = destination.with_name(destination.name + PART_SUFFIX)
        self._state_path = destination.with_name(destination.name + STATE_SUFFIX)
        self._sync_every_bytes = sync_every_bytes

    def read_state(self, url: str) -> PartState | None:
        """What can be gone on with; None if there is nothing, or it is of another address."""
        try:
            state = PartState.model_validate_json(self._state_path.read_bytes())
            size = self.path.stat().st_size
        except (FileNotFoundError, ValidationError):
            return None
        return state if state.url == url and size >= state.synced_bytes else None

    def is_complete(self, url: str) -> bool:
        """Whether all bytes are there, so that only the check and the rename are missing."""
        state = self.read_state(url)
        return state is not None and state.synced_bytes == state.total_bytes

    @contextmanager
    def writing(
        self, url: str, start: int, validator: str | None, total_bytes: int | None
    ) -> Iterator["PartWriter"]:
        """Open the file for appending at `start`; whatever ends the block, what came is kept.

        Args:
            url: where the bytes come from.
            start: 0 to begin again, or what `read_state` gave.
            validator: see `sources.Body`; without one, nobody can go on later.
            total_bytes: size of the whole file; None if unknown.

        Raises:
            DiskError: the disk is full or not writable.
        """
        stream = self._open(start)
        with stream:
            writer = PartWriter(self, stream, url, validator, total_bytes)
            try:
                yield writer
            finally:
                writer.finish()

    def write_state(self, state: PartState) -> None:
        """Write down how far the bytes on disk go."""
        with disk_errors(self.path):
            write_text(self._state_path, state.model_dump_json() + "\n")

    def publish(self) -> None:
        """Give the file its final name.

        Raises:
            DiskError: the disk is not writable.
        """
        with disk_errors(self.destination):
            self.path.replace(self.destination)
            _sync_folder(self.destination.parent)
            self._forget_state()

    def move_to(self, path: Path) -> None:
        """Put the file, which is bad, somewhere else."""
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.path.replace(path)
            self._forget_state()

    def discard(self) -> None:
        """Delete what has come, to begin again at zero."""
        with disk_errors(self.path):
            self._forget_state()
            self.path.unlink(missing_ok=True)

    @property
    def sync_every_bytes(self) -> int:
        """See the class."""
        return self._sync_every_bytes

    def _open(self, start: int) -> BinaryIO:
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if start == 0:
                self._forget_state()
            stream = self.path.open("r+b" if start else "wb", buffering=0)
            stream.truncate(start)
            stream.seek(start)
            return stream

    def _forget_state(self) -> None:
        self._state_path.unlink(missing_ok=True)
        # What a killed process left while it wrote the state.
        for leftover in self._state_path.parent.glob(f".{self._state_path.name}.*.part"):
            leftover.unlink(missing_ok=True)


class PartWriter:
    """Appends to a part file, and notes from time to time how far it is on disk."""

    def __init__(
        self,
        part: PartFile,
        stream: BinaryIO,
        url: str,
        validator: str | None,
        total_bytes: int | None,
    ) -> None:
        self._part = part
        self._stream = stream
        self._url = url
        self._validator = validator
        self._total_bytes = total_bytes
        self.position = self._synced_bytes = stream.tell()

    def append(self, block: bytes) -> None:
        """Write a block.

        Raises:
            DiskError: the disk is full or not writable.
        """
        rest = memoryview(block)
        with disk_errors(self._part.path):
            try:
                while rest:
                    num_written = self._stream.write(rest)
                    self.position += num_written
                    rest = rest[num_written:]
            except OSError:
                self._give_back()
                raise
        if self.position - self._synced_bytes >= self._part.sync_every_bytes:
            self._sync()

    def finish(self) -> None:
        """Force everything to disk; note how far it goes unless beginning again costs nothing."""
        small = self._total_bytes is not None and self._total_bytes < self._part.sync_every_bytes
        if small and self.position == self._total_bytes:
            with disk_errors(self._part.path):
                os.fsync(self._stream.fileno())
        else:
            self._sync()

    def _sync(self) -> None:
        with disk_errors(self._part.path):
            os.fsync(self._stream.fileno())
        self._synced_bytes = self.position
        if self._validator is not None:
            self._part.write_state(
                PartState(
                    url=self._url,
                    validator=self._validator,
                    total_bytes=self._total_bytes,
                    synced_bytes=self.position,
                )
            )

    def _give_back(self) -> None:
        self.position = max(self._synced_bytes, self.position - _SPARE_BYTES)
        self._stream.truncate(self.position)
        self._stream.seek(self.position)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a disk into something to act upon."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{path}: cannot be written: {error.strerror or error}. What has come is kept; free "
            "space or mend the disk, and the same command goes on"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
