"""Tar shards: check their MD5, list their members, read a member's bytes by offset.

A shard is never unpacked. Its headers are read once; afterwards one seek and one read fetch an
image. Nothing is trusted in a member but its position: names are not used as paths, and links
and devices are listed but never followed.
"""

import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from manifests.gldv2_csv import is_image_id
from manifests.lineage import digest_file

_MD5_LINE = re.compile(r"([0-9a-f]{32}) [ *]([^\n/]+)\n?")
_MD5_FILE_NAME = re.compile(r"md5\.(.+)\.txt")
_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp"})
_FETCH_AGAIN = "fetch the shard again"


class ShardError(ValueError):
    """A shard or its checksum file is missing, damaged or not what it should be."""


@dataclass(frozen=True)
class Member:
    r"""One file of a shard.

    Attributes:
        name: as the archive gives it; bytes that are not UTF-8 are written as ``\xNN``.
        offset: position of its first byte in the shard.
        num_bytes: its size.
        problem: why its bytes must not be used; None for a plain file with a safe name.
    """

    name: str
    offset: int
    num_bytes: int
    problem: str | None


def read_expected_md5(md5_file: Path) -> str:
    """The MD5 that a checksum file such as ``md5.images_000.txt`` gives for its shard.

    Raises:
        ShardError: the file is missing, is not one line as md5sum prints it, or speaks of another
            shard than its own name says.
    """
    file_name = _MD5_FILE_NAME.fullmatch(md5_file.name)
    if file_name is None:
        raise ShardError(f"{md5_file}: not named like md5.images_000.txt; give the checksum file")
    try:
        text = md5_file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ShardError(
            f"{md5_file}: not readable ({error}); fetch the checksum file again"
        ) from error
    line = _MD5_LINE.fullmatch(text)
    shard_name = f"{file_name[1]}.tar"
    if line is None or line[2] != shard_name:
        raise ShardError(
            f"{md5_file}: holds {text[:80]!r}, expected '<32 hexadecimal digits>  {shard_name}'; "
            "fetch the checksum file again"
        )
    return line[1]


def check_md5(tar: Path, md5_file: Path) -> None:
    """Compare a shard with its checksum file.

    Raises:
        ShardError: the checksum differs, belongs to another shard, or a file is missing.
    """
    expected = read_expected_md5(md5_file)
    if md5_file.name != f"md5.{tar.stem}.txt":
        raise ShardError(f"{md5_file}: is not the checksum of {tar}; give md5.{tar.stem}.txt")
    try:
        found = digest_file(tar, "md5")
    except OSError as error:
        raise ShardError(f"{tar}: not readable ({error}); {_FETCH_AGAIN}") from error
    if found != expected:
        raise ShardError(f"{tar}: its MD5 is {found}, {md5_file} says {expected}; {_FETCH_AGAIN}")


def list_members(tar: Path) -> list[Member]:
    """Every member of an uncompressed tar except folders, in archive order; reads headers only.

    Raises:
        ShardError: the archive is missing, cut short or garbled; names the last good member.
    """
    members: list[Member] = []
    try:
        tar_bytes = tar.stat().st_size
        with tarfile.open(tar, "r:") as archive:
            for info in archive:
                _check_position(info, members, tar_bytes)
                if not info.isdir():
                    members.append(_describe(info))
            end = archive.offset
        _check_end(tar, end)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise ShardError(f"{tar}: {error}, after {_last_good(members)}; {_FETCH_AGAIN}") from error
    return members


class ShardReader:
    """Reads members of one open shard by position; made by `open_shard`."""

    def __init__(self, tar: Path, stream: BinaryIO) -> None:
        self._tar = tar
        self._stream = stream

    def read(self, offset: int, num_bytes: int) -> bytes:
        """The `num_bytes` bytes at `offset`.

        Raises:
            ShardError: the disk cannot read them, or the shard ends earlier, so that it is not the
                one that was listed.
        """
        try:
            self._stream.seek(offset)
            data = self._stream.read(num_bytes)
        except OSError as error:
            raise ShardError(
                f"{self._tar}: cannot be read at offset {offset} ({error}); look at its disk, or "
                f"{_FETCH_AGAIN}"
            ) from error
        if len(data) != num_bytes:
            raise ShardError(
                f"{self._tar}: {len(data)} bytes at offset {offset}, expected {num_bytes}; the "
                "shard is not the one that was ingested: fetch it again or ingest it again"
            )
        return data


@contextmanager
def open_shard(tar: Path) -> Iterator[ShardReader]:
    """Open a shard to read many of its members through one file handle.

    Raises:
        ShardError: the shard is missing or cannot be opened.
    """
    try:
        stream = tar.open("rb")
    except OSError as error:
        raise ShardError(f"{tar}: cannot be opened ({error}); {_FETCH_AGAIN}") from error
    with stream:
        yield ShardReader(tar, stream)


def read_bytes(tar: Path, offset: int, num_bytes: int) -> bytes:
    """The bytes of one member, from the position that `list_members` gave.

    Raises:
        ShardError: the shard is missing or ends earlier.
    """
    with open_shard(tar) as shard:
        return shard.read(offset, num_bytes)


def image_id_of(member_name: str) -> str | None:
    """The GLDv2 id in a member's name, whatever its folder; None if it is no image of GLDv2."""
    path = PurePosixPath(member_name)
    if path.suffix.lower() not in _IMAGE_SUFFIXES or not is_image_id(path.stem):
        return None
    return path.stem


def _describe(info: tarfile.TarInfo) -> Member:
    # Surrogates stand for bytes that are not UTF-8; no table can store them.
    name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return Member(name, info.offset_data, info.size, _find_problem(info))


def _find_problem(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return f"a link to {info.linkname!r}, not a plain file"
    if info.issparse() or not info.isreg():
        return f"a special file (tar type {info.type!r}), not a plain file"
    path = PurePosixPath(info.name)
    if path.is_absolute():
        return "an absolute path"
    if ".." in path.parts:
        return "a path that leaves the archive ('..')"
    return None


def _check_position(info: tarfile.TarInfo, members: list[Member], tar_bytes: int) -> None:
    end = info.offset_data + info.size
    if end > tar_bytes:
        raise ValueError(
            f"{info.name!r} is cut short: it ends at byte {end}, the tar at {tar_bytes}"
        )
    # A negative size would send the tarfile module round the same members for ever.
    if info.size < 0 or (members and info.offset < members[-1].offset):
        raise ValueError(f"header with an impossible size at byte {info.offset}")


def _check_end(tar: Path, end: int) -> None:
    """The tarfile module takes a garbled header for the end; a real end is a block of zeros."""
    with tar.open("rb") as stream:
        stream.seek(end)
        block = stream.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise ValueError(f"cut short: no end-of-archive mark at byte {end}")
    if any(block):
        raise ValueError(f"garbled header at byte {end}")


def _last_good(members: list[Member]) -> str:
    return f"member {members[-1].name!r}" if members else "no member at all"
