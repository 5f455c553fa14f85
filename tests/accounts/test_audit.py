"""The audit trail only grows: the database itself refuses everything else."""

from __future__ import annotations

import psycopg
import pytest
from flask import Flask
from sqlalchemy import delete, select

from accounts.audit import add_audit_entry
from extensions import db
from models import AuditEntry, User
from tests import makers


def add_entry(user: User) -> int:
    add_audit_entry("role_changed", actor=user.name, user_id=user.id, subject="mia@lumen.example", role="viewer")
    db.session.commit()
    return int(db.session.scalars(select(AuditEntry.id)).one())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor = 'nobody'",
        "UPDATE audit_entries SET user_id = NULL, actor = 'nobody'",
        "UPDATE audit_entries SET detail = '{}'",
        "UPDATE audit_entries SET user_id = (SELECT max(id) FROM users)",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "TRUNCATE users CASCADE",
    ],
)
def test_the_audit_trail_is_append_only_in_the_database(app: Flask, database_url: str, statement: str) -> None:
    add_entry(makers.make_user())
    makers.make_user()
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match="append-only"),
    ):
        connection.execute(statement)


def test_an_entry_outlives_the_user_it_tells_of(app: Flask) -> None:
    user = makers.make_user()
    name, entry_id = user.name, add_entry(user)
    db.session.execute(delete(User).where(User.id == user.id))
    db.session.commit()
    kept = db.session.get_one(AuditEntry, entry_id, populate_existing=True)
    assert (kept.user_id, kept.actor) == (None, name)
