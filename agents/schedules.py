"""Tasks on the clock: a kept brief that runs every day, week or month and leaves what it proposes for approval."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import exists, select

from agents.base import Task
from agents.drafts import task_of
from agents.proposals import add_proposals, supersede_proposals
from agents.runs import get_run, start_run
from config import current_settings
from errors import Conflict, InputInvalid, LuxError, NotFound
from extensions import db
from models import AgentRun, AgentSchedule, Proposal

log = logging.getLogger("lux.agents")

Every = Literal["day", "week", "month"]
EVERY: dict[str, str] = {"day": "Every day", "week": "Every week", "month": "Every month"}
MOST_SCHEDULES = 50
# A month later than the 29th would be skipped by some months.
LAST_DAY = 28


def add_schedule(run_id: int, *, every: str, hour: int, user_id: int | None) -> AgentSchedule:
    """Repeats a run's brief on the clock, from its next hour on; commits. Raises InputInvalid, Conflict, NotFound."""
    run = get_run(run_id)
    task_of(run)
    wanted = next((one for one in get_args(Every) if one == every), None)
    if wanted is None:
        raise InputInvalid({"every": "Choose every day, week or month."})
    if not 0 <= hour <= 23:
        raise InputInvalid({"hour": "Choose an hour from 0 to 23."})
    if len(list_schedules(run.agent)) >= MOST_SCHEDULES:
        raise Conflict("This agent has very many schedules already. Delete one first.")
    zone = current_settings().timezone
    schedule = AgentSchedule(
        agent=run.agent,
        task=run.task,
        brief=run.brief,
        every=wanted,
        hour=hour,
        timezone=zone,
        next_at=first_time(hour, zone, datetime.now(UTC)),
        user_id=user_id,
    )
    db.session.add(schedule)
    db.session.commit()
    return schedule


def list_schedules(agent_key: str) -> list[AgentSchedule]:
    """An agent's schedules, the oldest first."""
    return list(
        db.session.scalars(select(AgentSchedule).where(AgentSchedule.agent == agent_key).order_by(AgentSchedule.id))
    )


def get_schedule(schedule_id: int, agent_key: str) -> AgentSchedule:
    """The schedule; raises NotFound, also when it is another agent's."""
    schedule = db.session.get(AgentSchedule, schedule_id)
    if schedule is None or schedule.agent != agent_key:
        raise NotFound("There is no such schedule.")
    return schedule


def change_schedule(schedule_id: int, *, is_active: bool) -> AgentSchedule:
    """Pauses a schedule or lets it go on, from its next hour; commits. Raises NotFound."""
    schedule = _lock(schedule_id)
    schedule.is_active = is_active
    if is_active:
        schedule.note = ""
        schedule.next_at = first_time(schedule.hour, schedule.timezone, datetime.now(UTC))
    db.session.commit()
    return schedule


def delete_schedule(schedule_id: int) -> None:
    """Deletes a schedule; the runs it made stay; commits. Raises NotFound."""
    db.session.delete(_lock(schedule_id))
    db.session.commit()


def start_due_runs() -> int:
    """Starts a run for every schedule whose time has come, each once; commits. For the clock; returns how many."""
    started = 0
    while True:
        due = (
            select(AgentSchedule)
            .where(AgentSchedule.is_active, AgentSchedule.next_at <= datetime.now(UTC))
            .order_by(AgentSchedule.next_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        schedule = db.session.scalar(due)
        if schedule is None:
            db.session.rollback()
            return started
        started += _start(schedule)


def leave_proposals() -> int:
    """Puts what finished runs of schedules propose up for approval; commits each. For the clock; returns how many.

    A run that has a proposal already is left alone, so that again and again is the same as once.
    """
    since = datetime.now(UTC) - timedelta(days=2)
    has_proposal = exists().where(Proposal.run_id == AgentRun.id)
    finished = select(AgentRun.id).where(
        AgentRun.schedule_id.is_not(None),
        AgentRun.state == "done",
        AgentRun.finished_at >= since,
        ~has_proposal,
    )
    run_ids = list(db.session.scalars(finished.order_by(AgentRun.id)))
    db.session.rollback()
    return sum(_leave(run_id) for run_id in run_ids)


def first_time(hour: int, zone: str, after: datetime) -> datetime:
    """The next time that the clock on the wall shows this hour."""
    local = after.astimezone(ZoneInfo(zone))
    at = local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
    return (at if at > local else at + timedelta(days=1)).astimezone(UTC)


def time_after(every: str, hour: int, zone: str, last: datetime, now: datetime) -> datetime:
    """The first time after now, in steps of a day, a week or a month from the last one; missed ones are left out."""
    local = last.astimezone(ZoneInfo(zone))
    at = last
    while at <= now:
        if every == "month":
            year, month = divmod(local.year * 12 + local.month, 12)
            local = local.replace(year=year, month=month + 1, day=min(local.day, LAST_DAY))
        else:
            local += timedelta(days=1 if every == "day" else 7)
        local = local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
        at = local.astimezone(UTC)
    return at


def _start(schedule: AgentSchedule) -> int:
    now = datetime.now(UTC)
    schedule.next_at = time_after(schedule.every, schedule.hour, schedule.timezone, schedule.next_at, now)
    is_busy = exists().where(AgentRun.schedule_id == schedule.id, AgentRun.state.in_(("waiting", "running")))
    if db.session.scalar(select(is_busy)):
        schedule.note = "Left out once: the run before was still going on."
        db.session.commit()
        return 0
    try:
        agent, task = task_of(AgentRun(agent=schedule.agent, task=schedule.task))
        brief = _read_brief(task, schedule.brief)
    except NotFound as error:
        schedule.is_active, schedule.note = False, f"Stopped: {error.detail}"
        db.session.commit()
        return 0
    schedule.note = ""
    start_run(agent, task, brief, user_id=schedule.user_id, schedule_id=schedule.id)
    return 1


def _read_brief(task: Task[Any, Any], brief: dict[str, Any]) -> Any:
    try:
        return task.brief.model_validate(brief)
    except ValidationError as error:
        raise NotFound("the brief is of another LUX and cannot be read any more.") from error


def _leave(run_id: int) -> int:
    run = db.session.get_one(AgentRun, run_id)
    if not (run.result or {}).get("proposed") or run.schedule_id is None:
        db.session.rollback()
        return 0
    try:
        supersede_proposals(run.schedule_id, run_id)
        return len(add_proposals(run_id))
    except LuxError as error:
        # Between run and approval the data may have moved on, so that nothing is left to propose.
        db.session.rollback()
        log.info("Run %s of a schedule proposes nothing: %s", run_id, error.detail)
        return 0


def _lock(schedule_id: int) -> AgentSchedule:
    schedule = db.session.get(AgentSchedule, schedule_id, with_for_update=True, populate_existing=True)
    if schedule is None:
        raise NotFound("There is no such schedule.")
    return schedule
