"""Requests that must be refused, with the right status, and change nothing."""

import pytest
from review_client import ORIGIN, Person, new_id, settle_body, votes_body

from manifests.rows import Decision
from review_ui.guard import MAX_BODY_BYTES

SAME = Decision.SAME
ODD = (
    "..", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd",
    "file:///etc/passwd", "http://127.0.0.1/", "\\..\\..", "%00", "a%00.jpg", "🎈", "%ff%fe", "'--",
    "9" * 400, "-1", "null",
)  # fmt: skip


def _cookie(person):
    return next(iter(person.http.cookies.jar))


@pytest.fixture
def unchanged(review):
    """The log is the same after the test as before."""
    head, people = review.store.head(), review.people.list()
    yield
    assert review.store.head() == head
    assert review.people.list() == people


@pytest.fixture
def pair(world):
    return world.pairs[0]


def _every_read(world):
    pair = world.pairs[0]
    picture = pair.image.picture_id
    return [
        "/api/queue", f"/api/pairs/{pair.pair_id}", f"/api/pairs/{pair.pair_id}/points",
        f"/pictures/{picture}/thumb", f"/pictures/{picture}/full",
    ]  # fmt: skip


def _every_write(pair):
    return [
        ("POST", "/api/votes", votes_body((pair, SAME))),
        ("POST", "/api/adjudications", settle_body(pair, SAME)),
        ("POST", "/api/reviewers", {"name": "eve", "role": "lead"}),
        ("DELETE", "/api/reviewers/ana", None),
        ("DELETE", "/api/session", None),
    ]


# Who is not signed in


