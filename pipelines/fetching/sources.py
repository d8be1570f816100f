"""Where files come from: what every source offers, and which one serves an address."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True)
class RemoteInfo:
    """What a source says of a file before it is fetched.

    Attributes:
        num_bytes: its size; None if the source does not say.
        validator: a text that changes when the file does; None if there is none.
    """

    num_bytes: int | None
    validator: str | None


@dataclass(frozen=True)
class Body:
    """The bytes of a file from some position to its end.

    Attributes:
        start: position of the first byte. 0 although more was asked for, when the file has changed
            or the source cannot begin in the middle.
        total_bytes: size of the whole file; None if the source does not say.
        validator: as in `RemoteInfo`.
        blocks: the bytes. Iterating raises `TemporaryFaultError` when the connection breaks.
    """

    start: int
    total_bytes: int | None
    validator: str | None
    blocks: Iterator[bytes]


class Source(Protocol):
    """A place that files can be fetched from, by several threads at once."""

    def look_up(self, url: str) -> RemoteInfo:
        """Ask for size and validator without the bytes.

        Raises:
            MissingFileError: there is no such file.
            FetchError: it cannot be said now.
        """
        ...

    def open(self, url: str, start: int, validator: str | None) -> AbstractContextManager[Body]:
        """Open a file at `start`, if it is still the one with that `validator`.

        Raises:
            MissingFileError: there is no such file.
            TemporaryFaultError: worth another try.
            PermanentFaultError: not worth one.
        """
        ...

    def abort(self) -> None:
        """Make every thread that waits for bytes fail soon."""
        ...


def scheme_of(url: str) -> str:
    """The part of an address before ``://``, in lower case; empty for a path on this machine."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""
