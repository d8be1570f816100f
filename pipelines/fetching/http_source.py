"""Files from a web server, with what HTTP offers for resuming safely (RFC 9110, sections 13, 14).

A download goes on in the middle only if the server confirms that the file is still the same one:
`If-Range` carries its strong ETag, or else its date. Without such a validator, or without support
for ranges, it begins again at zero.
"""

import re
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from manifests.lineage import CODE_VERSION
from pipelines.fetching.errors import (
    FetchError,
    MissingFileError,
    PermanentFaultError,
    TemporaryFaultError,
)
from pipelines.fetching.settings import FetchSettings
from pipelines.fetching.sources import Body, RemoteInfo, scheme_of

_BLOCK_BYTES = 1 << 18
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# S3 answers 403 for a file that is not there when the bucket may not be listed.
_NOT_THERE = frozenset({401, 403, 404, 410})
_TRY_AGAIN = frozenset({408, 425, 429})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class HttpSource:
    """Web servers, over connections that are kept open.

    Args:
        settings: connections to one host, and timeouts.
        now: the time, for a `Retry-After` that is a date.
    """

    def __init__(
        self,
        settings: FetchSettings,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now = now
        self._options: dict[str, Any] = {
            "maxsize": settings.connections,
            "block": True,
            "retries": False,
            "timeout": urllib3.Timeout(
                connect=settings.connect_timeout_seconds, read=settings.read_timeout_seconds
            ),
            "headers": {
                "User-Agent": f"cleanmark/{CODE_VERSION}",
                # Checksums are of the file as it lies there.
                "Accept-Encoding": "identity",
            },
        }
        self._direct = urllib3.PoolManager(**self._options)
        self._proxies = {
            scheme: _make_proxy(proxy, self._options)
            for scheme, proxy in urllib.request.getproxies().items()
            if scheme in ("http", "https")
        }
        self._lock = threading.Lock()
        self._open: set[urllib3.BaseHTTPResponse] = set()

    def look_up(self, url: str) -> RemoteInfo:
        """See `Source`."""
        response = self._request("HEAD", url, {})
        response.release_conn()
        _check_status(url, response, self._now)
        return RemoteInfo(_read_length(response.headers), _read_validator(response.headers))

    @contextmanager
    def open(self, url: str, start: int, validator: str | None) -> Iterator[Body]:
        """See `Source`."""
        response = self._get(url, start, validator)
        with self._lock:
            self._open.add(response)
        try:
            begin, total = _read_extent(response)
            yield Body(begin, total, _read_validator(response.headers), _read(url, response))
        finally:
            with self._lock:
                self._open.discard(response)
            # What was not read to its end must not be taken for the next answer.
            response.close()
            response.release_conn()

    def abort(self) -> None:
        """See `Source`."""
        with self._lock:
            for response in self._open:
                with suppress(ValueError, RuntimeError, OSError):  # it has just ended by itself
                    response.shutdown()

    def _get(self, url: str, start: int, validator: str | None) -> urllib3.BaseHTTPResponse:
        """Ask for the rest of a file; for the whole file if the rest cannot be had."""
        if start > 0 and validator is not None:
            headers = {"Range": f"bytes={start}-", "If-Range": validator}
            response = self._request("GET", url, headers)
            if _is_usable(response, start, validator):
                return self._checked(url, response)
            _drop(response)
        response = self._request("GET", url, {})
        if response.status == 206:
            _drop(response)
            raise PermanentFaultError(f"{url}: the server sends a part where the whole was asked")
        return self._checked(url, response)

    def _checked(self, url: str, response: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse:
        try:
            _check_status(url, response, self._now)
        except FetchError:
            _drop(response)
            raise
        return response

    def _request(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and follow redirects; the body is not read."""
        target = url
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._send(method, target, headers)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response
            _drop(response)
            target = _follow(target, location)
        raise PermanentFaultError(f"{url}: more than {_MAX_REDIRECTS} redirects, the last {target}")

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        merged = {**self._options["headers"], **headers}
        try:
            return self._pool_for(url).request(
                method, url, headers=merged, redirect=False, preload_content=False,
                decode_content=False,
            )  # fmt: skip
        except LocationValueError as error:
            raise PermanentFaultError(f"{url}: not an address: {error}") from error
        except (HTTPError, OSError) as error:
            raise TemporaryFaultError(f"{url}: {error}") from error

    def _pool_for(self, url: str) -> urllib3.PoolManager:
        proxy = self._proxies.get(scheme_of(url))
        if proxy is None or urllib.request.proxy_bypass(urlsplit(url).hostname or ""):
            return self._direct
        return proxy


def _make_proxy(address: str, options: Mapping[str, Any]) -> urllib3.ProxyManager:
    url = address if scheme_of(address) else f"http://{address}"
    if scheme_of(url) not in ("http", "https"):
        raise PermanentFaultError(
            f"{address}: not an http proxy; unset the variable http_proxy or https_proxy"
        )
    return urllib3.ProxyManager(url, **options)


def _follow(url: str, location: str) -> str:
    target = urljoin(url, location)
    if scheme_of(target) not in ("http", "https"):
        raise PermanentFaultError(f"{url}: redirected to {target}, which is no web address")
    if scheme_of(url) == "https" and scheme_of(target) == "http":
        raise PermanentFaultError(f"{url}: redirected to {target}, which is not encrypted")
    return target


def _is_usable(response: urllib3.BaseHTTPResponse, start: int, validator: str) -> bool:
    """Whether an answer to a request for a range is to be read, or to be asked for again whole."""
    if response.status == 416:  # the file is shorter now
        return False
    if response.status != 206:  # the whole file, or a fault
        return True
    begin, _ = _read_extent(response)
    # Some servers answer with a range of the new file although the validator is of the old one.
    return begin == start and _read_validator(response.headers) in (None, validator)


def _check_status(
    url: str, response: urllib3.BaseHTTPResponse, now: Callable[[], datetime]
) -> None:
    status = response.status
    if status in (200, 206):
        return
    said = f"{url}: the server answers {status} {response.reason or ''}".rstrip()
    if status in _NOT_THERE:
        raise MissingFileError(said)
    if status in _TRY_AGAIN or status >= 500:
        wait = _read_retry_after(response.headers.get("Retry-After"), now())
        raise TemporaryFaultError(said, wait)
    raise PermanentFaultError(said)


def _read_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds to wait, from a number or a date; None if there is neither."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def _read_validator(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag")
    # A weak tag promises equal meaning, not equal bytes, and is not allowed in If-Range.
    if etag and not etag.startswith("W/"):
        return etag
    return headers.get("Last-Modified")


def _read_length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _read_extent(response: urllib3.BaseHTTPResponse) -> tuple[int, int | None]:
    """Position of the first byte of a body, and size of the whole file."""
    if response.status != 206:
        return 0, _read_length(response.headers)
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None:
        return -1, None
    return int(match[1]), int(match[2]) if match[2] != "*" else None


def _read(url: str, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    try:
        # Only read1 hands over what has come before the connection breaks.
        while block := response.read1(_BLOCK_BYTES, decode_content=False):
            yield block
    except (HTTPError, OSError, ValueError) as error:
        raise TemporaryFaultError(f"{url}: the connection broke: {error}") from error


def _drop(response: urllib3.BaseHTTPResponse) -> None:
    response.close()
    response.release_conn()
