"""A real disk of a few kilobytes, to fill up: a file system in memory, mounted for one test."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """Where the disk is mounted."""

    path: Path

    def resize(self, options: str) -> None:
        """Mount it again with other limits, such as `size=64m`."""
        _call("mount", "-o", f"remount,{options}", str(self.path))


@contextmanager
def small_disk(path: Path, options: str) -> Iterator[SmallDisk]:
    """Mount a disk with limits such as `size=64k` or `nr_inodes=40`; skips where nobody may."""
    path.mkdir()
    try:
        _call("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here ({error}); run as root to fill a real one")
    try:
        yield SmallDisk(path)
    finally:
        _call("umount", "--lazy", str(path))


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
