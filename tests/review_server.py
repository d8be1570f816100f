"""The app on a socket of its own, in a thread of this process; and the browser that visits it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from review_ui.access import AccessSettings
from review_ui.app import create_app
from review_ui.people import People, Role
from review_ui.review import Review
from review_ui.rules import RuleSettings

CHROMIUM = Path(os.environ.get("CLEANMARK_CHROMIUM", "/usr/bin/chromium"))
PATIENCE_SECONDS = 30.0
# Root has no sandbox; the others keep Chromium from asking hosts of its own for anything.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass(frozen=True)
class Served:
    """A review that can be reached under `origin`."""

    review: Review
    origin: str

    def invite(self, name: str, role: Role = Role.REVIEWER) -> str:
        """The link that signs somebody in."""
        return f"{self.origin}/sign-in#{self.review.people.invite(name, role, 'tests')}"


@contextmanager
def serve_review(world, store, rule: RuleSettings | None = None) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        people = People(store.engine)
        review = Review(world, store, people, rule or RuleSettings(), AccessSettings(origin))
        config = uvicorn.Config(create_app(review), log_level="error", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield Served(review, origin)
        finally:
            server.should_exit = True
            thread.join(timeout=30)


def wait_for(page, expression, argument=None):
    """Wait until a script's expression holds.

    Playwright's own way runs `eval` in the page, which the app's policy forbids, rightly.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not page.evaluate(expression, argument):
        assert time.monotonic() < deadline, f"never came true: {expression}"
        page.wait_for_timeout(15)
