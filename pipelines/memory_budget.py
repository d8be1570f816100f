"""How much memory a job may take, and what of it each worker may set aside for a search.

Part of what a worker holds grows with the data set and cannot be cut: some 130 bytes per image, as
columns. The rest can be done in pieces, and the budget says how large these are. It never changes
a result.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

_UNITS = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(MiB|GiB|TiB)")
_CGROUP_FILES = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
DEFAULT_SHARE = 0.5
"""Of the memory of the machine, when no budget is given: other programs want some too."""
SEARCH_SHARE = 0.125
"""Of a worker's part that a search may set aside; the rest is for columns, code and libraries."""
SMALLEST_SEARCH_BYTES, LARGEST_SEARCH_BYTES = 8 << 20, 64 << 20
"""Below, searches are slow for their many pieces; above, for memory that is handed out anew."""


def parse_size(text: str) -> int:
    """Bytes of a size such as `8GiB` or `1.5 GiB`.

    Raises:
        ValueError: it is no such size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise ValueError(f"{text!r} is no size; write it as 500MiB, 8GiB or 1.5GiB")
    return int(float(match[1]) * _UNITS[match[2]])


def _check_size(text: str) -> str:
    parse_size(text)
    return text


MemorySize = Annotated[str, AfterValidator(_check_size)]
"""A size in a configuration."""


@dataclass(frozen=True)
class MemoryBudget:
    """What all processes of a job on one machine may take together.

    Attributes:
        total_bytes: of all processes.
        num_workers: processes that do units.
    """

    total_bytes: int
    num_workers: int

    @property
    def search_bytes(self) -> int:
        """What one worker may set aside for a search."""
        # The process that hands out the work takes a part like each of the others.
        part = self.total_bytes / (self.num_workers + 1)
        return int(min(max(part * SEARCH_SHARE, SMALLEST_SEARCH_BYTES), LARGEST_SEARCH_BYTES))


def find_machine_bytes(cgroup_files: tuple[Path, ...] = _CGROUP_FILES) -> int:
    """Memory that this process may use: of the machine, or of its container if that has less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in cgroup_files:
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            limits.append(int(text))
    return min(limits)
