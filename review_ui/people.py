"""Who may review: invitations, sign-in tokens, sessions. Secrets are kept as hashes only."""

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, Engine, RowMapping, delete, insert, select, update

from review_ui.database import writing
from review_ui.schema import REVIEWERS, SESSIONS
from review_ui.votes import utc_now

_NAME = re.compile(r"\w[\w .@'-]{0,62}\w|\w")
_TOKEN_BYTES = 32
SESSION_SECONDS = 14 * 24 * 3600.0


class Role(StrEnum):
    """What a person may do."""

    REVIEWER = "reviewer"
    LEAD = "lead"


class PeopleError(ValueError):
    """A name that cannot be invited or revoked."""


@dataclass(frozen=True)
class Reviewer:
    """A person who may sign in, or might once."""

    name: str
    role: Role
    is_revoked: bool = False

    @property
    def is_lead(self) -> bool:
        """Whether the person adjudicates and invites."""
        return self.role is Role.LEAD


@dataclass(frozen=True)
class Session:
    """A person who is signed in.

    Attributes:
        reviewer: who.
        csrf_token: what the person's own pages send with every change.
    """

    reviewer: Reviewer
    csrf_token: str


def check_name(name: str) -> str:
    """Accept a name of up to 64 letters, digits, spaces and ``. @ ' - _``.

    Raises:
        PeopleError: it is something else.
    """
    if not _NAME.fullmatch(name):
        raise PeopleError(
            f"{name!r} is no name for a reviewer: 1 to 64 letters, digits, spaces, . @ ' - _, "
            "with a letter or digit at both ends"
        )
    return name


class People:
    """Reviewers and sessions in the database of a review."""

    def __init__(self, engine: Engine, now: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._now = now

    def invite(self, name: str, role: Role, invited_by: str) -> str:
        """Let a person in and return the token to sign in with, which is not kept.

        Somebody who was invited before gets the new role and a new token; the old token and all
        sessions end.

        Raises:
            PeopleError: the name cannot be used.
        """
        check_name(name)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        row = {"name": name, "role": role, "token_hash": _hash(token), "invited_by": invited_by}
        with writing(self._engine) as connection:
            _end_sessions(connection, name)
            connection.execute(delete(REVIEWERS).where(REVIEWERS.c.name == name))
            connection.execute(insert(REVIEWERS).values(row | {"invited_at": utc_now()}))
        return token

    def admit(self, name: str, role: Role) -> None:
        """Note a person who needs no token, such as the user of this machine; keep who is known."""
        check_name(name)
        row = {"name": name, "role": role, "invited_by": name, "invited_at": utc_now()}
        with writing(self._engine) as connection:
            known = connection.execute(select(REVIEWERS.c.name).where(REVIEWERS.c.name == name))
            if known.first() is None:
                connection.execute(insert(REVIEWERS).values(row))
            else:
                changed = update(REVIEWERS).where(REVIEWERS.c.name == name)
                connection.execute(changed.values(role=role, revoked_at=None))

    def revoke(self, name: str) -> None:
        """Lock a person out at once; the votes stay.

        Raises:
            PeopleError: nobody of that name may sign in.
        """
        with writing(self._engine) as connection:
            _end_sessions(connection, name)
            changed = connection.execute(
                update(REVIEWERS)
                .where(REVIEWERS.c.name == name, REVIEWERS.c.revoked_at.is_(None))
                .values(revoked_at=utc_now(), token_hash=None)
            )
            if changed.rowcount == 0:
                raise PeopleError(f"{name!r} is not invited, so there is nothing to revoke")

    def list(self) -> list[Reviewer]:
        """Everybody who was ever invited, by name."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(REVIEWERS).order_by(REVIEWERS.c.name)).mappings()
            return [_make_reviewer(row) for row in rows]

    def sign_in(self, token: str) -> str | None:
        """Begin a session with an invitation's token; return the session's own token, or None."""
        query = select(REVIEWERS.c.name).where(
            REVIEWERS.c.token_hash == _hash(token), REVIEWERS.c.revoked_at.is_(None)
        )
        with writing(self._engine) as connection:
            name = connection.execute(query).scalar()
            return None if name is None else self._begin_session(connection, name)

    def sign_in_as(self, name: str) -> str:
        """Begin a session of an admitted person without a token; only for loopback."""
        with writing(self._engine) as connection:
            return self._begin_session(connection, name)

    def find_session(self, session_token: str) -> Session | None:
        """Who a session belongs to; None if it is forged, over or revoked."""
        query = (
            select(REVIEWERS)
            .join(SESSIONS, SESSIONS.c.reviewer == REVIEWERS.c.name)
            .where(
                SESSIONS.c.token_hash == _hash(session_token),
                SESSIONS.c.expires_at > self._now(),
                REVIEWERS.c.revoked_at.is_(None),
            )
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return Session(_make_reviewer(row), _hash(f"csrf {session_token}"))

    def sign_out(self, session_token: str) -> None:
        """End a session; one that is over already is no error."""
        with writing(self._engine) as connection:
            ended = delete(SESSIONS).where(SESSIONS.c.token_hash == _hash(session_token))
            connection.execute(ended)

    def _begin_session(self, connection: Connection, name: str) -> str:
        now = self._now()
        connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= now))
        session_token = secrets.token_urlsafe(_TOKEN_BYTES)
        row = {
            "token_hash": _hash(session_token),
            "reviewer": name,
            "expires_at": now + SESSION_SECONDS,
        }
        connection.execute(insert(SESSIONS).values(row))
        return session_token


def _hash(secret: str) -> str:
    """SHA-256; enough for secrets of 256 random bits, which nobody can try out."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _end_sessions(connection: Connection, name: str) -> None:
    connection.execute(delete(SESSIONS).where(SESSIONS.c.reviewer == name))


def _make_reviewer(row: RowMapping) -> Reviewer:
    return Reviewer(row["name"], Role(row["role"]), row["revoked_at"] is not None)
