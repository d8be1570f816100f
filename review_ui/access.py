"""Who is asking, and what they may do: hosts, cookies, sessions, CSRF, the limit on sign-in."""

import hmac
import ipaddress
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Header, HTTPException, Request, Response
from starlette.status import (
    HTTP_401_UNAUTHORIZED,
    HTTP_403_FORBIDDEN,
    HTTP_429_TOO_MANY_REQUESTS,
)

from review_ui.people import SESSION_SECONDS, Session

_ATTEMPTS = 8
_ATTEMPTS_OF_ALL = 60
_WINDOW_SECONDS = 60.0


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class AccessSettings:
    """Where the app is served, and whether visitors must sign in.

    Attributes:
        origin: what reviewers type, such as `http://127.0.0.1:8765`.
        aliases: further origins of the same server, such as `http://localhost:8765`.
        open_as: the reviewer that a visitor is without signing in; None: all must sign in.
            Only for loopback.
    """

    origin: str
    aliases: tuple[str, ...] = ()
    open_as: str | None = None

    @cached_property
    def origins(self) -> frozenset[str]:
        """Every origin of the server."""
        return frozenset((self.origin, *self.aliases))

    @cached_property
    def hosts(self) -> frozenset[str]:
        """What the Host header may be."""
        return frozenset(urlsplit(origin).netloc for origin in self.origins)

    @property
    def is_secure(self) -> bool:
        """Whether the server is reached by HTTPS."""
        return self.origin.startswith("https://")

    @property
    def cookie_name(self) -> str:
        """Differs by port: cookies do not, and one machine may serve two reviews."""
        port = urlsplit(self.origin).port
        name = "cleanmark" if port is None else f"cleanmark_{port}"
        return f"__Host-{name}" if self.is_secure else name


@dataclass
class AttemptLimit:
    """Bounds failed attempts to sign in, per address and of all together."""

    now: Callable[[], float] = time.monotonic
    _failures: dict[str, deque[float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def check(self, address: str) -> None:
        """Refuse a further attempt.

        Raises:
            HTTPException: 429, too many failed in the last minute.
        """
        with self._lock:
            self._forget_old()
            of_all = sum(map(len, self._failures.values()))
            is_over = len(self._failures.get(address, ())) >= _ATTEMPTS
        if is_over or of_all >= _ATTEMPTS_OF_ALL:
            raise HTTPException(
                HTTP_429_TOO_MANY_REQUESTS,
                "Too many attempts. Wait a minute.",
                headers={"Retry-After": str(round(_WINDOW_SECONDS))},
            )

    def note_failure(self, address: str) -> None:
        """Count a failed attempt."""
        with self._lock:
            self._failures.setdefault(address, deque()).append(self.now())

    def _forget_old(self) -> None:
        oldest = self.now() - _WINDOW_SECONDS
        for address in list(self._failures):
            times = self._failures[address]
            while times and times[0] < oldest:
                times.popleft()
            if not times:
                del self._failures[address]


def set_session_cookie(response: Response, access: AccessSettings, session_token: str) -> None:
    """Hand a session to the browser, out of reach of scripts and of other sites."""
    response.set_cookie(
        access.cookie_name,
        session_token,
        max_age=round(SESSION_SECONDS),
        path="/",
        secure=access.is_secure,
        httponly=True,
        samesite="strict",
    )


def find_session(request: Request) -> Session | None:
    """Who is asking; None for a visitor."""
    review = request.app.state.review
    session_token = request.cookies.get(review.access.cookie_name)
    if session_token is None:
        return None
    session: Session | None = review.people.find_session(session_token)
    return session


def require_session(request: Request) -> Session:
    """Who is asking.

    Raises:
        HTTPException: 401, nobody who is signed in.
    """
    session = find_session(request)
    if session is None:
        raise HTTPException(HTTP_401_UNAUTHORIZED, "Sign in first.")
    return session


def require_own_page(
    session: Annotated[Session, Depends(require_session)],
    x_csrf_token: Annotated[str, Header(description="From the page that sends it.")] = "",
) -> Session:
    """Who is asking, and only from a page of this app.

    Raises:
        HTTPException: 401 for visitors, 403 without the page's token.
    """
    if not hmac.compare_digest(x_csrf_token.encode(), session.csrf_token.encode()):
        raise HTTPException(HTTP_403_FORBIDDEN, "Not sent from a page of this app; reload it.")
    return session


def require_lead(session: Annotated[Session, Depends(require_own_page)]) -> Session:
    """A lead, from a page of this app.

    Raises:
        HTTPException: 401 for visitors, 403 for others.
    """
    if not session.reviewer.is_lead:
        raise HTTPException(HTTP_403_FORBIDDEN, "Only a lead may do that.")
    return session


Reader = Annotated[Session, Depends(require_session)]
Writer = Annotated[Session, Depends(require_own_page)]
Lead = Annotated[Session, Depends(require_lead)]