def test_strangers_read_nothing(stranger, world):
    for path in _every_read(world):
        assert stranger.get(path).status_code == 401, path
    for path in ("/", "/review", "/classes/901", "/team"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path


@pytest.mark.parametrize("number", range(5))
def test_strangers_change_nothing(ana, stranger, pair, unchanged, number):
    method, path, body = _every_write(pair)[number]
    assert stranger.http.request(method, path, json=body).status_code == 401


@pytest.mark.parametrize("value", ["x", "", "a" * 5000, "A" * 43, '"quoted"'])
def test_a_forged_session_is_none(stranger, pair, value, review):
    headers = {"Cookie": f"{review.access.cookie_name}={value}"}
    assert stranger.get("/api/queue", headers=headers).status_code == 401


def test_a_session_ends_with_signing_out_and_cannot_be_replayed(ana, review, pair):
    cookie = _cookie(ana).value
    assert ana.delete("/api/session").status_code == 204
    replayed = Person(review)
    headers = {"Cookie": f"{review.access.cookie_name}={cookie}", "X-CSRF-Token": ana.csrf_token}
    body = votes_body((pair, SAME))
    assert replayed.http.post("/api/votes", json=body, headers=headers).status_code == 401
    assert review.store.head().position == 0


def test_a_replayed_vote_is_recorded_once_and_cannot_undo_a_later_one(ana, review, pair):
    first = votes_body((pair, SAME))
    ana.post("/api/votes", first)
    ana.vote(pair, Decision.DIFFERENT)
    assert ana.post("/api/votes", first).json()["positions"] == [1]
    assert review.store.head().position == 2
    assert ana.see(pair)["mine"] == "different"


def test_another_persons_event_id_cannot_be_taken(ana, ben, review, pair):
    body = votes_body((pair, SAME))
    ana.post("/api/votes", body)
    assert ben.post("/api/votes", body).status_code == 409
    assert review.store.head().position == 1


# Pages of other sites


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("token", ["", "0" * 64, "ä"])
def test_without_the_pages_token_nothing_changes(ana, lea, pair, unchanged, number, token):
    method, path, body = _every_write(pair)[number]
    headers = {"X-CSRF-Token": token.encode()}
    assert lea.http.request(method, path, json=body, headers=headers).status_code == 403


def test_the_token_of_another_person_is_refused(ana, ben, pair, unchanged):
    answer = ana.post(
        "/api/votes", votes_body((pair, SAME)), headers={"X-CSRF-Token": ben.csrf_token}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{ORIGIN}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_what_other_sites_send_is_refused(ana, pair, unchanged, headers):
    assert ana.post("/api/votes", votes_body((pair, SAME)), headers=headers).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost:8765.evil.example", ""]
)
def test_a_wrong_host_gets_nothing(ana, pair, unchanged, host):
    headers = {"Host": host}
    assert ana.get("/", headers=headers).status_code == 421
    assert ana.get("/static/base.css", headers=headers).status_code == 421
    assert ana.post("/api/votes", votes_body((pair, SAME)), headers=headers).status_code == 421


def test_a_form_of_another_site_cannot_vote(ana, pair, unchanged):
    answer = ana.http.post(
        "/api/votes",
        content=b"scope=pair",
        headers={"Content-Type": "text/plain", "X-CSRF-Token": ana.csrf_token},
    )
    assert answer.status_code == 422


# Roles and others' votes


def test_reviewers_neither_invite_nor_revoke_nor_settle(ana, ben, pair, unchanged):
    assert ana.post("/api/reviewers", {"name": "eve", "role": "lead"}).status_code == 403
    assert ana.delete("/api/reviewers/ben").status_code == 403
    assert ana.post("/api/adjudications", settle_body(pair, SAME)).status_code == 403


def test_nobody_can_vote_in_anothers_name(ana, pair, unchanged):
    body = votes_body((pair, SAME))
    body["votes"][0]["reviewer"] = "ben"
    assert ana.post("/api/votes", body).status_code == 422
    assert ana.post("/api/votes", votes_body((pair, SAME)) | {"reviewer": "ben"}).status_code == 422


def test_others_votes_show_nowhere_before_ones_own(ana, ben, lea, pair, world):
    ben.vote(pair, Decision.DIFFERENT)
    for other in world.pairs_of_class[pair.candidate.landmark_id][1:]:
        ben.vote(other, SAME)
    for person in (ana, lea):
        assert person.see(pair) == {
            "pair_id": pair.pair_id, "mine": None, "others": None, "adjudication": None,
            "state": None, "may_adjudicate": False,
        }  # fmt: skip
        queue = person.get("/api/queue").json()
        assert all(item["mine"] is None for item in queue["items"])
        page = person.get(f"/classes/{pair.candidate.landmark_id}").text
        assert "ben" not in page
        assert 'class="word different"' not in page
        assert "nothing confirmed yet" in page
        agreement = person.get("/team").text.partition("<table>")[0]
        assert "%" not in agreement


def test_only_disputed_pairs_are_settled_and_after_a_vote(ana, ben, lea, pair, review):
    assert lea.post("/api/adjudications", settle_body(pair, SAME)).status_code == 409
    ana.vote(pair, SAME)
    ben.vote(pair, Decision.DIFFERENT)
    assert lea.post("/api/adjudications", settle_body(pair, SAME)).status_code == 409
    lea.vote(pair, Decision.UNSURE)
    assert lea.post("/api/adjudications", settle_body(pair, SAME)).status_code == 201
    assert ana.see(pair)["adjudication"]["decision"] == "same"


# What a client names


@pytest.mark.parametrize("odd", ODD)
def test_no_parameter_leads_out_of_the_run(ana, pair, unchanged, odd):
    for path in (
        f"/pictures/{odd}/thumb", f"/pictures/{pair.image.picture_id}/{odd}", f"/api/pairs/{odd}",
        f"/api/pairs/{odd}/points", f"/classes/{odd}", f"/static/{odd}", f"/review?pair={odd}",
        f"/review?landmark_id={odd}", f"/review?show={odd}", f"/api/queue?landmark_id={odd}",
    ):  # fmt: skip
        answer = ana.get(path)
        assert answer.status_code in (200, 303, 404, 422), (path, answer.status_code)
        assert "root:" not in answer.text
        assert answer.headers.get("content-type") != "image/jpeg"


@pytest.mark.parametrize("odd", ODD)
def test_no_field_of_a_vote_leads_out_of_the_run(ana, pair, unchanged, odd):
    for field in ("pair_id", "event_id", "evidence_digest", "decision"):
        body = votes_body((pair, SAME))
        body["votes"][0][field] = odd
        assert ana.post("/api/votes", body).status_code == 422, field


def test_text_that_cannot_be_stored_is_refused(lea, ana, ben, pair):
    ana.vote(pair, SAME)
    ben.vote(pair, Decision.DIFFERENT)
    lea.vote(pair, SAME)
    for comment in ("\\ud800", "\\u0000"):
        body = settle_body(pair, SAME, "COMMENT")
        content = str(body).replace("'", '"').replace("COMMENT", comment)
        headers = {"X-CSRF-Token": lea.csrf_token, "Content-Type": "application/json"}
        answer = lea.http.post("/api/adjudications", content=content, headers=headers)
        assert answer.status_code == 422, answer.text
    answer = lea.http.post(
        "/api/votes", content='{"\\ud800": 1}', headers={"X-CSRF-Token": lea.csrf_token,
                                                      "Content-Type": "application/json"}
    )  # fmt: skip
    assert answer.status_code == 422


def test_unknown_pairs_and_stale_evidence_are_refused(ana, pair, unchanged):
    body = votes_body((pair, SAME))
    body["votes"][0]["pair_id"] = new_id()
    assert ana.post("/api/votes", body).status_code == 404
    body = votes_body((pair, SAME))
    body["votes"][0]["evidence_digest"] = "0" * 64
    assert ana.post("/api/votes", body).status_code == 409


def test_one_bad_vote_keeps_all_out(ana, world, unchanged):
    body = votes_body(*((pair, SAME) for pair in world.pairs[:3]))
    body["votes"][2]["evidence_digest"] = "0" * 64
    assert ana.post("/api/votes", body).status_code == 409


# Sizes and methods


def test_large_bodies_are_refused_however_they_are_announced(ana, unchanged):
    headers = {"X-CSRF-Token": ana.csrf_token, "Content-Type": "application/json"}
    large = b" " * (MAX_BODY_BYTES + 1)
    assert ana.http.post("/api/votes", content=large, headers=headers).status_code == 413
    chunks = (large[:100_000] for _ in range(4))
    assert ana.http.post("/api/votes", content=chunks, headers=headers).status_code == 413
    lying = headers | {"Content-Length": "-5"}
    assert ana.http.post("/api/votes", content=b"{}", headers=lying).status_code == 400


def test_too_many_votes_at_once_are_refused(ana, pair, unchanged):
    assert ana.post("/api/votes", votes_body(*[(pair, SAME)] * 501)).status_code == 422
    assert ana.post("/api/votes", votes_body()).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/votes"), ("PUT", "/api/votes"), ("DELETE", "/api/votes"),
        ("POST", "/"), ("POST", "/review"), ("POST", "/api/queue"), ("PATCH", "/api/session"),
        ("GET", "/api/session"), ("POST", "/static/base.css"), ("TRACE", "/"), ("PUT", "/team"),
    ],
)  # fmt: skip
def test_wrong_methods_are_refused(ana, unchanged, method, path):
    headers = {"X-CSRF-Token": ana.csrf_token}
    assert ana.http.request(method, path, headers=headers).status_code == 405


