"""Repair with receipts: what runs by itself is held, what a person approves is bound."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from auto_repair_service import (
    Actor,
    approve_step,
    clear,
    renew_dry_run,
    repair_by_clock,
    set_kill_switch,
    start_repair,
    undo,
)
from diagnosis.base import Diagnosis, RepairOption
from diagnosis.gathering import signals_of_group
from error_groups import RESOLVED_STATES, get_group
from error_logger import error_logger
from errors import Conflict, NotFound
from extensions import db
from models import ErrorGroup, RepairPlan, RepairReceipt, RepairStep
from receipts.actors import CLOCK
from repairs import find_repair, treating
from tests.idle_repairs import CHECKS, CLAIMS, Idle
from tests.repair_scene import ADA, column_gone, fail_at, forget_log, newest_group, repair, state_of

SignIn = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def own_log(data_dir: Path) -> None:
    """Each test's faults in a log of their own."""
    forget_log(data_dir)


def with_options(monkeypatch: pytest.MonkeyPatch, *options: RepairOption) -> None:
    """Puts words into the diagnosis' mouth: a plan that no rule of LUX would make."""
    found = Diagnosis("schema-behind", "A rule says so.", "configuration", 0.9, ("error:1",), options)
    monkeypatch.setattr(treating, "diagnose", lambda *_: [found])


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
