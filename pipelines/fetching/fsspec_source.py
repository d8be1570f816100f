"""Files from folders of this machine and from buckets (gs://, s3://), through fsspec."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

from pipelines.fetching.errors import (
    FetchError,
    MissingFileError,
    PermanentFaultError,
    TemporaryFaultError,
)
from pipelines.fetching.sources import Body, RemoteInfo, scheme_of

_BLOCK_BYTES = 1 << 20
_VALIDATORS = ("ETag", "etag", "generation", "md5Hash", "mtime", "LastModified", "created")
_REMEDY = "install what it needs with: pip install 'cleanmark[cloud]'"


class FsspecSource:
    """Everything fsspec has a file system for.

    Options of a file system come from fsspec's own configuration: the environment variable
    ``FSSPEC_S3_ANON=true``, for instance, reads a public bucket without an account.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def look_up(self, url: str) -> RemoteInfo:
        """See `Source`."""
        file_system, path = _open_file_system(url)
        return _describe(_ask(url, file_system.info, path))

    @contextmanager
    def open(self, url: str, start: int, validator: str | None) -> Iterator[Body]:
        """See `Source`."""
        file_system, path = _open_file_system(url)
        info = _describe(_ask(url, file_system.info, path))
        begin = start if validator is not None and validator == info.validator else 0
        with _ask(url, file_system.open, path, "rb") as stream:
            stream.seek(begin)
            yield Body(begin, info.num_bytes, info.validator, self._read(url, stream))

    def abort(self) -> None:
        """See `Source`."""
        self._stopping.set()

    def _read(self, url: str, stream: Any) -> Iterator[bytes]:  # noqa: ANN401  (fsspec is untyped)
        while block := _ask(url, stream.read, _BLOCK_BYTES):
            if self._stopping.is_set():
                raise TemporaryFaultError(f"{url}: stopped")
            yield block


def _open_file_system(url: str) -> tuple[Any, str]:
    # Else gcsfs asks what kind of bucket it is before each file: over gRPC, with an account, and
    # of Google itself whatever endpoint is set. Plain reading needs none of it.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    try:
        file_system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise PermanentFaultError(f"{scheme_of(url)}:// cannot be read here; {_REMEDY}") from error
    except ValueError as error:
        raise PermanentFaultError(f"{url}: not an address that can be read: {error}") from error
    return file_system, path


def _ask(url: str, function: Any, *arguments: object) -> Any:  # noqa: ANN401
    """Call fsspec, and sort what goes wrong by what to do about it."""
    try:
        return function(*arguments)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"{url}: no such file") from error
    except (PermissionError, IsADirectoryError) as error:
        raise PermanentFaultError(f"{url}: {error}") from error
    except FetchError:
        raise
    except (OSError, TimeoutError) as error:
        raise TemporaryFaultError(f"{url}: {error}") from error


def _describe(info: dict[str, Any]) -> RemoteInfo:
    size = info.get("size")
    known = [f"{key}={info[key]}" for key in _VALIDATORS if info.get(key) is not None]
    validator = f"size={size};{';'.join(known)}" if known else None
    return RemoteInfo(size, validator)
