"""Repair with receipts: resolved can be believed, what runs by itself is held, what a person approves is bound."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import TextClause, delete, func, select, text, update

from auto_repair_service import (
    Actor,
    approve_step,
    clear,
    renew_dry_run,
    repair_by_clock,
    set_kill_switch,
    start_repair,
    undo,
    verify_open,
)
from diagnosis.base import Diagnosis, RepairOption
from diagnosis.gathering import signals_of_group
from error_groups import RESOLVED_STATES, change_group_state, get_group
from error_logger import error_logger
from errors import Conflict, NotFound
from extensions import db
from models import ErrorGroup, ErrorLog, RepairPlan, RepairReceipt, RepairStep, RepairVerification
from probes.base import TestResult
from probes.traffic import count_successes
from receipts.actors import CLOCK
from repairs import find_repair, treating
from repairs.base import Outcome, Repair, Situation
from tests.repair_scene import ADA, column_gone, fail_at, forget_log, newest_group, repair, state_of
from tests.servers import wait_until

SignIn = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def own_log(data_dir: Path) -> None:
    """Each test's faults in a log of their own."""
    forget_log(data_dir)


class Idle(Repair):
    """Does nothing and says whatever it is told to say about it."""

    id = "migrate_database"
    title = "Do nothing"
    tier = "A"
    changes = "Nothing."
    undo_words = "nothing to undo"
    cooldown = timedelta(seconds=0)
    daily_limit = 10_000

    def __init__(self, outcome: Outcome, check: TestResult | None) -> None:
        self.outcome, self.check = outcome, check

    def dry_run(self, situation: Situation) -> str:
        return "Nothing at all."

    def run(self, situation: Situation) -> Outcome:
        return self.outcome

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        if self.check is None:
            raise RuntimeError("It cannot be checked.")
        return self.check

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        return "Nothing was undone."


CLAIMS = [
    Outcome("Everything is repaired."),
    Outcome("Migrated.", {"revision": "0003"}, {"revision": "0005"}),
    Outcome("Restarted.", {"processes": [1]}, {"processes": [2]}, {}),
    Outcome("", {}, {}),
    Outcome("200 OK", {"status": 500}, {"status": 200}),
]
CHECKS = [
    TestResult("endpoint", "open the page", "200", "200", True, "view:contacts.index"),
    TestResult("status", "look", "fine", "fine", True, "post-check"),
    TestResult("database", "ping", "20 of 20", "20 of 20", True, "dependency:schema"),
    TestResult("traffic", "count", "10 successes", "1,000,000 successes, 0 new errors", True, "traffic"),
    TestResult("status", "look", "", "", True, ""),
    TestResult("endpoint", "open the page", "200", "200", True, "view:contacts.index", is_live_baseline=True),
    TestResult("status", "look", "fine", "not fine", False, "post-check"),
    None,
]
DO_NOTHING = [(claim, check) for claim in CLAIMS for check in CHECKS]


def forget_limits() -> None:
    """As if the hour and all cooldowns had passed."""
    db.session.execute(update(RepairStep).values(started_at=datetime.now(UTC) - timedelta(days=3)))
    db.session.execute(delete(RepairVerification))
    db.session.commit()


def with_options(monkeypatch: pytest.MonkeyPatch, *options: RepairOption) -> None:
    """Puts words into the diagnosis' mouth: a plan that no rule of LUX would make."""
    found = Diagnosis("schema-behind", "A rule says so.", "configuration", 0.9, ("error:1",), options)
    monkeypatch.setattr(treating, "diagnose", lambda *_: [found])


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


def psycopg_undefined_column() -> Exception:
    """The error of a column that is not there, as PostgreSQL itself gives it."""
    try:
        db.session.execute(select(func.count()).where(db.text("contacts.no_such_column IS NULL")))
    except Exception as error:
        db.session.rollback()
        return error
    raise AssertionError("the database knows the column")


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


