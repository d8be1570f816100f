from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import review_ui
from review_ui.database import open_database, sqlite_url
from review_ui.votes import EventStore

_MIGRATIONS = Path(review_ui.__file__).parent / "migrations"


def _make_first_version(url):
    """A database as the first version of the tables left it."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    return engine


def test_votes_of_the_first_version_are_kept(tmp_path, make_event):
    url = sqlite_url(tmp_path / "votes.sqlite3")
    engine = _make_first_version(url)
    before = EventStore(engine).append([make_event()])
    engine.dispose()
    opened = open_database(url)
    store = EventStore(opened)
    assert list(store.read_events()) == before
    assert store.verify() == []
    opened.dispose()


def test_image_ids_may_be_long_paths(store, make_event):
    image_id = "Île de la Cité/" + "x" * 500 + ".jpg"
    store.append([make_event(image_id=image_id)])
    (event,) = store.read_events()
    assert event.image_id == image_id
    assert store.verify() == []
