"""What alembic runs: the steps, on the connection that `database.migrate` gives."""

from __future__ import annotations

from alembic import context

from deploy.cloud.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
