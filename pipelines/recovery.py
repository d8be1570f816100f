"""What a run that ended badly has left behind: half-written files, and parts that may be damaged.

A killed process leaves temporary files, which nobody reads. A machine that loses its power may
leave more: a disk that promised to have written, and had not, then holds parts of the right size
with other bytes. So a run notes that it has begun, and takes the note away when it ends in order.
If the note is still there after a restart of the machine, every part written since is compared
with the digest in its marker, and what differs is made again.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from manifests.atomic import write_text
from manifests.lineage import digest_file
from pipelines.markers import MARKER_SUFFIX, Marker, read_markers
from pipelines.storage import storage_errors
from pipelines.units import state_dir

_NOTE = ".session.json"
_COMPARING = (
    "the machine stopped during an earlier run, or this is another one: "
    "comparing what was written since with its digests"
)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.part")
_HAS_OTHER_WRITERS = frozenset({"decisions"})


@contextmanager
def recovering(run_dir: Path, stage_names: Sequence[str], console: Console) -> Iterator[None]:
    """Clean up after earlier runs, then note that this one is at work until the block ends.

    A block that raises ends in order too: only a death leaves the note behind.

    Args:
        run_dir: the run folder, which the caller has locked.
        stage_names: the stages whose parts are looked at.
        console: where damage is named.
    """
    remove_leftovers(run_dir)
    note = run_dir / _NOTE
    if note.is_file() and _is_of_another_boot(note):
        console.print(_COMPARING, highlight=False, markup=False, soft_wrap=True)
        for path in forget_damaged(run_dir, stage_names, note.stat().st_mtime_ns):
            text = f"{path}: damaged when the machine stopped; it is made again"
            console.print(text, highlight=False, markup=False, soft_wrap=True)
        note.unlink()
    if not note.is_file():  # else an earlier start, since when the machine has not stopped
        with storage_errors(run_dir, "starting the run"):
            write_text(note, json.dumps({"boot_id": _read_boot_id()}) + "\n")
    try:
        yield
    finally:
        remove_leftovers(run_dir)  # of workers that were stopped with the run
        note.unlink(missing_ok=True)


def remove_leftovers(run_dir: Path) -> list[Path]:
    """Delete temporary files of killed writers in a folder that is locked; return them."""
    leftovers = []
    for folder in _list_folders(run_dir):
        leftovers += [path for path in folder.iterdir() if _LEFTOVER.fullmatch(path.name)]
    for path in leftovers:
        path.unlink()
    return sorted(leftovers)


def forget_damaged(run_dir: Path, stage_names: Sequence[str], since_ns: int) -> list[str]:
    """Delete the markers of units with an output that is not what the marker says.

    Args:
        run_dir: the run folder.
        stage_names: the stages to look at.
        since_ns: only outputs changed at this time or later are read, by the clock of their disk.

    Returns:
        The damaged outputs, relative to the run folder.
    """
    damaged = []
    for stage_name in stage_names:
        for marker in read_markers(run_dir, stage_name):
            if found := list(_find_damaged(run_dir, marker, since_ns)):
                damaged += found
                path = state_dir(run_dir, stage_name) / f"{marker.unit_id}{MARKER_SUFFIX}"
                path.unlink(missing_ok=True)
    return damaged


def _find_damaged(run_dir: Path, marker: Marker, since_ns: int) -> Iterator[str]:
    for output, file in marker.outputs.items():
        path = run_dir / output
        if not path.is_file():
            continue  # its unit is pending anyway
        if path.stat().st_mtime_ns >= since_ns and digest_file(path) != file.sha256:
            yield output


def _list_folders(run_dir: Path) -> Iterator[Path]:
    """The run folder and all below it, but for those that others write without its lock."""
    yield run_dir
    for path in sorted(run_dir.iterdir()):
        if path.is_dir() and path.name not in _HAS_OTHER_WRITERS:
            yield path
            yield from (below for below in path.rglob("*") if below.is_dir())


def _is_of_another_boot(note: Path) -> bool:
    try:
        boot_id = json.loads(note.read_bytes())["boot_id"]
    except (ValueError, KeyError, TypeError):  # damaged itself
        return True
    return boot_id is None or boot_id != _read_boot_id()


def _read_boot_id() -> str | None:
    """What tells one start of this machine from the next; None where the system has no such."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.is_file() else None
