"""The migrations: an empty database and every earlier one reach the head, and the head is what models.py declares."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import schema
from extensions import Base
from tests.servers import drop_database, with_database

REVISIONS = [revision.revision for revision in ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions()][::-1]


@pytest.fixture
def empty_url(database_url: str, data_dir: Path) -> Iterator[str]:
    """The address of a database with nothing in it."""
    name = f"lux_{secrets.token_hex(6)}"
    with psycopg.connect(with_database(database_url, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield with_database(database_url, name)
    drop_database(database_url, with_database(database_url, name))


def list_differences(url: str) -> list[str]:
    """What models.py declares and the database has not, or the other way round; the queue's own tables left out."""
    with create_engine(schema.engine_url(url), poolclass=NullPool).connect() as connection:
        assert schema.is_at_head(connection)
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    return [str(difference) for difference in found if "procrastinate" not in str(difference)]


def test_an_empty_database_reaches_the_head_that_models_declare(empty_url: str) -> None:
    schema.migrate(empty_url)
    assert list_differences(empty_url) == []


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_earlier_database_reaches_the_head_with_its_rows(empty_url: str, revision: str) -> None:
    schema.migrate(empty_url, revision)
    with psycopg.connect(empty_url, autocommit=True) as connection:
        has_contacts = connection.execute("SELECT to_regclass('contacts')").fetchone() != (None,)
        if has_contacts:
            connection.execute("INSERT INTO contacts (email, name) VALUES ('ann@lumen.example', 'Ann')")
    schema.migrate(empty_url)
    assert list_differences(empty_url) == []
    if has_contacts:
        with psycopg.connect(empty_url) as connection:
            assert connection.execute("SELECT name FROM contacts").fetchall() == [("Ann",)]


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    schema.migrate(empty_url)
    schema.migrate(empty_url)
    assert list_differences(empty_url) == []
