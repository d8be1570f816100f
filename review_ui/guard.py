"""What every request must pass and every response carries, whatever the route."""

import json
from collections.abc import Iterator

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review_ui.access import AccessSettings

MAX_BODY_BYTES = 256 << 10
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Refuses wrong hosts, foreign origins and large bodies; adds the security headers.

    Args:
        app: what is guarded.
        access: the hosts and origins that are right.
    """

    def __init__(self, app: ASGIApp, access: AccessSettings) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        refusal = next(self._find_refusals(scope["method"], Headers(scope=scope)), None)
        if refusal is None:
            body = await _read_body(receive)
            if body is not None:
                await self._app(scope, _replay(body, receive), send)
                return
            refusal = (413, f"The body has more than {MAX_BODY_BYTES} bytes.")
        await _refuse(send, *refusal)

    def _find_refusals(self, method: str, headers: Headers) -> Iterator[tuple[int, str]]:
        # A page of another site whose name was pointed at this machine sends its own name.
        if headers.get("host", "") not in self._access.hosts:
            yield 421, "This server does not go by that name."
        declared = headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit():
            yield 400, "The length of the body is no number."
        elif int(declared[:12]) > MAX_BODY_BYTES:
            yield 413, f"The body has more than {MAX_BODY_BYTES} bytes."
        if method not in _SAFE_METHODS:
            if headers.get("origin", self._access.origin) not in self._access.origins:
                yield 403, "Sent from a page of another site."
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                yield 403, "Sent from a page of another site."


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None if it is too large, however it was announced."""
    chunks: list[bytes] = []
    num_bytes = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(chunks)
        chunks.append(message.get("body", b""))
        num_bytes += len(chunks[-1])
        if num_bytes > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    is_given = False

    async def receive_again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
