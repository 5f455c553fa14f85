"""Faults brought about for real, for tests of repair: a column gone, errors at a place, what became of a group."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.schema import CreateColumn

from auto_repair_service import Actor, start_repair, verify_open
from error_logger import ErrorLogger, error_logger
from extensions import db
from models import ErrorGroup
from receipts import plans
from tests import makers
from tests.servers import Lux

INDEXES_OF = text(
    "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
    " AND a.attnum = ANY (i.indkey) WHERE i.indrelid = CAST(:table AS regclass) AND a.attname = :column"
)
ADA = Actor("Ada Lovelace", None, "page")


def forget_log(data_dir: Path) -> None:
    """Begins a new app log: what an earlier test wrote into it is no evidence for the next one's fault."""
    (data_dir / "logs" / "app.log").unlink(missing_ok=True)


@contextmanager
def column_gone(table: str = "contacts", column: str = "source") -> Iterator[None]:
    """Drops a column, as a hand at the database might; puts it back at the end with what it held, as from a backup."""
    declared = db.metadatas[None].tables[table].columns[column]
    again = str(CreateColumn(declared).compile(dialect=db.engine.dialect))
    indexes = list(db.session.scalars(INDEXES_OF, {"table": table, "column": column}))
    _run(f"CREATE TABLE kept_aside AS SELECT id, {column} AS kept FROM {table}", f"ALTER TABLE {table} DROP {column}")
    try:
        yield
    finally:
        fill = f"UPDATE {table} SET {column} = kept FROM kept_aside WHERE kept_aside.id = {table}.id"
        _run(f"ALTER TABLE {table} ADD {again}", fill, "DROP TABLE kept_aside", *indexes)


def fail_at(client: FlaskClient, path: str = "/contacts/") -> int:
    """Opens a page that fails now; the id of its error group."""
    assert client.get(path).status_code == 500
    return newest_group()


def newest_group() -> int:
    """The group that was seen last, once everything is written."""
    # The newest app of this process hears what is logged, another may be the current one.
    heard = [handler for handler in logging.getLogger().handlers if isinstance(handler, ErrorLogger)]
    for logger in {error_logger(), *heard}:
        assert logger.flush_now(10)
    db.session.rollback()
    found = db.session.scalars(
        select(ErrorGroup.id).order_by(ErrorGroup.last_seen.desc(), ErrorGroup.id.desc())
    ).first()
    assert found is not None
    return int(found)


def state_of(group_id: int) -> str:
    """What is committed about the group."""
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(ErrorGroup, group_id).state


def repair(group_id: int, **options: Any) -> dict[str, Any]:
    """A run over one group; its only result."""
    report = start_repair(actor=ADA, group_id=group_id, **options).as_row()
    assert report["examined"] == 1
    return dict(report["results"][0])


def operator_headers(app: Flask) -> dict[str, str]:
    """What the browser of a signed-in operator sends with a form, for a LUX that really runs."""
    client = makers.signed_in_client(app, makers.make_user(role="operator"))
    cookie = client.get_cookie("lux")
    assert cookie is not None
    return {
        "Cookie": f"lux={cookie.value}",
        "X-CSRFToken": client.csrf_token,
        "Content-Type": "application/x-www-form-urlencoded",
    }


def post_form(lux: Lux, path: str, headers: dict[str, str], **data: str) -> None:
    """Sends a form as a browser does."""
    status, _, body = lux.request("POST", path, urlencode(data).encode(), headers)
    assert status == 303, body[:500]


def ask_to_repair(lux: Lux, **wanted: object) -> dict[str, Any]:
    """What `curl -X POST …/api/auto-repair/start` from the same machine answers."""
    headers = {"Content-Type": "application/json"}
    status, _, body = lux.request("POST", "/api/auto-repair/start", json.dumps(wanted).encode(), headers)
    assert status == 200, body[:500]
    return dict(json.loads(body))


def look_as_the_clock_does(lux: Lux, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the clock does every quarter of a minute, at once: it settles steps whose process has ended under them."""
    monkeypatch.setattr(plans, "LOST_AFTER", timedelta(0))
    app = lux.apps[-1] if lux.apps else lux.make_app()
    with app.app_context():
        verify_open()


def _run(*statements: str) -> None:
    db.session.rollback()
    for statement in statements:
        db.session.execute(text(statement))
    db.session.commit()
