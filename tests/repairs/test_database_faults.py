"""Faults of the database, brought about for real: each found, named, repaired where that is allowed, and proved."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

import embedded_postgres
import schema
from accounts.webhook_credentials import add_credential
from app import create_app
from auto_repair_service import start_repair
from config import load_settings
from error_logger import error_logger
from extensions import db
from models import Contact, RepairReceipt, RepairVerification
from repairs.dispose_pools import REPAIR as DISPOSE
from tests import makers
from tests.repair_scene import ADA, column_gone, newest_group, repair, state_of
from tests.servers import wait_until


@pytest.fixture(scope="module")
def own_lux(base_environment: dict[str, str]) -> Iterator[Flask]:
    """A LUX with an embedded PostgreSQL of its own, which a test may stop."""
    folder = Path(tempfile.mkdtemp(prefix="lux-faults-"))
    # Made without care for power cuts; the repair itself starts it with.
    schema.migrate(embedded_postgres.ensure_running(folder, durable=False))
    without = {name: value for name, value in base_environment.items() if name != "DATABASE_URL"}
    app = create_app(load_settings({**without, "LUX_DATA_DIR": str(folder)}, dotenv=None))
    app.test_client_class = makers.Browser
    yield app
    with app.app_context():
        db.engine.dispose()
    embedded_postgres.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own(own_lux: Flask) -> Iterator[FlaskClient]:
    """The owner's browser on it."""
    (folder_of(own_lux) / "logs" / "app.log").unlink(missing_ok=True)
    with own_lux.app_context():
        owner = makers.make_user(role="owner")
        for name in ("repair_verifications", "repair_steps", "repair_plans", "error_groups"):
            db.session.execute(text(f"DELETE FROM {name}"))
        db.session.commit()
        yield makers.signed_in_client(own_lux, owner)
        db.session.remove()


def folder_of(app: Flask) -> Path:
    return Path(app.config["LUX"].lux_data_dir)


def result_for(rows: list[dict[str, Any]], group_id: int) -> dict[str, Any]:
    return next(row for row in rows if row["group_id"] == group_id)


def test_a_stopped_database_is_found_started_and_proved(own_lux: Flask, own: FlaskClient) -> None:
    assert own.get("/contacts/").status_code == 200
    embedded_postgres.stop(folder_of(own_lux))
    db.session.remove()
    assert own.get("/contacts/").status_code == 503
    report = start_repair(actor=ADA).as_row()
    assert embedded_postgres.is_running(folder_of(own_lux))
    group_id = newest_group()
    result = result_for(report["results"], group_id)
    assert result["diagnosis"]["rule"] == "database-down"
    assert result["state"] == "resolved_verified" and result["resolved"] is True
    before = {row["key"] for row in result["test_results"] if row["before_repair"] and not row["passed"]}
    assert {"dependency:database", "view:contacts.index"} <= before
    receipts = db.session.scalars(select(RepairReceipt).order_by(RepairReceipt.id)).all()
    started = next(receipt for receipt in receipts if receipt.repair == "start_database")
    assert started.kind == "action" and started.is_automatic and started.proof
    assert own.get("/contacts/").status_code == 200


def test_a_database_that_somebody_else_has_started_is_proved_by_what_goes_well_since(
    own_lux: Flask, own: FlaskClient
) -> None:
    assert own.get("/contacts/").status_code == 200
    db.session.remove()
    embedded_postgres.stop(folder_of(own_lux))
    assert own.get("/contacts/").status_code == 503
    embedded_postgres.ensure_running(folder_of(own_lux), durable=False)
    db.engine.dispose()
    group_id = newest_group()
    result = repair(group_id)
    assert result["diagnosis"]["rule"] == "database-down" and result["state"] == "verifying"
    assert any(row["seen"].startswith("it was started on") for row in result["test_results"])
    needed = db.session.scalars(select(RepairVerification.needed_successes)).one()
    for _ in range(needed):
        assert own.get("/contacts/").status_code == 200
    assert repair(group_id)["state"] == "resolved_verified"


