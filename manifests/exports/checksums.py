"""`CHECKSUMS.sha256`: the digest of every file of an export, as `sha256sum --check` reads it."""

from pathlib import Path
from typing import Final

from manifests.atomic import write_text
from manifests.lineage import digest_file

CHECKSUMS_NAME: Final = "CHECKSUMS.sha256"
_DIGEST_CHARS = 64


def write_checksums(folder: Path) -> dict[str, str]:
    """Write the digests of all files below `folder`; return them by relative path, sorted."""
    digests = {name: digest_file(folder / name) for name in sorted(_list_files(folder))}
    lines = [f"{digest}  {name}\n" for name, digest in digests.items()]
    write_text(folder / CHECKSUMS_NAME, "".join(lines))
    return digests


def read_checksums(folder: Path) -> dict[str, str]:
    """The recorded digests by relative path; empty if `folder` has no such file."""
    path = folder / CHECKSUMS_NAME
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line[_DIGEST_CHARS + 2 :]: line[:_DIGEST_CHARS] for line in lines}


def is_export(folder: Path) -> bool:
    """Whether a folder is an export and nothing else: its checksums name every file in it."""
    names = read_checksums(folder)
    return bool(names) and _list_files(folder) <= names.keys()


def _list_files(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in files} - {CHECKSUMS_NAME}
