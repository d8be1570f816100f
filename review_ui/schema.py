"""Tables of the review database; `review_ui/migrations` makes them."""

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

_DIGEST = String(64)
_NAME = String(64)
_TIME = String(32)
_WORD = String(16)

EVENTS = Table(
    "events",
    METADATA,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("event_id", String(32), nullable=False, unique=True),
    Column("kind", _WORD, nullable=False),
    Column("scope", _WORD, nullable=False),
    Column("reviewer", _NAME, nullable=False),
    Column("decision", _WORD),
    Column("content_key", _DIGEST, nullable=False),
    Column("evidence_digest", _DIGEST, nullable=False),
    Column("eval_set", String(64), nullable=False),
    Column("query_id", Text, nullable=False),
    Column("image_id", Text, nullable=False),
    Column("comment", Text),
    Column("app_version", String(32), nullable=False),
    Column("decided_at", _TIME, nullable=False),
    Column("origin_hash", _DIGEST),
    Column("previous_hash", _DIGEST, nullable=False),
    Column("hash", _DIGEST, nullable=False),
    Index(None, "content_key", "reviewer"),
)
"""The log: only ever added to."""

HEAD = Table(
    "head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),
    Column("hash", _DIGEST, nullable=False),
)
"""The last event, in one row; taking it for update is what puts writers in line."""

VOTES = Table(
    "votes",
    METADATA,
    Column("content_key", _DIGEST, primary_key=True),
    Column("reviewer", _NAME, primary_key=True),
    Column("decision", _WORD),
    Column("decided_at", _TIME, nullable=False),
    Column("event_id", String(32), nullable=False),
    Index(None, "reviewer"),
)
"""What each reviewer last said, folded from the events; a null is a vote taken back."""

ADJUDICATIONS = Table(
    "adjudications",
    METADATA,
    Column("content_key", _DIGEST, primary_key=True),
    Column("reviewer", _NAME, nullable=False),
    Column("decision", _WORD, nullable=False),
    Column("comment", Text),
    Column("decided_at", _TIME, nullable=False),
    Column("event_id", String(32), nullable=False),
)
"""The last word on disputed pairs, folded from the events."""

REVIEWERS = Table(
    "reviewers",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("role", _WORD, nullable=False),
    Column("token_hash", _DIGEST, unique=True),
    Column("invited_by", _NAME, nullable=False),
    Column("invited_at", _TIME, nullable=False),
    Column("revoked_at", _TIME),
)
"""Who may sign in; a token is kept as its SHA-256 only."""

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("token_hash", _DIGEST, primary_key=True),
    Column("reviewer", _NAME, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index(None, "reviewer"),
)
"""Who is signed in; `expires_at` is in seconds since 1970."""