def test_a_database_that_stays_down_is_never_called_repaired(own_lux: Flask, own: FlaskClient) -> None:
    folder = folder_of(own_lux)
    embedded_postgres.stop(folder)
    db.session.remove()
    moved = folder / "postgres.elsewhere"
    (folder / "postgres").rename(moved)
    (folder / "postgres").write_text("not a folder: nothing can start here")
    try:
        report = start_repair(actor=ADA).as_row()
        assert report["resolved"] == 0
        assert report["results"][0]["diagnosis"]["rule"] == "database-down"
        assert report["results"][0]["state"] == "needs_human"
    finally:
        (folder / "postgres").unlink()
        moved.rename(folder / "postgres")
        embedded_postgres.ensure_running(folder, durable=False)


def test_exhausted_connections_are_freed_and_proved(
    own_lux: Flask, own: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(DISPOSE), "least_idle_seconds", 1.0)
    url = embedded_postgres.ensure_running(folder_of(own_lux), durable=False)
    held: list[psycopg.Connection] = []
    # This process holds one connection and needs another for each further request.
    db.session.rollback()
    db.engine.dispose()
    db.session.execute(text("SELECT 1"))
    try:
        with pytest.raises(psycopg.OperationalError):
            while True:
                # Another process of LUX that keeps what it does not use.
                held.append(psycopg.connect(url, autocommit=True, application_name="lux", connect_timeout=5))
        assert own.get("/contacts/").status_code == 503
        wait_until(lambda: _has_waited(held[0]), "the idle connections to have been idle for long enough")
        report = start_repair(actor=ADA).as_row()
        assert own.get("/contacts/").status_code == 200
        group_id = newest_group()
        result = result_for(report["results"], group_id)
        assert result["diagnosis"]["rule"] == "database-too-many-connections"
        assert result["resolved"] is True, result
    finally:
        for connection in held:
            connection.close()


def _has_waited(connection: psycopg.Connection) -> bool:
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lux' AND state_change < now() - interval '1 s'"
    )
    row = connection.execute(query.encode()).fetchone()
    return bool(row and row[0] > 150)


def test_terminated_sessions_are_named_and_the_pool_is_made_anew(own_lux: Flask, own: FlaskClient) -> None:
    url = embedded_postgres.ensure_running(folder_of(own_lux), durable=False)
    pid = db.session.scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        wait_until(
            lambda: not other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone(), "the end"
        )
    with pytest.raises(Exception, match=r"terminating connection|server closed") as caught:
        db.session.execute(text("SELECT 1"))
    db.session.rollback()
    error_logger().capture(caught.value, place="GET /contacts/")
    group_id = newest_group()
    result = repair(group_id)
    assert result["diagnosis"]["rule"] == "database-connection-lost"
    assert result["actions"][0]["repair"] == "dispose_pools" and result["actions"][0]["state"] == "done"
    # It happened once, and the page worked before and after: only real traffic can prove anything.
    assert result["state"] == "verifying" and result["resolved"] is False
    for _ in range(60):
        assert own.get("/contacts/").status_code == 200
    assert repair(group_id)["state"] == "resolved_verified"
    assert state_of(group_id) == "resolved_verified"


def test_a_missing_migration_is_run_after_a_backup_and_proved(own_lux: Flask, own: FlaskClient) -> None:
    db.session.remove()
    with db.engine.begin() as connection:
        command.downgrade(schema.configuration(connection), "0003")
    assert own.get("/diagnostics/").status_code == 500
    report = start_repair(actor=ADA).as_row()
    with db.engine.connect() as connection:
        assert schema.is_at_head(connection)
    assert list((folder_of(own_lux) / "backups").glob("before-migration-0003-*.dump"))
    results = [row for row in report["results"] if row["group_id"] is not None]
    assert results and {row["diagnosis"]["rule"] for row in results} == {"schema-behind"}
    assert any(row["state"] == "resolved_verified" for row in results), results
    receipt = db.session.scalars(select(RepairReceipt).where(RepairReceipt.repair == "migrate_database")).first()
    assert receipt is not None and receipt.before["revision"] == "0003" and receipt.before["backup"]
    assert own.get("/diagnostics/").status_code == 200


