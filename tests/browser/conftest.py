"""Reviewers with real browsers; whatever is not asked of our own server is refused and noted."""

import os
from pathlib import Path

import pytest
from review_server import CHROMIUM, CHROMIUM_ARGUMENTS, serve_review
from review_world import make_world

from review_ui.database import open_database, sqlite_url
from review_ui.people import Role
from review_ui.votes import EventStore


@pytest.fixture(scope="session")
def chromium():
    if not CHROMIUM.is_file():
        pytest.skip(f"no chromium at {CHROMIUM}; `make browser` installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory):
    """Where pictures of the pages go; look at them after a change of the design."""
    folder = Path(
        os.environ.get("CLEANMARK_SCREENSHOTS") or tmp_path_factory.getbasetemp() / "screenshots"
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("walls"))


@pytest.fixture
def store(tmp_path):
    opened = open_database(sqlite_url(tmp_path / "votes.sqlite3"))
    yield EventStore(opened)
    opened.dispose()


@pytest.fixture
def served(world, store):
    with serve_review(world, store) as running:
        yield running


@pytest.fixture
def open_page(chromium, served):
    """Open a page as somebody, in a browser profile of their own; fail on any script error."""
    contexts, problems = [], []

    def open_as(name, role=Role.REVIEWER, **options):
        options = {"viewport": {"width": 1440, "height": 900}} | options
        context = chromium.new_context(**options)
        contexts.append(context)

        def refuse_foreign(route):
            if route.request.url.startswith(served.origin):
                route.continue_()
            else:
                problems.append(f"foreign request: {route.request.url}")
                route.abort()

        context.route("**/*", refuse_foreign)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        page.on("console", lambda message: _note_violation(problems, message))
        page.goto(served.invite(name, role))
        page.wait_for_url(f"{served.origin}/")
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert problems == []


def _note_violation(problems, message):
    if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text:
        problems.append(message.text)
