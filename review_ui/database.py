"""The database of a review: SQLite in a file, or PostgreSQL by URL, through the same code."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT_MS = 30_000
_POOL_SIZE = 8


class DatabaseError(ValueError):
    """A database that cannot be opened or is of another version."""


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite:///{path.resolve()}"


def open_database(url: str) -> Engine:
    """Open a database and bring its tables up to date.

    Raises:
        DatabaseError: it cannot be reached, or a newer program wrote it.
    """
    try:
        engine = _create_engine(url)
        with engine.connect():
            pass
        _migrate(engine)
    except (ArgumentError, OperationalError, ImportError) as error:
        raise DatabaseError(
            f"database {_without_password(url)}: {_first_line(error)}; give a URL such as "
            "sqlite:///votes.sqlite3 or postgresql+psycopg://user@host/name"
        ) from error
    except (SQLAlchemyError, CommandError) as error:
        raise DatabaseError(
            f"database {_without_password(url)}: {_first_line(error)}; "
            "was it made by a newer version, or for something else?"
        ) from error
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that will write: on SQLite it takes the lock at once, so that none deadlock."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


def _create_engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, pool_size=_POOL_SIZE)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, pool_size=_POOL_SIZE, max_overflow=_POOL_SIZE)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401  (a DBAPI connection)
    # The driver must not begin transactions of its own: `_begin_sqlite` does.
    connection.isolation_level = None
    for pragma in (
        "journal_mode = WAL",
        # An acknowledged vote must outlive a power cut, not only a killed process.
        "synchronous = FULL",
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return repr(url)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
