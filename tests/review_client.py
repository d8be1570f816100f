"""Reviewers who talk to the app over HTTP, in this process."""

import re
import secrets

from fastapi.testclient import TestClient

from manifests.rows import Decision
from review_ui.access import AccessSettings
from review_ui.app import create_app
from review_ui.evidence import Pair
from review_ui.people import Role
from review_ui.review import Review

ORIGIN = "http://127.0.0.1:8765"
ACCESS = AccessSettings(ORIGIN, ("http://localhost:8765",))


def new_id() -> str:
    return secrets.token_hex(16)


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, review: Review, name: str | None = None, role: Role = Role.REVIEWER):
        self.review = review
        self.name = name
        self.http = TestClient(create_app(review), base_url=ORIGIN, follow_redirects=False)
        self.csrf_token = ""
        if name is not None:
            self.token = review.people.invite(name, role, "tests")
            answer = self.http.post("/api/session", json={"token": self.token})
            assert answer.status_code == 204, answer.text
            self.csrf_token = self.read_csrf_token()

    def read_csrf_token(self) -> str:
        return re.search(r'name="csrf-token" content="(\w+)"', self.http.get("/").text)[1]

    def get(self, path, **options):
        return self.http.get(path, **options)

    def post(self, path, body, **options):
        headers = {"X-CSRF-Token": self.csrf_token} | options.pop("headers", {})
        return self.http.post(path, json=body, headers=headers, **options)

    def delete(self, path):
        return self.http.delete(path, headers={"X-CSRF-Token": self.csrf_token})

    def vote(self, pair: Pair, decision: Decision | None, event_id: str | None = None):
        answer = self.post("/api/votes", votes_body((pair, decision), event_id=event_id))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def see(self, pair: Pair):
        answer = self.get(f"/api/pairs/{pair.pair_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()["standing"]


def votes_body(*decided, scope="pair", event_id=None):
    votes = [
        {
            "event_id": event_id or new_id(),
            "pair_id": pair.pair_id,
            "decision": decision,
            "evidence_digest": pair.evidence_digest,
        }
        for pair, decision in decided
    ]
    return {"scope": scope, "votes": votes}


def settle_body(pair, decision, comment=None):
    return {
        "event_id": new_id(),
        "pair_id": pair.pair_id,
        "decision": decision,
        "evidence_digest": pair.evidence_digest,
        "comment": comment,
    }
