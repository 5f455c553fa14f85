"""Runs the migrations: on the connection that schema.py hands over, or on the app's when flask db asks."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

import models  # noqa: F401 - importing it fills the metadata
from extensions import Model, db

# Two processes that start at once must not migrate side by side; the number is "LUX" in hexadecimal.
MIGRATION_LOCK = 0x4C5558


def is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    """Leaves the queue's own tables alone."""
    return not (kind in ("table", "index") and (name or "").startswith(("procrastinate", "idx_procrastinate")))


def run(connection: Connection) -> None:
    """Migrates in one transaction, one process at a time."""
    context.configure(
        connection=connection,
        target_metadata=Model.metadata,
        include_object=is_ours,
        compare_server_default=True,
    )
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with db.engine.connect() as own:
        run(own)
