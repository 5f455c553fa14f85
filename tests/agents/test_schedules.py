"""Tasks on the clock: due once, missed ones left out, proposals left for approval and never carried out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from agents import get_agent
from agents.runner import carry_out_run
from agents.runs import start_run
from agents.schedules import (
    add_schedule,
    change_schedule,
    delete_schedule,
    first_time,
    leave_proposals,
    list_schedules,
    start_due_runs,
    time_after,
)
from errors import InputInvalid, NotFound
from extensions import db
from models import AgentRun, AgentSchedule, Proposal, Segment
from tests.agents.businesses import seed_shop


@pytest.fixture
def schedule(app: Flask) -> AgentSchedule:
    """List health, every week, due now."""
    seed_shop()
    agent = get_agent("email_crm")
    task = agent.find_task("list_health")
    assert task is not None
    run = start_run(agent, task, task.brief(), user_id=None, way="playbook")
    made = add_schedule(run.id, every="week", hour=8, user_id=None)
    run.state = "stopped"
    make_due(made)
    return made


def make_due(schedule: AgentSchedule) -> None:
    schedule.next_at = datetime.now(UTC) - timedelta(minutes=1)
    db.session.commit()


def newest_run() -> AgentRun:
    db.session.rollback()
    return db.session.scalars(select(AgentRun).order_by(AgentRun.id.desc())).first()  # type: ignore[return-value]  # there is one


def test_what_is_due_runs_once_and_is_due_again_a_week_later(schedule: AgentSchedule) -> None:
    was_due_at = schedule.next_at
    assert (start_due_runs(), start_due_runs()) == (1, 0)
    run = newest_run()
    assert (run.schedule_id, run.state) == (schedule.id, "waiting")
    db.session.refresh(schedule)
    week_later = was_due_at + timedelta(days=7)
    assert schedule.next_at == week_later.replace(hour=8, minute=0, second=0, microsecond=0)


def test_what_it_proposes_waits_and_nothing_happens_by_itself(schedule: AgentSchedule) -> None:
    before = db.session.scalar(select(func.count()).select_from(Segment))
    start_due_runs()
    run = newest_run()
    carry_out_run(run.id)
    assert leave_proposals() > 0
    assert leave_proposals() == 0, "once for each run"
    states = set(db.session.scalars(select(Proposal.state)))
    assert states == {"pending"}
    assert db.session.scalar(select(func.count()).select_from(Segment)) == before


def test_a_newer_run_takes_the_place_of_what_still_waits(schedule: AgentSchedule) -> None:
    for _ in range(2):
        make_due(schedule)
        start_due_runs()
        carry_out_run(newest_run().id)
        leave_proposals()
    rows = db.session.execute(select(Proposal.state, func.count()).group_by(Proposal.state)).all()
    counts = {row[0]: row[1] for row in rows}
    assert counts["pending"] == counts["expired"]


def test_a_run_that_still_goes_on_is_not_started_twice(schedule: AgentSchedule) -> None:
    start_due_runs()
    make_due(schedule)
    assert start_due_runs() == 0
    db.session.refresh(schedule)
    assert "still going on" in schedule.note


def test_a_task_that_is_gone_stops_its_schedule(schedule: AgentSchedule) -> None:
    schedule.task = "mind_reading"
    db.session.commit()
    assert start_due_runs() == 0
    db.session.refresh(schedule)
    assert (schedule.is_active, "no such task" in schedule.note) == (False, True)


def test_a_paused_one_rests_and_a_deleted_one_is_gone(schedule: AgentSchedule) -> None:
    change_schedule(schedule.id, is_active=False)
    assert start_due_runs() == 0
    change_schedule(schedule.id, is_active=True)
    assert schedule.next_at > datetime.now(UTC)
    delete_schedule(schedule.id)
    assert list_schedules("email_crm") == []
    with pytest.raises(NotFound):
        change_schedule(schedule.id, is_active=True)


@pytest.mark.parametrize(("every", "hour"), [("minute", 8), ("week", 24), ("week", -1)])
def test_a_strange_rhythm_is_refused(schedule: AgentSchedule, every: str, hour: int) -> None:
    with pytest.raises(InputInvalid):
        add_schedule(newest_run().id, every=every, hour=hour, user_id=None)


def test_missed_times_are_left_out_and_a_month_is_a_month() -> None:
    last = datetime(2026, 1, 31, 7, tzinfo=UTC)
    now = datetime(2026, 4, 2, 12, tzinfo=UTC)
    assert time_after("month", 8, "Europe/Berlin", last, now) == datetime(2026, 4, 28, 6, tzinfo=UTC)
    assert time_after("day", 8, "UTC", last, now) == datetime(2026, 4, 3, 8, tzinfo=UTC)
    assert time_after("week", 8, "UTC", last, now) == datetime(2026, 4, 4, 8, tzinfo=UTC)


def test_the_first_time_is_the_next_such_hour_of_the_wall_clock() -> None:
    assert first_time(8, "America/New_York", datetime(2026, 7, 1, 11, tzinfo=UTC)) == datetime(
        2026, 7, 1, 12, tzinfo=UTC
    )
    assert first_time(8, "UTC", datetime(2026, 7, 1, 8, tzinfo=UTC)) == datetime(2026, 7, 2, 8, tzinfo=UTC)
