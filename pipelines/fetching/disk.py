"""Is there room for what is to come?"""

import shutil
from pathlib import Path

from pipelines.fetching.errors import DiskError


def check_room(folder: Path, needed_bytes: int, margin_bytes: int) -> None:
    """Compare what is to be written with what is free.

    Args:
        folder: where it is to be written; need not exist yet.
        needed_bytes: what is still to come.
        margin_bytes: what must remain free.

    Raises:
        DiskError: it does not fit.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed_bytes and needed_bytes + margin_bytes > free:
        raise DiskError(
            f"{folder}: {format_bytes(needed_bytes)} are to come and {format_bytes(margin_bytes)} "
            f"must remain free, but only {format_bytes(free)} are free; free space, give another "
            "folder, or fetch fewer shards at a time"
        )


def format_bytes(num_bytes: float) -> str:
    """A size for people: ``1.2 GB``, in powers of ten as disks are sold."""
    size = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"
