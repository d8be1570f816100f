"""Image ids of any length: the lists of audits may call images by their paths."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the log hold any image id."""
    # SQLite never looks at the length of a text, and cannot alter a column.
    if op.get_context().dialect.name != "sqlite":
        op.alter_column("events", "image_id", type_=sa.Text, existing_type=sa.String(32))


def downgrade() -> None:
    """Refuse: longer ids would be cut.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("image ids may be longer now; export the votes instead")
