"""The app on a socket of its own, in a thread of this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from review_ui.access import AccessSettings
from review_ui.app import create_app
from review_ui.people import People, Role
from review_ui.review import Review
from review_ui.rules import RuleSettings


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
