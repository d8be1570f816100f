"""The log, what is folded from it, and the people.

Written out, not taken from `review_ui.schema`: a migration must do the same thing for ever.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of the first version."""
    _make_log()
    _make_projections()
    _make_people()
    op.execute("INSERT INTO head (id, position, hash) VALUES (1, 0, '" + "0" * 64 + "')")


def downgrade() -> None:
    """Refuse: going back would throw votes away.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("the first version is the first; export the votes instead")


def _make_log() -> None:
    op.create_table(
        "events",
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("decision", sa.String(16)),
        sa.Column("content_key", sa.String(64), nullable=False),
        sa.Column("evidence_digest", sa.String(64), nullable=False),
        sa.Column("eval_set", sa.String(64), nullable=False),
        sa.Column("query_id", sa.Text, nullable=False),
        sa.Column("image_id", sa.String(32), nullable=False),
        sa.Column("comment", sa.Text),
        sa.Column("app_version", sa.String(32), nullable=False),
        sa.Column("decided_at", sa.String(32), nullable=False),
        sa.Column("origin_hash", sa.String(64)),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_events"),
        sa.UniqueConstraint("event_id", name="uq_events_event_id"),
    )
    op.create_index("ix_events_content_key", "events", ["content_key", "reviewer"])
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_head"),
    )


def _make_projections() -> None:
    op.create_table(
        "votes",
        sa.Column("content_key", sa.String(64), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("decision", sa.String(16)),
        sa.Column("decided_at", sa.String(32), nullable=False),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("content_key", "reviewer", name="pk_votes"),
    )
    op.create_index("ix_votes_reviewer", "votes", ["reviewer"])
    op.create_table(
        "adjudications",
        sa.Column("content_key", sa.String(64), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("comment", sa.Text),
        sa.Column("decided_at", sa.String(32), nullable=False),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("content_key", name="pk_adjudications"),
    )


def _make_people() -> None:
    op.create_table(
        "reviewers",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("token_hash", sa.String(64)),
        sa.Column("invited_by", sa.String(64), nullable=False),
        sa.Column("invited_at", sa.String(32), nullable=False),
        sa.Column("revoked_at", sa.String(32)),
        sa.PrimaryKeyConstraint("name", name="pk_reviewers"),
        sa.UniqueConstraint("token_hash", name="uq_reviewers_token_hash"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
    )
    op.create_index("ix_sessions_reviewer", "sessions", ["reviewer"])
