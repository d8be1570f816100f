"""Bytes out of tar shards by offset, with the files kept open."""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

from manifests.input_error import InputError

_MAX_OPEN: Final = 256
"""Below the usual limit of 1,024 files, with room for other readers in the process."""


class ShardFiles:
    """Reads parts of shards; each process that uses a copy opens files of its own.

    Attributes:
        root: folder that the names of shards count from.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: OrderedDict[str, int] = OrderedDict()

    def read(self, shard: str, offset: int, num_bytes: int) -> bytes:
        """Read some bytes of a shard.

        Raises:
            InputError: the shard is missing, or ends before.
        """
        data = os.pread(self._descriptor(shard), num_bytes, offset)
        # A file system may give less at a time than was asked for.
        while 0 < len(data) < num_bytes:
            rest = os.pread(self._descriptor(shard), num_bytes - len(data), offset + len(data))
            if not rest:
                break
            data += rest
        if len(data) < num_bytes:
            raise InputError(
                f"{self.root / shard}: ends before offset {offset + num_bytes}; fetch it again"
            )
        return data

    def close(self) -> None:
        """Close the files."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __getstate__(self) -> dict[str, object]:
        # The numbers of open files mean nothing in another process.
        return {"root": self.root, "_open": OrderedDict()}

    def __del__(self) -> None:
        self.close()

    def _descriptor(self, shard: str) -> int:
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]
        if len(self._open) >= _MAX_OPEN:
            os.close(self._open.popitem(last=False)[1])
        try:
            self._open[shard] = os.open(self.root / shard, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(
                f"{self.root / shard}: the shard cannot be opened ({error.strerror}); set "
                "data.shards to the folder that holds it, or fetch it again"
            ) from error
        return self._open[shard]