def test_a_dropped_column_is_named_left_to_a_person_and_proved_once_it_is_restored(
    own_lux: Flask, own: FlaskClient
) -> None:
    makers.make_contact(source="webhook")
    with column_gone("contacts", "source"):
        assert own.get("/contacts/").status_code == 500
        group_id = newest_group()
        report = start_repair(actor=ADA).as_row()
        result = result_for(report["results"], group_id)
        assert result["diagnosis"]["rule"] == "schema-behind"
        assert "The column contacts.source is not in the database" in result["diagnosis"]["cause"]
        assert result["state"] == "needs_human" and report["resolved"] == 0
        # A migration would bring an empty column: nothing is offered, and it says what a person does.
        (action,) = result["actions"]
        assert (action["repair"], action["state"]) == ("migrate_database", "blocked")
        assert "contacts.source is missing all the same" in action["obstacle"]
        assert any("Restore a backup" in step for step in result["fix_steps"])
        failed = {row["key"]: row["seen"] for row in result["test_results"] if not row["passed"]}
        assert failed["dependency:schema"] == "missing: contacts.source" and "view:contacts.index" in failed
        kept = db.session.scalar(
            text("SELECT count(*) FROM repair_receipts WHERE group_id = :group"), {"group": group_id}
        )
        assert kept == 0
    assert db.session.scalars(select(Contact.source)).all() == ["webhook"]
    proved = repair(group_id)
    assert proved["state"] == "resolved_verified" and state_of(group_id) == "resolved_verified"


def test_what_came_while_the_database_was_away_is_brought_in_with_receipt_and_proof(
    own_lux: Flask, own: FlaskClient
) -> None:
    made = add_credential("Zapier", by=None)
    basic = base64.b64encode(f"{made.username}:{made.password}".encode()).decode()

    def post(number: int) -> int:
        body = {"email": f"p{number}@example.com", "note": "x" * 180_000}
        headers = {"Authorization": f"Basic {basic}"}
        return own_lux.test_client().post("/api/webhook/zapier-contact", json=body, headers=headers).status_code

    assert post(0) == 201
    db.session.remove()
    embedded_postgres.stop(folder_of(own_lux))
    assert [post(number) for number in range(1, 7)] == [202] * 6
    embedded_postgres.ensure_running(folder_of(own_lux), durable=False)

    report = start_repair(actor=ADA).as_row()
    result = next(row for row in report["results"] if row["diagnosis"]["rule"] == "spool-waiting")
    (action,) = result["actions"]
    did = (action["repair"], action["tier"], action["state"], action["automatic"])
    assert did == ("drain_spools", "A", "done", True), result["test_results"]
    assert action["before"] == {"bodies": 6} and action["after"]["bodies"] == 0
    assert result["state"] == "resolved_verified" and result["resolved"] is True, result
    of_spool = [(row["before_repair"], row["passed"]) for row in result["test_results"] if row["key"] == "health:spool"]
    assert of_spool == [(True, False), *[(False, True)] * 3]
    assert any(row["key"] == "post-check" and row["passed"] for row in result["test_results"])
    assert db.session.scalar(select(func.count()).select_from(Contact).where(Contact.email.like("p%"))) == 7
    kinds = select(RepairReceipt.kind).where(RepairReceipt.rule == "spool-waiting").order_by(RepairReceipt.id)
    assert list(db.session.scalars(kinds)) == ["action", "verification"]


def test_our_own_idle_transactions_end_only_on_a_persons_word(
    own_lux: Flask, own: FlaskClient, make_app: Callable[..., Flask]
) -> None:
    error_logger().capture(
        psycopg.errors.TooManyConnections("FATAL: sorry, too many clients already"), place="GET /contacts/"
    )
    result = repair(newest_group())
    step = next(action for action in result["actions"] if action["repair"] == "end_idle_transactions")
    assert step["tier"] == "P" and not step["automatic"]
    assert step["state"] == "blocked" and "10 minutes" in step["obstacle"]
