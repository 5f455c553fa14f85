"""Repairs beside the great faults, each for a fault that was brought about: found, carried out, proved, undone."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import procrastinate
import psycopg
import pytest
import requests
from flask import Flask
from oauthlib.oauth2 import WebApplicationClient
from sqlalchemy import func, select, text, update

from access import viewer
from accounts.webhook_credentials import add_credential
from ai import ModelFailed, Question, ask, find_circuit_wait
from auto_repair_service import approve_step, start_repair, undo
from campaigns.channel_states import find_pause_reason, pause_channel
from diagnostics.alerts import send_error_digest
from diagnostics.health import run_slow_checks
from error_groups import change_group_state, get_group
from error_logger import error_logger
from errors import Conflict
from extensions import db, defer
from models import Contact, ErrorGroup, ErrorLog, IntakeBody, RepairReceipt, RepairStep, ReplitOAuth, User, UserSession
from receipts.plans import get_plan
from repairs.end_idle_transactions import REPAIR as END_IDLE
from repairs.prune_files import REPAIR as PRUNE
from tests import makers
from tests.fakes.oidc_provider import OidcProvider
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.smtp_server import SmtpServer
from tests.makers import soup
from tests.repair_scene import ADA, newest_group, repair, state_of
from tests.replit_scene import sign_in
from worker import make_queue

MakeApp = Callable[..., Flask]


@contextmanager
def inside(make_app: MakeApp, **settings: str) -> Iterator[Flask]:
    """An app with changed settings, entered."""
    running = make_app(**settings)
    with running.app_context():
        yield running
        db.session.remove()


def find_result(rule: str) -> dict[str, Any]:
    """A run over everything; the result of that rule."""
    results = start_repair(actor=ADA).as_row()["results"]
    return next(dict(row) for row in results if row["diagnosis"]["rule"] == rule)


def action_of(result: dict[str, Any], repair_id: str) -> dict[str, Any]:
    return next(action for action in result["actions"] if action["repair"] == repair_id)


def list_kinds(repair_id: str) -> list[str]:
    db.session.rollback()
    rows = select(RepairReceipt.kind).where(RepairReceipt.repair == repair_id).order_by(RepairReceipt.id)
    return list(db.session.scalars(rows))


def ask_once() -> None:
    ask(Question("agents.run", [{"role": "user", "content": "Hello"}], longest_answer_tokens=20))


def test_the_model_is_asked_again_once_it_answers_but_not_while_a_repair_lets_it_rest(
    make_app: MakeApp, app: Flask
) -> None:
    with (
        OpenAIServer() as server,
        inside(make_app, OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url),
    ):
        server.moods = ["hang_up"] * 30
        for _ in range(3):
            with pytest.raises(ModelFailed):
                ask_once()
        assert find_circuit_wait() > 0
        group_id = newest_group()
        for one in db.session.scalars(select(ErrorGroup)):
            change_group_state(one, "resolved_by_human", notes="The provider has told us.", release=None)
        db.session.commit()
        server.moods = []
        result = find_result("model-circuit-open")
        action = action_of(result, "close_circuit")
        assert (action["tier"], action["state"], action["automatic"]) == ("A", "done", True)
        assert find_circuit_wait() == 0 and result["state"] == "resolved_verified"
        ask_once()
        undo(action["step_id"], ADA)
        assert list_kinds("close_circuit") == ["action", "undo"]
        assert group_id

        # What a repair has closed off stays so: one run must not undo what it did a moment before.
        server.moods = ["no_quota"] * 30
        with pytest.raises(ModelFailed) as failed:
            ask_once()
        error_logger().capture(failed.value, place="task run_agent")
        assert action_of(repair(newest_group()), "open_circuit")["state"] == "done"
        assert not [row for row in start_repair(actor=ADA).results if row.diagnosis["rule"] == "model-circuit-open"]
        assert find_circuit_wait() > 60


def test_a_paused_channel_is_not_asked_and_resumed_only_when_the_sign_in_is_taken(
    make_app: MakeApp, app: Flask
) -> None:
    with SmtpServer(refuse_sign_in=True, user="lux", password="right") as server:
        settings = {"SMTP_URL": server.url("timeout=5", user="lux:right@"), "MAIL_FROM": "Lumen <hello@lumen.example>"}
        with inside(make_app, **settings):
            pause_channel("email", "The mail server refused the sign-in.")
            makers.make_user(role="owner")
            error_logger().capture(ValueError("broken"), place="task a")
            newest_group()
            run_slow_checks()
            assert send_error_digest() == 0
            # Each refused sign-in would bring a lock-out nearer.
            assert server.connections == 0
            action = action_of(find_result("mail-channel-paused"), "resume_channel")
            assert (action["tier"], action["state"]) == ("P", "waiting")
            step = approve_step(action["plan_id"], action["digest"], ADA)
            assert step.state == "failed" and "stays paused" in str(step.outcome)
            assert find_pause_reason("email") is not None

            server.refuse_sign_in = False
            action = action_of(find_result("mail-channel-paused"), "resume_channel")
            assert approve_step(action["plan_id"], action["digest"], ADA).state == "done"
            assert find_pause_reason("email") is None
            assert get_plan(action["plan_id"]).outcome == "resolved_verified"
            undo(action["step_id"], ADA)
            assert find_pause_reason("email") == "The mail server refused the sign-in."
            assert list_kinds("resume_channel") == ["failure", "action", "undo"]


def test_dead_bodies_are_read_again_after_a_mapping_by_a_click_on_the_page_of_repairs(app: Flask) -> None:
    made = add_credential("Zapier", by=None)
    basic = base64.b64encode(f"{made.username}:{made.password}".encode()).decode()
    for number in range(3):
        body = {"an_adr": f"p{number}@example.com", "other": "b@example.com"}
        app.test_client().post("/api/webhook/zapier-contact", json=body, headers={"Authorization": f"Basic {basic}"})
    assert db.session.scalar(select(func.count()).where(IntakeBody.state == "dead")) == 3
    client = makers.signed_in_client(app, makers.make_user(role="operator"))
    client.post("/webhook-inbox/mappings", data={"key": "an_adr", "field": "email"})
    assert db.session.scalar(select(func.count()).select_from(Contact)) == 0

    assert client.post("/diagnostics/repairs/run").status_code == 303
    panel = soup(client.get("/diagnostics/repairs/")).select_one("#system")
    assert panel is not None and "Read 3 bodies again" in panel.text
    form = panel.select_one('form[action$="/approve"]')
    assert form is not None
    digest = str(form.select_one('input[name="digest"]')["value"])  # type: ignore[index]  # the form has it
    step = db.session.scalars(select(RepairStep).where(RepairStep.digest == digest)).one()
    approve_step(step.plan_id, digest, ADA)
    db.session.expire_all()
    assert step.state == "done" and step.before == {"dead": {"email_missing_or_invalid": 3}}
    assert db.session.scalar(select(func.count()).select_from(Contact)) == 3
    assert db.session.scalar(select(func.count()).where(IntakeBody.state == "dead")) == 0
    # The check that complained passes now, three times over; the page says so.
    assert list_kinds("replay_intake") == ["action"]
    panel = soup(client.get("/diagnostics/repairs/system")).select_one("#system-plans")
    assert panel is not None and "Repaired and proved" in panel.text and "health check Webhook inbox" in panel.text
    with pytest.raises(Conflict, match="cannot be undone"):
        undo(step.id, ADA)


def test_a_repair_of_the_system_that_leaves_the_check_complaining_is_still_failing(app: Flask, data_dir: Path) -> None:
    # Nobody's: no process can bring this in.
    stray = data_dir / "spool" / "elsewhere" / "stray.jsonl"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_text("nobody reads this")
    os.utime(stray, (time.time() - 600,) * 2)
    try:
        result = find_result("spool-waiting")
    finally:
        shutil.rmtree(stray.parent)
    # The repair itself believes that it has worked.
    assert action_of(result, "drain_spools")["state"] == "done"
    assert result["state"] == "still_failing" and result["resolved"] is False
    assert "bytes wait" in result["resolution_notes"]["reasons"][0]


def work_once(app: Flask, url: str) -> None:
    """Carries out what is on the queue."""

    async def work() -> None:
        queue = make_queue(app, procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=3))
        async with queue.open_async():
            await queue.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)

    # Not in this thread: the browser of another test may keep its own loop here.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(work())).result()


def test_a_task_that_met_a_deadlock_runs_once_more_if_it_is_safe_to_repeat(app: Flask, database_url: str) -> None:
    deadlock = """
        CREATE FUNCTION meet_deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END $$;
        CREATE TRIGGER meet_deadlock BEFORE DELETE ON process_heartbeats EXECUTE FUNCTION meet_deadlock()
    """
    defer(db.session, "forget_old_records")
    # It has been tried before: the queue's own tries end with this one.
    db.session.execute(text("UPDATE procrastinate_jobs SET attempts = 2"))
    db.session.commit()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(deadlock.encode())
        try:
            work_once(app, database_url)
        finally:
            connection.execute(b"DROP TRIGGER meet_deadlock ON process_heartbeats; DROP FUNCTION meet_deadlock()")
        group_id = newest_group()
        result = repair(group_id)
        assert result["diagnosis"]["rule"] == "deadlock"
        action = action_of(result, "retry_job")
        assert (action["tier"], action["state"], action["automatic"]) == ("A", "done", True)
        assert action["before"]["status"] == "failed" and action["after"]["status"] == "todo"
        assert result["resolved"] is False
        work_once(app, database_url)
        assert connection.execute(b"SELECT status::text FROM procrastinate_jobs").fetchall() == [("succeeded",)]


def test_an_idle_transaction_that_holds_a_lock_is_ended_on_a_persons_word(
    app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(END_IDLE), "least_idle", timedelta(seconds=0.2))
    contact = makers.make_contact()
    holder = psycopg.connect(database_url, application_name="lux")
    try:
        holder.execute("UPDATE contacts SET name = 'held' WHERE id = %s", (contact.id,))
        with pytest.raises(psycopg.errors.LockNotAvailable) as failed, psycopg.connect(database_url) as other:
            other.execute("SET lock_timeout = '300ms'")
            other.execute("UPDATE contacts SET name = 'wanted' WHERE id = %s", (contact.id,))
        error_logger().capture(failed.value, place="POST /contacts/1")
        result = repair(newest_group())
        assert result["diagnosis"]["rule"] == "database-lock-timeout"
        action = action_of(result, "end_idle_transactions")
        assert (action["tier"], action["state"]) == ("P", "waiting")
        assert "SET name = 'held'" in action["dry_run"] or "UPDATE contacts" in action["dry_run"]
        assert approve_step(action["plan_id"], action["digest"], ADA).state == "done"
        with pytest.raises(psycopg.OperationalError):
            holder.execute("SELECT 1")
        with psycopg.connect(database_url) as other:
            other.execute("SET lock_timeout = '300ms'")
            other.execute("UPDATE contacts SET name = 'wanted' WHERE id = %s", (contact.id,))
        assert state_of(get_group(newest_group()).id) in ("verifying", "resolved_verified")
    finally:
        holder.close()


def test_a_dead_token_of_the_provider_is_dropped_and_its_owner_signs_in_again(make_app: MakeApp, app: Flask) -> None:
    with OidcProvider() as provider:
        running = make_app(REPL_ID=provider.client_id, ISSUER_URL=provider.issuer)

        def renew() -> str:
            # The provider itself says that it does not take such a token any more.
            given = {"grant_type": "refresh_token", "refresh_token": "long-gone", "client_id": provider.client_id}
            answer = requests.post(f"{provider.issuer}/token", data=given, timeout=10)
            WebApplicationClient(provider.client_id).parse_request_body_response(answer.text)
            return "renewed"

        running.add_url_rule("/renew", "renew", renew)
        running.config["GUARDS"]["renew"] = viewer
        with running.app_context():
            client = sign_in(running)
            db.session.execute(update(User).values(role="viewer"))
            db.session.commit()
            assert client.get("/renew").status_code == 500
            result = repair(newest_group())
            assert result["diagnosis"]["rule"] == "sign-in-token-expired"
            action = action_of(result, "drop_oauth_token")
            assert (action["state"], action["automatic"]) == ("done", True)
            assert db.session.scalar(select(func.count()).select_from(ReplitOAuth)) == 0
            assert db.session.scalars(select(UserSession.ended_at)).one() is not None
            assert "sign-in" in client.get("/contacts/").headers["Location"]
            assert result["resolved"] is False
            db.session.remove()


def test_with_a_full_disk_no_sample_is_kept_and_counts_stay_exact(app: Flask, tmp_path: Path) -> None:
    error_logger().capture(ValueError("before"), place="task a")
    resolved = newest_group()
    change_group_state(get_group(resolved), "resolved_by_human", notes=None, release=None)
    db.session.commit()
    with pytest.raises(OSError, match="No space left") as full, Path("/dev/full").open("w") as file:
        file.write("x" * 10_000)
        file.flush()
    error_logger().capture(full.value, place="POST /contacts/imports")
    action = action_of(repair(newest_group()), PRUNE.id)
    assert action["state"] == "done" and action["after"]["samples"] == 1
    assert db.session.scalar(select(func.count()).where(ErrorLog.group_id == resolved)) == 0

    for number in range(7):
        error_logger().capture(ValueError(f"while full {number}"), place="task b")
    group = get_group(newest_group())
    assert group.count == 7
    assert db.session.scalar(select(func.count()).where(ErrorLog.group_id == group.id)) == 0
    undo(action["step_id"], ADA)
    error_logger().capture(ValueError("while full 8"), place="task b")
    newest_group()
    assert db.session.scalar(select(func.count()).where(ErrorLog.group_id == group.id)) == 1
