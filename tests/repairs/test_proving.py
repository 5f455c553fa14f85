"""Proof: what is called resolved was shown by probes, tests or traffic, and never by a repair's own word."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import TextClause, delete, func, select, text, update

from auto_repair_service import verify_open
from error_groups import change_group_state, get_group
from error_logger import error_logger
from extensions import db
from models import ErrorGroup, ErrorLog, RepairPlan, RepairReceipt, RepairStep, RepairVerification
from probes.traffic import count_successes
from tests.idle_repairs import CHECKS, CLAIMS, DO_NOTHING, Idle
from tests.repair_scene import column_gone, fail_at, newest_group, repair, state_of
from tests.servers import wait_until

SignIn = Callable[..., FlaskClient]


def forget_limits() -> None:
    """As if the hour and all cooldowns had passed."""
    db.session.execute(update(RepairStep).values(started_at=datetime.now(UTC) - timedelta(days=3)))
    db.session.execute(delete(RepairVerification))
    db.session.commit()


def psycopg_undefined_column() -> Exception:
    """The error of a column that is not there, as PostgreSQL itself gives it."""
    try:
        db.session.execute(select(func.count()).where(db.text("contacts.no_such_column IS NULL")))
    except Exception as error:
        db.session.rollback()
        return error
    raise AssertionError("the database knows the column")


def test_forty_repairs_that_do_nothing_resolve_nothing(app: Flask, sign_in: SignIn) -> None:
    assert len(DO_NOTHING) == 40
    client = sign_in("owner")
    with column_gone():
        group_id = fail_at(client)
        for number, (claim, check) in enumerate(DO_NOTHING):
            forget_limits()
            change_group_state(get_group(group_id), "open", notes=None, release=None)
            db.session.commit()
            result = repair(group_id, repairs=[Idle(claim, check)])
            assert result["actions"][0]["outcome"] == claim.text, number
            assert result["resolved"] is False, (number, claim, check)
            assert state_of(group_id) == "still_failing", (number, claim, check)
    assert db.session.scalar(select(func.count()).where(ErrorLog.is_resolved)) == 0


def test_a_repair_that_does_nothing_where_nothing_can_be_probed_resolves_nothing(app: Flask, sign_in: SignIn) -> None:
    error_logger().capture(psycopg_undefined_column(), place="POST /contacts/new")
    group_id = newest_group()
    for claim, check in DO_NOTHING[:16]:
        forget_limits()
        result = repair(group_id, repairs=[Idle(claim, check)])
        assert result["resolved"] is False
        assert state_of(group_id) in ("verifying", "still_failing", "needs_human")


def test_what_was_put_right_by_hand_is_resolved_only_by_what_the_probes_saw(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("owner")
    with column_gone():
        group_id = fail_at(client)
        found = repair(group_id)
        assert found["diagnosis"]["rule"] == "schema-behind"
        assert found["resolved"] is False
        assert found["state"] == "needs_human"
        failed = {row["key"] for row in found["test_results"] if not row["passed"]}
        assert {"view:contacts.index", "dependency:schema"} <= failed
    after = repair(group_id)
    assert after["resolved"] is True
    assert after["state"] == "resolved_verified"
    passed = [row for row in after["test_results"] if row["key"] == "view:contacts.index" and not row["before_repair"]]
    assert [row["passed"] for row in passed] == [True, True, True]
    group = get_group(group_id)
    notes = json.loads(group.resolution_notes or "{}")
    assert notes["rule"] == "schema-behind" and len(notes["reasons"]) == 3
    assert set(db.session.scalars(select(ErrorLog.is_resolved).where(ErrorLog.group_id == group_id))) == {True}
    receipt = db.session.scalars(select(RepairReceipt).where(RepairReceipt.kind == "verification")).one()
    assert receipt.group_id == group_id and receipt.proof and receipt.evidence


def test_an_error_that_happened_once_and_cannot_be_shown_again_is_watched_and_ends_quiet(
    app: Flask, sign_in: SignIn
) -> None:
    error_logger().capture(psycopg_undefined_column(), place="POST /contacts/new")
    group_id = newest_group()
    group = get_group(group_id)
    group.last_release = "0.0.9"
    db.session.commit()
    assert repair(group_id)["state"] == "verifying"
    db.session.execute(update(RepairVerification).values(due_at=datetime.now(UTC) - timedelta(seconds=1)))
    db.session.commit()
    assert verify_open() == 1
    assert state_of(group_id) == "quiet_unverified"
    assert get_group(group_id).resolved_at is None
    assert db.session.scalar(select(func.count()).where(ErrorLog.is_resolved)) == 0
    error_logger().capture(psycopg_undefined_column(), place="POST /contacts/new")
    newest_group()
    verify_open()
    assert state_of(group_id) == "regressed"


def _ask_anew(query: TextClause) -> Any:
    """The answer of a session of its own: within a transaction PostgreSQL shows everybody's deeds as they were."""
    with db.engine.connect() as connection:
        return connection.scalar(query)


