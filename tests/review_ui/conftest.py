"""A review on drawn walls, with a database of its own for every test."""

import os
import secrets

import pytest
from review_client import ACCESS, Person
from review_world import make_world
from sqlalchemy import create_engine, text

from manifests.rows import Decision
from review_ui.database import open_database, sqlite_url
from review_ui.hash_chain import EventKind, EventScope, NewEvent
from review_ui.people import People, Role
from review_ui.review import Review
from review_ui.rules import RuleSettings
from review_ui.votes import EventStore, utc_now

POSTGRES = "CLEANMARK_POSTGRES"


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("walls"))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """A database of each kind; PostgreSQL where one can be reached."""
    if request.param == "sqlite":
        opened = open_database(sqlite_url(tmp_path / "votes.sqlite3"))
        yield opened
        opened.dispose()
        return
    url = os.environ.get(POSTGRES)
    if url is None:
        pytest.skip(f"no PostgreSQL; give its URL in {POSTGRES}, or run `make test-postgres`")
    schema = f"test_{secrets.token_hex(6)}"
    admin = create_engine(url)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    opened = open_database(f"{url}?options=-csearch_path%3D{schema}")
    yield opened
    opened.dispose()
    with admin.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    admin.dispose()


@pytest.fixture
def store(engine):
    return EventStore(engine)


@pytest.fixture
def sqlite_store(tmp_path):
    opened = open_database(sqlite_url(tmp_path / "votes.sqlite3"))
    yield EventStore(opened)
    opened.dispose()


@pytest.fixture
def review(world, sqlite_store):
    people = People(sqlite_store.engine)
    return Review(world, sqlite_store, people, RuleSettings(), ACCESS)


@pytest.fixture
def ana(review):
    return Person(review, "ana")


@pytest.fixture
def ben(review):
    return Person(review, "ben")


@pytest.fixture
def lea(review):
    return Person(review, "lea", Role.LEAD)


@pytest.fixture
def stranger(review):
    return Person(review)


@pytest.fixture
def make_event():
    """A maker of events; what is not said is filled in."""

    def make(reviewer="ana", decision=Decision.SAME, content="a", kind=None, **others):
        fields = {
            "event_id": secrets.token_hex(16),
            "kind": kind or (EventKind.WITHDRAWAL if decision is None else EventKind.VOTE),
            "scope": EventScope.PAIR,
            "reviewer": reviewer,
            "decision": decision,
            "content_key": (content * 64)[:64],
            "evidence_digest": "e" * 64,
            "eval_set": "tiny",
            "query_id": "mill",
            "image_id": "0" * 16,
            "comment": None,
            "app_version": "test",
            "decided_at": utc_now(),
        }
        return NewEvent(**fields | others)

    return make