def test_a_plan_with_an_unknown_repair_is_refused_as_a_whole(
    app: Flask, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_options(monkeypatch, RepairOption("drain_spools", "A"), RepairOption("rm_rf", "A"))
    error_logger().capture(ValueError("broken"), place="GET /contacts/")
    result = repair(newest_group())
    assert result["actions"] == []
    assert result["state"] == "needs_human"
    assert "rm_rf" in result["resolution_notes"]["note"]
    assert db.session.scalars(select(RepairPlan.state)).all() == ["refused"]
    assert db.session.scalars(select(RepairReceipt.kind)).all() == ["refusal"]


def test_at_most_three_repairs_an_hour_run_by_themselves(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with_options(monkeypatch, RepairOption("migrate_database", "A"))
    idle = Idle(CLAIMS[0], CHECKS[1])
    ran = []
    for number in range(5):
        error_logger().capture(ValueError(f"broken {chr(97 + number)}"), place=f"task {chr(97 + number)}")
        ran.append(repair(newest_group(), repairs=[idle])["actions"][0])
    assert [action["automatic"] for action in ran] == [True, True, True, False, False]
    assert "within the hour" in ran[-1]["obstacle"]


def test_a_repair_waits_for_its_cooldown_and_for_its_daily_limit(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with_options(monkeypatch, RepairOption("migrate_database", "A"))

    class Rare(Idle):
        cooldown = timedelta(hours=1)
        daily_limit = 2

    rare = Rare(CLAIMS[0], CHECKS[1])
    outcomes = []
    for hours in (0, 2, 4):
        db.session.execute(update(RepairStep).values(started_at=RepairStep.started_at - timedelta(hours=hours)))
        db.session.commit()
        for letter in "ab":
            error_logger().capture(ValueError(f"broken {letter}{hours}"), place=f"task {letter}{hours}")
            action = repair(newest_group(), repairs=[rare])["actions"][0]
            outcomes.append(action["obstacle"])
    assert outcomes[0] is None and "less than 60 min ago" in outcomes[1]
    assert outcomes[2] is None
    assert "which is its limit" in outcomes[4] and "which is its limit" in outcomes[5]


def test_the_kill_switch_stops_runs_approvals_and_outlives_the_database(app: Flask) -> None:
    error_logger().capture(ValueError("broken"), place="task send_due_messages")
    group_id = newest_group()
    set_kill_switch(is_on=True, actor=ADA, reason="We migrate by hand.")
    report = start_repair(actor=ADA, group_id=group_id)
    assert report.status == "stopped"
    assert report.results[0].actions == [] or not any(one["automatic"] for one in report.results[0].actions)
    set_kill_switch(is_on=False, actor=ADA)
    assert start_repair(actor=ADA, group_id=group_id).status == "done"
    assert list(db.session.scalars(select(RepairReceipt.kind).where(RepairReceipt.kind == "switch"))) == ["switch"] * 2


@pytest.fixture
def noisy(app: Flask, monkeypatch: pytest.MonkeyPatch) -> RepairStep:
    """A group with one step that waits for a person."""
    with_options(monkeypatch, RepairOption("mark_noise", "P"))
    error_logger().capture(ValueError("broken"), place="GET /wp-login.php")
    repair(newest_group(), mode="diagnose")
    return db.session.scalars(select(RepairStep)).one()


def test_a_person_approves_exactly_what_they_saw_and_it_is_done_proved_and_undone(noisy: RepairStep) -> None:
    assert noisy.state == "waiting" and noisy.digest
    approve_step(noisy.plan_id, noisy.digest, ADA)
    db.session.expire_all()
    assert noisy.state == "done" and noisy.approved_by == "Ada Lovelace" and not noisy.is_automatic
    assert db.session.scalars(select(ErrorGroup.is_noise)).one() is True
    assert undo(noisy.id, ADA) == "The group is watched again."
    assert db.session.scalars(select(ErrorGroup.is_noise)).one() is False
    kinds = list(db.session.scalars(select(RepairReceipt.kind).order_by(RepairReceipt.id)))
    assert kinds == ["action", "undo"]
    with pytest.raises(Conflict):
        undo(noisy.id, ADA)


@pytest.mark.parametrize("digest", ["0" * 64, "", "§" * 64, "\ud800"])
def test_an_approval_of_another_text_is_refused(noisy: RepairStep, digest: str) -> None:
    with pytest.raises(Conflict, match="No step"):
        approve_step(noisy.plan_id, digest, ADA)
    assert db.session.scalars(select(ErrorGroup.is_noise)).one() is False


def test_an_approval_is_refused_once_the_dry_run_would_say_something_else(
    noisy: RepairStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = noisy.digest or ""
    repairs = find_repair("mark_noise")
    assert repairs is not None
    monkeypatch.setattr(type(repairs), "dry_run", lambda *_: "Mark every error group as noise.")
    with pytest.raises(Conflict, match="has changed"):
        approve_step(noisy.plan_id, digest, ADA)


def test_an_approval_holds_for_fifteen_minutes_and_a_new_dry_run_renews_it(noisy: RepairStep) -> None:
    digest = noisy.digest or ""
    noisy.dry_run_at = datetime.now(UTC) - timedelta(minutes=15, seconds=1)
    db.session.commit()
    with pytest.raises(Conflict, match="older than 15 minutes"):
        approve_step(noisy.plan_id, digest, ADA)
    renew_dry_run(noisy.id)
    approve_step(noisy.plan_id, digest, ADA)


def test_the_switch_holds_for_what_a_person_approves(noisy: RepairStep) -> None:
    set_kill_switch(is_on=True, actor=ADA, reason="We migrate by hand.")
    with pytest.raises(Conflict, match="We migrate by hand"):
        approve_step(noisy.plan_id, noisy.digest or "", ADA)
    assert db.session.scalars(select(ErrorGroup.is_noise)).one() is False


def test_an_approval_works_once(noisy: RepairStep) -> None:
    digest = noisy.digest or ""
    approve_step(noisy.plan_id, digest, ADA)
    with pytest.raises(Conflict):
        approve_step(noisy.plan_id, digest, ADA)


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(app: Flask) -> None:
    error_logger().capture(ConnectionRefusedError("no"), place="GET /contacts/")
    group_id = newest_group()
    report = start_repair(actor=ADA, group_id=group_id, is_dry_run=True)
    assert report.status == "dry_run"
    assert state_of(group_id) == "open"
    assert db.session.scalar(select(func.count()).select_from(RepairReceipt)) == 0


def test_the_clock_does_as_auto_repair_says(make_app: Callable[..., Flask], app: Flask) -> None:
    error_logger().capture(ValueError("broken"), place="task send_due_messages")
    newest_group()
    with make_app(AUTO_REPAIR="off").app_context():
        assert repair_by_clock().status == "off"
        assert db.session.scalar(select(func.count()).select_from(RepairPlan)) == 0
        db.session.remove()
    with make_app(AUTO_REPAIR="diagnose").app_context():
        assert len(repair_by_clock().results) == 1
        assert db.session.scalars(select(RepairPlan.mode)).all() == ["diagnose"]
        db.session.remove()
    with make_app(AUTO_REPAIR="safe").app_context():
        assert repair_by_clock().results[0].state in ("needs_human", "diagnosed", "verifying")
        assert db.session.scalars(select(RepairPlan.actor).order_by(RepairPlan.id)).all() == [CLOCK.name] * 2
        db.session.remove()


def test_one_group_that_cannot_be_looked_at_does_not_stop_the_others(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    error_logger().capture(ValueError("first"), place="task a")
    first = newest_group()
    error_logger().capture(KeyError("second"), place="task b")
    second = newest_group()

    def stumble(group_id: int) -> Any:
        if group_id == first:
            raise RuntimeError("The rules stumbled.")
        return signals_of_group(group_id)

    monkeypatch.setattr(treating, "signals_of_group", stumble)
    results = {row["group_id"]: row for row in start_repair(actor=ADA).as_row()["results"]}
    assert "stumbled" in results[first]["diagnosis"]["cause"]
    assert results[second]["state"] in ("needs_human", "diagnosed")


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


def test_an_unknown_error_or_group_is_not_found(app: Flask) -> None:
    with pytest.raises(NotFound):
        start_repair(actor=Actor("x"), error_id=4711)
    with pytest.raises(NotFound):
        start_repair(actor=Actor("x"), group_id=4711)
    assert start_repair(actor=Actor("x")).as_row() == {
        "status": "nothing_to_do", "examined": 0, "resolved": 0, "results": [],
    }  # fmt: skip


def test_clearing_drops_samples_and_keeps_group_counts_and_receipts(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("owner")
    with column_gone():
        group_id = fail_at(client)
        repair(group_id)
    assert repair(group_id)["resolved"] is True
    receipts = db.session.scalar(select(func.count()).select_from(RepairReceipt))
    assert clear(24) == 0
    db.session.execute(update(ErrorGroup).values(resolved_at=datetime.now(UTC) - timedelta(hours=25)))
    db.session.commit()
    assert clear(24) >= 1
    group = get_group(group_id)
    assert group.count >= 2 and group.state in RESOLVED_STATES
    assert db.session.scalar(select(func.count()).select_from(RepairReceipt)) == receipts
