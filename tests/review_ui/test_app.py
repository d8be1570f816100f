import pytest
from review_client import ACCESS, Person, settle_body, votes_body

from manifests.rows import Decision
from review_ui.access import AccessSettings
from review_ui.people import People, PeopleError, Role
from review_ui.review import Review
from review_ui.rules import RuleSettings

SAME, DIFFERENT = Decision.SAME, Decision.DIFFERENT


@pytest.fixture
def pair(world):
    return world.pairs[0]


def _queue(person, **parameters):
    answer = person.get("/api/queue", params=parameters).json()
    return [item["pair_id"] for item in answer["items"]], answer["progress"]


def test_the_queue_comes_in_the_order_of_work_and_shrinks(ana, world):
    ids, progress = _queue(ana, show="undecided")
    assert ids == [pair.pair_id for pair in world.pairs]
    ana.vote(world.pairs[0], SAME)
    ids, progress = _queue(ana, show="undecided")
    assert ids == [pair.pair_id for pair in world.pairs[1:]]
    assert progress == {"total": 30, "mine": 1, "by_all": 1, "disputed": 0}
    assert len(_queue(ana, show="all", landmark_id=903)[0]) == 7
    assert len(_queue(ana, show="text")[0]) == 2
    assert _queue(ana, landmark_id=7)[0] == []


def test_a_dispute_is_known_to_voters_and_leads_only(ana, ben, lea, review, pair):
    ana.vote(pair, SAME)
    ben.vote(pair, DIFFERENT)
    cy = Person(review, "cy")
    assert _queue(ana, show="disputed")[0] == [pair.pair_id]
    assert _queue(lea, show="disputed")[0] == [pair.pair_id]
    assert _queue(cy, show="disputed") == ([], {"total": 30, "mine": 0, "by_all": 1, "disputed": 0})


def test_after_ones_own_vote_the_others_show(ana, ben, pair):
    ben.vote(pair, DIFFERENT)
    standing = ana.vote(pair, SAME)["standings"][0]
    assert standing["others"] == [{"reviewer": "ben", "decision": "different", "comment": None}]
    assert standing["state"] == "disputed"
    assert ana.vote(pair, None)["standings"][0]["others"] is None


def test_the_last_word_can_be_given_again_and_both_stay_in_the_log(ana, ben, lea, review, pair):
    ana.vote(pair, SAME)
    ben.vote(pair, DIFFERENT)
    lea.vote(pair, SAME)
    for decision in ("same", "different"):
        answer = lea.post("/api/adjudications", settle_body(pair, decision, "why"))
        assert answer.status_code == 201
    assert ana.see(pair)["adjudication"] == {
        "reviewer": "lea", "decision": "different", "comment": "why",
    }  # fmt: skip
    kinds = [event.kind for event in review.store.read_events()]
    assert kinds == ["vote"] * 3 + ["adjudication"] * 2


def test_a_class_is_decided_in_one_request_with_one_event_for_each_pair(ana, review, world):
    pairs = world.pairs_of_class[903]
    body = votes_body(*((pair, SAME) for pair in pairs), scope="class")
    assert ana.post("/api/votes", body).json()["positions"] == list(range(1, 8))
    events = list(review.store.read_events())
    assert {event.scope for event in events} == {"class"}
    assert [e.evidence_digest for e in events] == [p.evidence_digest for p in pairs]


def test_a_class_decision_is_about_one_class(ana, review, world):
    pairs = (world.pairs_of_class[903][0], world.pairs_of_class[902][0])
    body = votes_body(*((pair, SAME) for pair in pairs), scope="class")
    assert ana.post("/api/votes", body).status_code == 422
    assert review.store.head().position == 0


def test_points_lie_in_the_photographs_and_names_have_none(ana, world):
    for pair in (world.pairs[0], next(p for p in world.pairs if p.query is None)):
        points = ana.get(f"/api/pairs/{pair.pair_id}/points").json()
        expected = 0 if pair.query is None else pair.candidate.num_inliers
        assert len(points["in_query"]) == len(points["in_image"]) == expected
        assert all(0 <= value <= 1 for xy in points["in_query"] for value in xy)


def test_pictures_are_kept_by_the_browser(ana, pair):
    path = f"/pictures/{pair.image.picture_id}/view"
    first = ana.get(path)
    assert (first.status_code, first.content[:2]) == (200, b"\xff\xd8")
    assert "immutable" in first.headers["cache-control"]
    again = ana.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_pages_show_for_everybody(ana, lea):
    for person in (ana, lea):
        for path in ("/", "/review", "/review?show=text", "/classes/902", "/team"):
            assert person.get(path).status_code == 200, path
    assert "Invite" not in ana.get("/team").text
    assert "Make a link" in lea.get("/team").text


def test_an_open_review_signs_its_user_in(world, sqlite_store):
    people = People(sqlite_store.engine)
    people.admit("ana", Role.LEAD)
    access = AccessSettings(ACCESS.origin, open_as="ana")
    visitor = Person(Review(world, sqlite_store, people, RuleSettings(), access))
    assert visitor.get("/api/queue").status_code == 401
    visitor.csrf_token = visitor.read_csrf_token()
    visitor.vote(world.pairs[0], SAME)
    assert [vote.reviewer for vote in sqlite_store.votes()] == ["ana"]
    assert visitor.get("/sign-in").headers["location"] == "/"


def test_a_session_ends_after_its_time(store):
    now = [0.0]
    people = People(store.engine, now=lambda: now[0])
    session_token = people.sign_in(people.invite("ana", Role.REVIEWER, "tests"))
    assert people.find_session(session_token).reviewer.name == "ana"
    now[0] = 15 * 24 * 3600.0
    assert people.find_session(session_token) is None


def test_nobody_is_revoked_twice(store):
    people = People(store.engine)
    people.invite("ana", Role.REVIEWER, "tests")
    people.revoke("ana")
    assert people.list()[0].is_revoked
    with pytest.raises(PeopleError, match="nothing to revoke"):
        people.revoke("ana")