def test_two_that_look_at_the_same_time_settle_once(app: Flask) -> None:
    error_logger().capture(psycopg_undefined_column(), place="POST /contacts/new")
    group_id = newest_group()
    db.session.execute(update(ErrorGroup).values(last_release="0.0.9"))
    db.session.commit()
    assert repair(group_id)["state"] == "verifying"
    db.session.execute(update(RepairVerification).values(due_at=datetime.now(UTC) - timedelta(seconds=1)))
    db.session.commit()

    def look() -> None:
        with app.app_context():
            verify_open()
            db.session.remove()

    with ThreadPoolExecutor(2) as threads, db.engine.connect() as holder:
        holder.execute(select(RepairVerification.id).with_for_update())
        looks = [threads.submit(look) for _ in range(2)]
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'verifications'"
        )
        wait_until(lambda: _ask_anew(waiting) == 2, "both to have looked and to want to write")
        holder.rollback()
        for one in looks:
            one.result(timeout=60)
    assert state_of(group_id) == "quiet_unverified"
    kinds = db.session.scalars(select(RepairReceipt.kind).where(RepairReceipt.group_id == group_id)).all()
    assert kinds.count("verification") == 1


def test_what_a_restart_cut_off_between_check_and_proof_is_proved_later(app: Flask, sign_in: SignIn) -> None:
    error_logger().capture(psycopg_undefined_column(), place="POST /contacts/new")
    group_id = newest_group()
    repair(group_id, repairs=[Idle(CLAIMS[0], CHECKS[1])])
    db.session.execute(delete(RepairVerification))
    db.session.execute(update(RepairPlan).values(state="running"))
    db.session.execute(update(ErrorGroup).values(state="repairing"))
    db.session.commit()
    assert verify_open() == 0
    db.session.execute(update(RepairStep).values(finished_at=RepairStep.finished_at - timedelta(seconds=11)))
    db.session.commit()
    verify_open()
    assert state_of(group_id) == "verifying"
    assert db.session.scalar(select(func.count()).select_from(RepairVerification)) == 1


def test_successes_of_any_route_count_for_the_web_processes_but_no_watchers(app: Flask, sign_in: SignIn) -> None:
    client, before = sign_in("owner"), count_successes("gunicorn")
    for path in ("/outbox/", "/contacts/", "/livez", "/no-such-page"):
        client.get(path)
    assert count_successes("gunicorn") == before + 2
    assert count_successes("GET /livez") >= 1


def test_enough_real_successes_at_the_same_place_resolve_what_cannot_be_probed(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("owner")
    error_logger().capture(ValueError("broken"), place="GET /outbox/")
    group_id = newest_group()
    db.session.execute(update(ErrorGroup).values(last_release="0.0.9"))
    db.session.commit()
    assert repair(group_id)["state"] == "verifying"
    for _ in range(9):
        assert client.get("/outbox/").status_code == 200
    verify_open()
    assert state_of(group_id) == "verifying"
    db.session.execute(update(RepairVerification).values(needed_successes=10))
    db.session.commit()
    client.get("/outbox/")
    verify_open()
    assert state_of(group_id) == "resolved_verified"


def test_what_comes_again_while_it_is_watched_is_still_failing_and_then_a_persons(app: Flask) -> None:
    error_logger().capture(ValueError("broken"), place="GET /outbox/")
    group_id = newest_group()
    for expected in ("still_failing", "needs_human"):
        db.session.execute(update(ErrorGroup).values(last_release="0.0.9"))
        db.session.commit()
        assert repair(group_id)["state"] == "verifying"
        error_logger().capture(ValueError("broken"), place="GET /outbox/")
        newest_group()
        verify_open()
        assert state_of(group_id) == expected


def test_errors_of_an_older_release_do_not_count_against_the_new_one(app: Flask) -> None:
    logger = error_logger()
    logger.capture(ValueError("broken"), place="GET /outbox/")
    group_id = newest_group()
    db.session.execute(update(ErrorGroup).values(last_release="0.0.9"))
    db.session.commit()
    assert repair(group_id)["state"] == "verifying"
    current = logger.release_name
    logger.release_name = "0.0.9"
    try:
        logger.capture(ValueError("broken"), place="GET /outbox/")
        newest_group()
    finally:
        logger.release_name = current
    verify_open()
    assert state_of(group_id) == "verifying"


def test_an_older_release_does_not_bring_a_resolved_group_back(app: Flask, sign_in: SignIn) -> None:
    logger, client = error_logger(), sign_in("owner")
    current, logger.release_name = logger.release_name, "0.0.9"
    try:
        logger.capture(ValueError("broken"), place="GET /outbox/")
        group_id = newest_group()
        logger.release_name = current
        assert repair(group_id)["state"] == "verifying"
        for _ in range(10):
            client.get("/outbox/")
        db.session.execute(update(RepairVerification).values(needed_successes=10))
        db.session.commit()
        verify_open()
        assert state_of(group_id) == "resolved_verified"
        logger.release_name = "0.0.9"
        logger.capture(ValueError("broken"), place="GET /outbox/")
        newest_group()
        assert state_of(group_id) == "resolved_verified"
        logger.release_name = current
        logger.capture(ValueError("broken"), place="GET /outbox/")
        newest_group()
        assert state_of(group_id) == "regressed"
    finally:
        logger.release_name = current