# Headers


def test_every_answer_carries_the_security_headers(ana, stranger, world):
    for answer in (
        ana.get("/"), ana.get("/api/queue"), stranger.get("/nothing"), ana.get("/static/pair.js"),
        ana.get("/", headers={"Host": "evil.example"}), stranger.get(_every_read(world)[0]),
    ):  # fmt: skip
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
    assert ana.get("/").headers["cache-control"] == "no-store"


def test_pages_hold_nothing_that_the_policy_forbids(ana, lea):
    for person in (ana, lea):
        for path in ("/", "/review", "/classes/901", "/team", "/sign-in", "/nothing"):
            page = person.get(path).text
            assert " style=" not in page
            assert " onclick" not in page
            assert "<style" not in page
            assert "http://" not in page.replace(ORIGIN, "")
            assert "https://" not in page


def test_names_cannot_become_html(review, lea):
    for name in ("<script>alert(1)</script>", "x" * 65, "", " x", "rule:any", "a (adjudication)"):
        answer = lea.post("/api/reviewers", {"name": name, "role": "reviewer"})
        assert answer.status_code == 422, name
    assert lea.post("/api/reviewers", {"name": "Zoë O'Neil-2", "role": "lead"}).status_code == 201
    assert "O&#39;Neil" in lea.get("/team").text


def test_no_page_about_the_interface_is_served(ana):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert ana.get(path).status_code == 404
