"""Which files this process opens, whoever opens them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

_watchers: list[list[Path]] = []


@contextmanager
def watching_opens() -> Iterator[list[Path]]:
    """Give a list to which the path of every file is added that is opened in the block."""
    _install()
    opened: list[Path] = []
    _watchers.append(opened)
    try:
        yield opened
    finally:
        _watchers.remove(opened)


@lru_cache(maxsize=1)
def _install() -> None:
    # A hook stays for good; without a watcher it does nothing.
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watchers and isinstance(arguments[0], str | bytes | Path):
        path = arguments[0]
        for opened in _watchers:
            opened.append(Path(path.decode() if isinstance(path, bytes) else path))
