"""Unpack the archives of an evaluation set into ``jpg/``, which appears when it is complete.

Archives are unpacked one after another into ``.jpg.part/``. When all are, the folder gets its final
name. For each archive, ``checksums/ARCHIVE.sha256`` lists what came out of it, in the format that
``sha256sum -c`` reads; it is written last and says that the archive is done.
"""

import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from manifests.atomic import write_text
from manifests.lineage import digest_file
from pipelines.fetching.errors import FetchError
from pipelines.fetching.partial import disk_errors

_BLOCK_BYTES = 1 << 20
# Photographs are compressed already; an archive that grows more than this is an attack.
_MAX_EXPANSION = 20
_SMALL_ARCHIVE_BYTES = 1 << 20
_DAMAGED = (tarfile.TarError, OSError, EOFError, zlib.error)


class UnpackError(FetchError):
    """An archive that is damaged, or that must not be unpacked."""


class ImageFolder:
    """The unpacked images of an evaluation set.

    Args:
        folder: the folder of the set.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "jpg"
        self._staging = folder / ".jpg.part"

    def is_unpacked(self, archive_name: str, *, verify: bool = False) -> bool:
        """Whether everything that came out of an archive is there.

        Args:
            archive_name: name of the archive, which itself need not be there any more.
            verify: hash the images again.
        """
        listing = self._listing(archive_name)
        if not listing.is_file():
            return False
        root = self.path if self.path.is_dir() else self._staging
        return all(
            (path := root / name).is_file() and (not verify or digest_file(path) == digest)
            for digest, name in _read_listing(listing)
        )

    def unpack(self, archive: Path, others: Sequence[str], *, flatten: bool) -> int:
        """Unpack one archive; return how many images came out.

        Args:
            archive: a compressed tar.
            others: names of the other archives of the set, whose images must not be overwritten.
            flatten: drop the folders inside the archive.

        Raises:
            UnpackError: it is damaged, or a member is a link, a device, or leaves the folder, or
                two members have one name; names the member.
            DiskError: the disk is full or not writable.
        """
        self._reopen()
        taken = {name for other in others for _, name in _read_listing(self._listing(other))}
        lines = []
        for name, blocks in _read_members(archive, flatten=flatten):
            if name in taken:
                raise UnpackError(f"{archive}: {name!r} comes twice; the archive is refused")
            taken.add(name)
            with disk_errors(self._staging / name):
                lines.append(f"{_write(self._staging / name, blocks)}  {name}\n")
        with disk_errors(self._staging):
            os.sync()
            write_text(self._listing(archive.name), "".join(sorted(lines, key=_name_of)))
        return len(lines)

    def publish(self) -> None:
        """Give the complete folder its final name."""
        if self._staging.is_dir():
            with disk_errors(self.path):
                self._staging.replace(self.path)

    def names(self, archive_name: str) -> list[str]:
        """The images that came out of an archive, relative to the folder."""
        return [name for _, name in _read_listing(self._listing(archive_name))]

    def check_owner(self) -> None:
        """Refuse a folder of images that somebody else put there.

        Raises:
            UnpackError: the folder is there, and nothing says that it was unpacked here.
        """
        if self.path.exists() and not any(self._folder.glob("checksums/*.sha256")):
            raise UnpackError(
                f"{self.path}: was not made by this command; move it away, or give another folder. "
                "A folder of images can be used in a configuration as it is"
            )

    def _reopen(self) -> None:
        """Take the final name away while the folder is not complete."""
        self.check_owner()
        with disk_errors(self._staging):
            if self.path.exists():
                self.path.replace(self._staging)
            self._staging.mkdir(exist_ok=True)

    def _listing(self, archive_name: str) -> Path:
        return self._folder / "checksums" / f"{archive_name}.sha256"


def _read_members(archive: Path, *, flatten: bool) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Name to unpack under, and bytes, of each file of an archive."""
    most_bytes = _MAX_EXPANSION * archive.stat().st_size + _SMALL_ARCHIVE_BYTES
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for info in tar:
                if info.isdir():
                    continue
                _refuse_unsafe(archive, info)
                most_bytes -= info.size
                if most_bytes < 0:
                    raise UnpackError(f"{archive}: unpacks to more than {_MAX_EXPANSION} times")
                path = PurePosixPath(info.name)
                yield (path.name if flatten else str(path)), _read_blocks(archive, tar, info)
    except _DAMAGED as error:
        raise UnpackError(f"{archive}: damaged: {error}; fetch it again") from error


def _read_blocks(archive: Path, tar: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    try:
        stream = tar.extractfile(info)
        while stream is not None and (block := stream.read(_BLOCK_BYTES)):
            yield block
    except _DAMAGED as error:
        raise UnpackError(f"{archive}: damaged at {info.name!r}: {error}") from error


def _refuse_unsafe(archive: Path, info: tarfile.TarInfo) -> None:
    path = PurePosixPath(info.name)
    if not info.isreg():
        problem = "is a link or a device"
    elif path.is_absolute() or ".." in path.parts or not path.name:
        problem = "leaves the folder"
    elif any(ord(letter) < ord(" ") for letter in info.name):
        problem = "has a control character in its name"
    else:
        return
    raise UnpackError(f"{archive}: member {info.name!r} {problem}; the archive is refused")


def _write(path: Path, blocks: Iterator[bytes]) -> str:
    """Write one image; return its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("wb") as target:
        for block in blocks:
            digest.update(block)
            target.write(block)
    return digest.hexdigest()


def _read_listing(listing: Path) -> list[tuple[str, str]]:
    """Digest and name of each image; nothing if the archive is not unpacked."""
    if not listing.is_file():
        return []
    lines = listing.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("  ") for line in lines)
    return [(digest, name) for digest, _, name in pairs]


def _name_of(line: str) -> str:
    return line.partition("  ")[2]
