"""Is a file what it should be? Against published digests, or else by its structure."""

import gzip
import re
import zlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from manifests.lineage import digest_file
from pipelines.fetching.catalogue import FileKind, RemoteFile

_BLOCK_BYTES = 1 << 20
_MD5_LINE = re.compile(r"([0-9a-f]{32}) [ *]([^\n/]+)\n?")
_MD5_FILE_NAME = re.compile(r"md5\.(.+)\.txt")
_LARGEST_MD5_FILE_BYTES = 4096
_SHOWN = 60


class CheckedBy(StrEnum):
    """How sure it is that a file is right."""

    MD5 = "published md5"
    SHA256 = "known sha256"
    STRUCTURE = "length and structure"


@dataclass(frozen=True)
class Check:
    """The outcome of a check.

    Attributes:
        checked_by: against what.
        digest: what was found: the MD5 where one is published, else the SHA-256.
        problem: what is wrong; None if nothing is.
        expected: the digest that was expected, where one is known.
    """

    checked_by: CheckedBy
    digest: str
    problem: str | None
    expected: str | None = None


def check_file(path: Path, file: RemoteFile, md5: str | None) -> Check:
    """Check the bytes at `path`, which may still have another name, as those of `file`.

    Args:
        path: the bytes.
        file: what they should be.
        md5: the published digest, for a file that has one.
    """
    if md5 is not None:
        return _compare(CheckedBy.MD5, digest_file(path, "md5"), md5)
    found = digest_file(path)
    if file.sha256 is not None:
        return _compare(CheckedBy.SHA256, found, file.sha256)
    return Check(CheckedBy.STRUCTURE, found, _find_structural_problem(path, file))


def read_published_md5(md5_file: Path, name: str) -> str | None:
    """The digest that a checksum file gives for the file `name`; None if it gives none."""
    data = md5_file.read_bytes()[:_LARGEST_MD5_FILE_BYTES]
    line = _MD5_LINE.fullmatch(data.decode("ascii", "replace"))
    return line[1] if line is not None and line[2] == name else None


def _compare(checked_by: CheckedBy, found: str, expected: str) -> Check:
    problem = None if found == expected else f"its {checked_by.name} is {found}, not {expected}"
    return Check(checked_by, found, problem, expected)


def _find_structural_problem(path: Path, file: RemoteFile) -> str | None:
    match file.kind:
        case FileKind.MD5:
            return _find_md5_problem(path, file)
        case FileKind.CSV:
            return _find_csv_problem(path, file.header)
        case FileKind.ARCHIVE:
            return _find_gzip_problem(path)
        case FileKind.LIST:
            return _find_list_problem(path)
        case FileKind.TAR | FileKind.GROUND_TRUTH:
            raise AssertionError(f"{file.path}: has a digest and is not checked by its structure")


def _find_md5_problem(path: Path, file: RemoteFile) -> str | None:
    name = _MD5_FILE_NAME.fullmatch(Path(file.path).name)
    if name is not None and read_published_md5(path, f"{name[1]}.tar") is None:
        return f"not a line as md5sum writes it, but {_begin(path)}"
    return None


def _find_csv_problem(path: Path, header: tuple[str, ...]) -> str | None:
    expected = ",".join(header).encode()
    with path.open("rb") as stream:
        found = stream.readline(len(expected) + 3).rstrip(b"\r\n")
    if found != expected:
        return f"its first line is not {expected.decode()!r}, but {_begin(path)}"
    return None


def _find_gzip_problem(path: Path) -> str | None:
    try:
        # To its end, because the checksum of the content stands there.
        with gzip.open(path) as stream:
            num_bytes = 0
            while block := stream.read(_BLOCK_BYTES):
                num_bytes += len(block)
    except (OSError, EOFError, zlib.error) as error:
        return f"not a whole gzip file ({error}); it begins with {_begin(path)}"
    # To the gzip module, no bytes at all are a whole file.
    return None if num_bytes else "an empty file"


def _find_list_problem(path: Path) -> str | None:
    with path.open("rb") as stream:
        first = stream.readline(4096).strip()
    if not first or first.startswith(b"<") or b"\0" in first:
        return f"not a list of file names, but {_begin(path)}"
    return None


def _begin(path: Path) -> str:
    with path.open("rb") as stream:
        return repr(stream.read(_SHOWN))
