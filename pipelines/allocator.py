"""The C library's allocator, told what kind of program this is."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 256 << 20
_LARGEST_MMAP_THRESHOLD_BYTES = 32 << 20
"""What glibc allows on 64-bit machines."""


def keep_freed_memory() -> bool:
    """Let this process keep the memory of one image for the next one.

    By default glibc hands memory of many megabytes back to the system as soon as it is free, and
    the next image pays for each page of it again: at 800 px a sixth of the time of the feature
    extraction (`benchmarks/bench_features.py`). What the process may keep is bounded.

    Returns:
        Whether the allocator took the hint; other C libraries do not know it.
    """
    if not sys.platform.startswith("linux"):
        return False
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is None:
        return False
    settings = (
        (_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD_BYTES),
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
    )
    return [tune(parameter, value) for parameter, value in settings] == [1, 1]
