"""Requests made up from the app's own description of itself: none may be a server error."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from review_client import ACCESS, ORIGIN, Person

from review_ui.app import create_app
from review_ui.database import open_database, sqlite_url
from review_ui.people import People, Role
from review_ui.review import Review
from review_ui.rules import RuleSettings
from review_ui.votes import EventStore

_SIGN_OUT = ("DELETE", "/api/session")
_ALWAYS = {200, 201, 204, 400, 405, 413, 422}


@pytest.fixture(scope="module")
def fuzzed_review(world, tmp_path_factory):
    opened = open_database(sqlite_url(tmp_path_factory.mktemp("fuzz") / "votes.sqlite3"))
    yield Review(world, EventStore(opened), People(opened), RuleSettings(), ACCESS)
    opened.dispose()


@pytest.fixture(scope="module")
def operations(fuzzed_review):
    """Every operation that the app describes."""
    schema = schemathesis.openapi.from_dict(create_app(fuzzed_review).openapi())
    return [result.ok() for result in schema.get_all_operations()]


def _send(person, case):
    request = case.as_transport_kwargs(base_url=ORIGIN)
    headers = dict(request.pop("headers", {})) | {"X-CSRF-Token": person.csrf_token}
    request.pop("cookies", None)
    return person.http.request(headers=headers, **request)


def _try_out(operation, num_examples, check):
    @settings(
        max_examples=num_examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case):
        check(case)

    send()


def test_nothing_that_fits_the_description_breaks_the_app(fuzzed_review, operations):
    lead = Person(fuzzed_review, "lea", Role.LEAD)
    answered = set()
    for operation in operations:
        key = (operation.method.upper(), operation.path)
        described = {int(status) for status in operation.definition.raw["responses"]}

        def check(case, key=key, described=described):
            answer = _send(lead, case)
            assert answer.status_code in described | _ALWAYS, (key, answer.text)
            answered.add((key, answer.status_code))

        if key != _SIGN_OUT:
            _try_out(operation, 60, check)
    assert {key for key, _ in answered} | {_SIGN_OUT} == {
        (operation.method.upper(), operation.path) for operation in operations
    }
    assert fuzzed_review.store.verify() == []


def test_strangers_are_refused_whatever_they_send(fuzzed_review, operations):
    visitor = Person(fuzzed_review)

    def check(case):
        answer = _send(visitor, case)
        assert answer.status_code in (401, 404, 405, 422, 429), answer.text

    for operation in operations:
        _try_out(operation, 25, check)
    assert fuzzed_review.store.verify() == []
