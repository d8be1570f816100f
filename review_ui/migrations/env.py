"""Runs the migrations on the connection that `review_ui.database` hands over."""

from alembic import context

from review_ui.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
