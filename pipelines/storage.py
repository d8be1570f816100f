"""A run folder that cannot be written any more: found out once, said once, and nothing is lost.

A full disk is no unit's fault, and no other unit would fare better. So it fails no unit: the unit
in work stays pending, its half-written files are deleted, and the run stops. What was finished
before is kept, and the same command goes on from there.
"""

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipelines.markers import read_markers
from pipelines.units import Unit, UnitStatus

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_NOTHING_LEFT_BYTES = 1 << 16


class StorageError(OSError):
    """The run folder is full or not writable; the message names it and says what to do."""


def is_storage_error(error: BaseException | None, folder: Path) -> bool:
    """Whether a full or read-only disk is behind an error, or behind one that led to it.

    Args:
        error: as a writer raised it.
        folder: where it wrote. numpy says of a full disk only that it wrote less than it was
            given, so the space that is left must tell.
    """
    while error is not None:
        if isinstance(error, OSError):
            if error.errno in _FULL:
                return True
            if error.errno is None and "written" in str(error) and _is_full(folder):
                return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def storage_errors(run_dir: Path, what: str) -> Iterator[None]:
    """Raise `StorageError` in the place of what the system says of a full disk.

    Args:
        run_dir: the run folder.
        what: was being written, for people.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        if not is_storage_error(error, run_dir):
            raise
        raise StorageError(
            f"{run_dir}: cannot be written while {what}: {error}. The half-written files are "
            f"deleted; {_format_bytes(shutil.disk_usage(run_dir).free)} are free now. What is "
            "finished is kept: free space there, and the same command goes on"
        ) from error


@contextmanager
def explaining_need(run_dir: Path, stage_name: str, units: Sequence[Unit]) -> Iterator[None]:
    """Add to a `StorageError` how much the stage still needs.

    Args:
        run_dir: the run folder.
        stage_name: the stage at work.
        units: its whole plan.
    """
    try:
        with storage_errors(run_dir, f"running {stage_name}"):
            yield
    except StorageError as error:
        need = _describe_need(run_dir, stage_name, units)
        raise StorageError(f"{error}. {need}") from error


def _describe_need(run_dir: Path, stage_name: str, units: Sequence[Unit]) -> str:
    """What the units left need, judged by those done."""
    done = [m for m in read_markers(run_dir, stage_name) if m.status is UnitStatus.DONE]
    num_left = len(units) - len(done)
    if not done:
        return f"How much is not known: none of the {num_left} units of {stage_name} is done"
    num_bytes = sum(file.num_bytes for marker in done for file in marker.outputs.values())
    need = _format_bytes(num_left * num_bytes // len(done))
    return (
        f"About {need} are needed for the {num_left} units of {stage_name} that are left, judged "
        f"by the {len(done)} that are done, and more for later stages"
    )


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < _NOTHING_LEFT_BYTES


def _format_bytes(num_bytes: int) -> str:
    size = float(num_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
