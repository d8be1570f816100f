"""Folders that are either whole or absent."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.input_error import InputError


@contextmanager
def staged_folder(target: Path, is_replaceable: Callable[[Path], bool]) -> Iterator[Path]:
    """Give an empty sibling of `target`; rename it to `target` when the block succeeds.

    Whatever kills the writer, `target` is the old folder, the new one or, between two renames,
    absent; never half of one. Every file is forced to disk before the rename.

    Args:
        target: folder to make; its parents are made too.
        is_replaceable: whether a folder that is already there, and not empty, may be replaced.

    Raises:
        InputError: `target` is a file, or a folder with something in it that must stay.
    """
    _check_target(target, is_replaceable)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = _sibling(target)
    staging.mkdir()
    try:
        yield staging
        _sync(staging)
        _swap(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_target(target: Path, is_replaceable: Callable[[Path], bool]) -> None:
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: a file, not a folder; give another --to")
    if target.is_dir() and any(target.iterdir()) and not is_replaceable(target):
        raise InputError(
            f"{target}: there is something else in this folder, which would be lost; give an "
            "empty or new folder with --to, or clear this one yourself"
        )


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def _swap(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
        return
    old = _sibling(target)
    target.rename(old)
    staging.rename(target)
    shutil.rmtree(old)


def _sibling(target: Path) -> Path:
    # A leading dot, as for single files: no pattern of a reader matches what a kill leaves.
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
