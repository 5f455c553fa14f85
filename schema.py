"""The database's schema as a whole: brings it to the newest migration, and says how far it is.

To change the schema, change models.py and run `make migration m="what changed"`.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def migrate(database_url: str, revision: str = "head") -> None:
    """Brings the database to a revision; commits. Several processes may call it at once."""
    engine = create_engine(engine_url(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        if revision == "head" and is_at_head(connection):
            return
    with engine.begin() as connection:
        command.upgrade(configuration(connection), revision)


def is_at_head(connection: Connection) -> bool:
    """Whether every migration has run."""
    return set(MigrationContext.configure(connection).get_current_heads()) == find_heads()


def find_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None: no migration has run."""
    return MigrationContext.configure(connection).get_current_revision()


def is_known(revision: str | None) -> bool:
    """Whether this code has the migration that the database is at."""
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    return revision is None or revision in known


def write_upgrade_sql(revision: str | None) -> str:
    """The SQL that brings a database from a revision to the newest one; nothing is carried out."""
    said = io.StringIO()
    configuration = Config(MIGRATIONS / "alembic.ini")
    script = ScriptDirectory(str(MIGRATIONS))

    def steps(current: Any, _context: MigrationContext) -> Any:
        return script._upgrade_revs("head", current)

    environment = EnvironmentContext(
        configuration, script, fn=steps, as_sql=True, starting_rev=revision, destination_rev="head"
    )
    with environment:
        environment.configure(dialect_name="postgresql", output_buffer=said)
        environment.run_migrations()
    return said.getvalue()


@cache
def find_heads() -> frozenset[str]:
    """The newest revisions in migrations/versions; there should be one."""
    return frozenset(ScriptDirectory(str(MIGRATIONS)).get_heads())


def engine_url(database_url: str) -> str:
    """The same address for SQLAlchemy, which must be told which driver to take."""
    return database_url.replace("postgresql://", "postgresql+psycopg://", 1)


def configuration(connection: Connection) -> Config:
    """Alembic's configuration with the connection that env.py is to use."""
    config = Config(MIGRATIONS / "alembic.ini")
    config.attributes["connection"] = connection
    return config
