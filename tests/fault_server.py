"""A real web server on 127.0.0.1 whose every answer can be spoilt on purpose.

It serves a dictionary of files. A test gives it, per path, a list of faults; each request for that
path takes the first one left. It remembers every request and how many bytes of bodies it sent.
"""

import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Fault:
    """How one answer is spoilt; the fields may be combined.

    Attributes:
        status: answer with this status, and no body.
        headers: more headers of that answer.
        drop_after: close the connection after so many bytes of the body, whose announced length
            stays the right one.
        stall_after: send nothing more after so many bytes, and keep the connection open.
        body: send these bytes instead of the file, with a length that fits them.
        pause_each_block: sleep so many seconds after each block.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    stall_after: int | None = None
    body: bytes | None = None
    pause_each_block: float = 0.0


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    range: str | None
    if_range: str | None


class FaultServer:
    """Serves files until the block ends.

    Attributes:
        files: content by path, beginning with a slash; may be changed at any time.
        faults: answers to spoil by path; HEAD requests are never spoilt.
        always: a fault of every answer that has none of its own, by path.
        ranges: whether ranges are served; without, no `Accept-Ranges`, and `Range` is ignored.
        validators: whether answers have an ETag.
    """

    def __init__(self, files: Mapping[str, bytes], *, ranges: bool = True) -> None:
        self.files = dict(files)
        self.faults: dict[str, list[Fault]] = {}
        self.always: dict[str, Fault] = {}
        self.ranges = ranges
        self.validators = True
        self.requests: list[Request] = []
        self.sent_bytes = 0
        self.num_connections = 0
        self.num_open = 0
        self.most_open = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def gets(self, path: str) -> list[Request]:
        """The GET requests for a path so far."""
        with self._lock:
            return [r for r in self.requests if r.method == "GET" and r.path == path]

    def note(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def count(self, num_bytes: int) -> None:
        with self._lock:
            self.sent_bytes += num_bytes

    def at_work(self, change: int) -> None:
        with self._lock:
            self.num_open += change
            self.most_open = max(self.most_open, self.num_open)

    def connected(self) -> None:
        with self._lock:
            self.num_connections += 1

    def take_fault(self, path: str) -> Fault:
        with self._lock:
            waiting = self.faults.get(path)
            if waiting:
                return waiting.pop(0)
            return self.always.get(path, Fault())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], owner: FaultServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner

    def process_request(self, request, client_address):
        self.owner.connected()
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        """A client that goes away is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    _BLOCK_BYTES = 1 << 12

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._note()
        content = self.server.owner.files.get(self.path)
        if content is None:
            self._answer(404, {})
        else:
            self._answer(200, self._describe(content, len(content)))

    def do_GET(self) -> None:
        self._note()
        owner = self.server.owner
        owner.at_work(1)
        try:
            self._serve(owner.take_fault(self.path))
        finally:
            owner.at_work(-1)

    def _serve(self, fault: Fault) -> None:
        content = self.server.owner.files.get(self.path) if fault.body is None else fault.body
        if fault.status is not None or content is None:
            self._answer(fault.status or 404, {**fault.headers, "Content-Length": "0"})
            return
        start = self._find_start(content)
        headers = self._describe(content, len(content) - start)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(206 if start else 200, headers | dict(fault.headers))
        self._send(content[start:], fault)

    def _send(self, body: bytes, fault: Fault) -> None:
        owner = self.server.owner
        stops = [n for n in (fault.drop_after, fault.stall_after) if n is not None]
        end = min([len(body), *stops])
        for begin in range(0, end, self._BLOCK_BYTES):
            block = body[begin : min(end, begin + self._BLOCK_BYTES)]
            self.wfile.write(block)
            owner.count(len(block))
            if fault.pause_each_block:
                owner.closing.wait(fault.pause_each_block)
        if fault.stall_after is not None:
            owner.closing.wait(60)
        if stops:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _find_start(self, content: bytes) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match is None or not self.server.owner.ranges:
            return 0
        same = self.headers.get("If-Range") in (None, _tag(content))
        return int(match[1]) if same and int(match[1]) < len(content) else 0

    def _describe(self, content: bytes, length: int) -> dict[str, str]:
        headers = {"Content-Length": str(length)}
        if self.server.owner.validators:
            headers["ETag"] = _tag(content)
        return headers

    def _answer(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def _note(self) -> None:
        get = self.headers.get
        self.server.owner.note(Request(self.command, self.path, get("Range"), get("If-Range")))


def _tag(content: bytes) -> str:
    return f'"{hash(content):x}"'
