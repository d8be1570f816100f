"""Object stores on 127.0.0.1: what reading needs of the interfaces of S3 and of Cloud Storage.

One server speaks both: S3 with the bucket in the path (HEAD, GET with Range, ListObjectsV2), and
the JSON interface of Cloud Storage (metadata, list, media with Range).
"""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_OBJECT = re.compile(r"(?:/download)?/storage/v1/b/([^/]+)/o/([^/?]+)")
_LIST = re.compile(r"/storage/v1/b/([^/]+)/o/?")
_CHANGED = "Mon, 05 Jan 2026 00:00:00 GMT"
_JSON_CHANGED = "2026-01-05T00:00:00.000Z"


class BucketServer:
    """Serves the objects of one bucket until the block ends.

    Attributes:
        objects: content by key; may be changed at any time.
        drop_after: per key, after how many bytes of the next answers the connection is closed.
        bodies: key and first byte of every answer that had bytes of an object.
    """

    def __init__(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        self.bucket = bucket
        self.objects = dict(objects)
        self.drop_after: dict[str, list[int]] = {}
        self.bodies: list[tuple[str, int]] = []
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], owner: BucketServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner

    def handle_error(self, request, client_address):
        """A client that goes away is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        key = self._s3_key()
        content = self.server.owner.objects.get(key)
        if content is None:
            self._answer(404, b"", {})
        else:
            self._answer(200, content, {"ETag": _tag(content), "Last-Modified": _CHANGED})

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if match := _OBJECT.fullmatch(parts.path):
            self._serve_cloud_storage(unquote(match[2]), query)
        elif _LIST.fullmatch(parts.path):
            items = [self._describe(key) for key in self._find(query.get("prefix", ""))]
            self._answer(200, json.dumps({"kind": "storage#objects", "items": items}).encode(), {})
        elif "list-type" in query:
            self._answer(200, self._list_s3(query.get("prefix", "")), {})
        else:
            self._serve_bytes(self._s3_key())

    def _serve_cloud_storage(self, key: str, query: Mapping[str, str]) -> None:
        if key not in self.server.owner.objects:
            self._answer(404, b'{"error": {"code": 404, "message": "No such object"}}', {})
        elif query.get("alt") == "media":
            self._serve_bytes(key)
        else:
            self._answer(200, json.dumps(self._describe(key)).encode(), {})

    def _serve_bytes(self, key: str) -> None:
        owner = self.server.owner
        content = owner.objects.get(key)
        if content is None:
            body = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
            self._answer(404, body, {})
            return
        headers = {"ETag": _tag(content), "Last-Modified": _CHANGED}
        status, body, start = 200, content, 0
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start = int(match[1])
            end = min(len(content), int(match[2] or len(content)) + 1)
            status, body = 206, content[start:end]
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        with owner.lock:
            owner.bodies.append((key, start))
            waiting = owner.drop_after.get(key)
            keep = waiting.pop(0) if waiting else None
        self._answer(status, body, headers, keep)

    def _answer(
        self, status: int, body: bytes, headers: Mapping[str, str], keep: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:keep])
        if keep is not None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _s3_key(self) -> str:
        bucket, _, key = unquote(urlsplit(self.path).path)[1:].partition("/")
        return key if bucket == self.server.owner.bucket else ""

    def _find(self, prefix: str) -> list[str]:
        return sorted(key for key in self.server.owner.objects if key.startswith(prefix))

    def _describe(self, key: str) -> dict[str, str]:
        content = self.server.owner.objects[key]
        return {
            "kind": "storage#object",
            "name": key,
            "bucket": self.server.owner.bucket,
            "size": str(len(content)),
            "etag": _tag(content),
            "generation": str(int(hashlib.md5(content).hexdigest()[:12], 16)),
            "timeCreated": _JSON_CHANGED,
            "updated": _JSON_CHANGED,
        }

    def _list_s3(self, prefix: str) -> bytes:
        bucket = escape(self.server.owner.bucket)
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.owner.objects[key])}</Size>"
            f"<LastModified>{_JSON_CHANGED}</LastModified></Contents>"
            for key in self._find(prefix)
        )
        return (
            f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>false</IsTruncated>"
            f"{entries}</ListBucketResult>"
        ).encode()


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'
