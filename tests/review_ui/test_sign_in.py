"""Links, tokens, sessions and cookies."""

from dataclasses import replace

from fastapi.testclient import TestClient
from review_client import Person

from review_ui.access import AccessSettings
from review_ui.app import create_app
from review_ui.people import Role


def _cookie(person):
    return next(iter(person.http.cookies.jar))


def test_tokens_are_kept_as_hashes_only(ana, review, tmp_path):
    review.store.engine.dispose()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("votes.sqlite3*"))
    assert b"ana" in content
    for secret in (ana.token, _cookie(ana).value, ana.csrf_token):
        assert secret.encode() not in content


def test_guessing_is_slowed_down_and_a_right_token_waits_too(review):
    stranger = Person(review)
    token = review.people.invite("cy", Role.REVIEWER, "tests")
    answers = [stranger.http.post("/api/session", json={"token": f"x{n}"}) for n in range(9)]
    assert [answer.status_code for answer in answers] == [401] * 8 + [429]
    assert answers[-1].headers["retry-after"] == "60"
    assert stranger.http.post("/api/session", json={"token": token}).status_code == 429


def test_a_new_link_ends_the_old_one_and_its_sessions(ana, review, lea):
    answer = lea.post("/api/reviewers", {"name": "ana", "role": "reviewer"})
    assert answer.status_code == 201
    assert ana.get("/api/queue").status_code == 401
    again = Person(review)
    assert again.http.post("/api/session", json={"token": ana.token}).status_code == 401
    token = answer.json()["link"].partition("#")[2]
    assert again.http.post("/api/session", json={"token": token}).status_code == 204


def test_who_is_revoked_is_out_at_once(ana, lea, review):
    assert lea.delete("/api/reviewers/ana").status_code == 204
    assert ana.get("/api/queue").status_code == 401
    assert ana.http.post("/api/session", json={"token": ana.token}).status_code == 401
    assert lea.delete("/api/reviewers/ana").status_code == 404
    assert lea.delete("/api/reviewers/lea").status_code == 409


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(review):
    token = review.people.invite("cy", Role.REVIEWER, "tests")
    answer = Person(review).http.post("/api/session", json={"token": token})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert token.lower() not in cookie


def test_over_https_the_cookie_is_secure(review):
    secure = replace(review, access=AccessSettings("https://review.example.org"))
    http = TestClient(create_app(secure), base_url="https://review.example.org")
    token = review.people.invite("cy", Role.REVIEWER, "tests")
    cookie = http.post("/api/session", json={"token": token}).headers["set-cookie"]
    assert cookie.startswith("__Host-cleanmark=")
    assert "; Secure" in cookie
