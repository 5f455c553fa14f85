"""The record of LUX's own processes: who was seen alive when, and each run of a timed job.

Every write is a transaction of its own, beside the session, so that it stands whatever the work does.
"""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from extensions import db
from models import JobRun, ProcessHeartbeat

LONGEST_ERROR = 300
# What the clock's leader holds: "LUX" in hexadecimal, and the clock.
CLOCK_LOCK = (0x4C5558, 1)
# The leader shows itself every few seconds; who has not for so long leads no more.
LEADER_SECONDS = 30


def process_name() -> str:
    """This process's name in the records: machine and pid."""
    return f"{platform.node()}:{os.getpid()}"


def measure() -> dict[str, Any]:
    """What a heartbeat tells of its process."""
    return {"memory_bytes": psutil.Process().memory_info().rss}


def add_heartbeat(kind: str, name: str, detail: dict[str, Any] | None = None) -> None:
    """Notes that a process is alive now; `kind` is web, worker or clock."""
    row = insert(ProcessHeartbeat).values(kind=kind, name=name, detail=detail or {})
    row = row.on_conflict_do_update(
        index_elements=["kind", "name"], set_={"seen_at": func.now(), "detail": row.excluded.detail}
    )
    with db.engine.begin() as connection:
        connection.execute(row)


def delete_heartbeat(kind: str, name: str) -> None:
    """Forgets a process that ended in good order."""
    with db.engine.begin() as connection:
        connection.execute(delete(ProcessHeartbeat).where(ProcessHeartbeat.kind == kind, ProcessHeartbeat.name == name))


def list_heartbeats(kind: str, within_seconds: int = 60) -> list[ProcessHeartbeat]:
    """The processes of a kind seen lately, the latest first."""
    since = func.now() - timedelta(seconds=within_seconds)
    wanted = ProcessHeartbeat.kind == kind, ProcessHeartbeat.seen_at > since
    return list(db.session.scalars(select(ProcessHeartbeat).where(*wanted).order_by(ProcessHeartbeat.seen_at.desc())))


def list_leaders() -> list[ProcessHeartbeat]:
    """Who leads the clock: one, or nobody."""
    return list_heartbeats("clock", LEADER_SECONDS)


def start_run(job: str, slot: datetime, process: str) -> int | None:
    """Claims a slot of a job and returns the run's id, or None when somebody has it already: the fence."""
    row = insert(JobRun).values(job=job, slot=slot, process=process)
    row = row.on_conflict_do_nothing(index_elements=["job", "slot"])
    with db.engine.begin() as connection:
        return connection.scalar(row.returning(JobRun.id))


def finish_run(run_id: int, error: str | None = None) -> None:
    """Notes how a run ended: done, or failed with its error."""
    state = "failed" if error else "done"
    values = {"state": state, "error": error[:LONGEST_ERROR] if error else None, "finished_at": datetime.now(UTC)}
    with db.engine.begin() as connection:
        connection.execute(update(JobRun).where(JobRun.id == run_id).values(values))


def note_lost_runs(process: str) -> int:
    """Marks the runs that other processes left unfinished as lost; called by whoever has just become the clock."""
    lost = update(JobRun).where(JobRun.state == "running", JobRun.process != process)
    with db.engine.begin() as connection:
        return connection.execute(lost.values(state="lost", finished_at=func.now())).rowcount


def list_last_runs() -> dict[str, JobRun]:
    """The latest run of each job, by its name."""
    latest = select(JobRun).ext(distinct_on(JobRun.job)).order_by(JobRun.job, JobRun.slot.desc())
    return {run.job: run for run in db.session.scalars(latest)}


def forget_old_records() -> int:
    """Deletes runs older than two days, except each job's latest, and heartbeats of processes long gone."""
    latest = select(func.max(JobRun.id)).group_by(JobRun.job)
    old_runs = delete(JobRun).where(JobRun.started_at < func.now() - timedelta(days=2), JobRun.id.not_in(latest))
    old_beats = delete(ProcessHeartbeat).where(ProcessHeartbeat.seen_at < func.now() - timedelta(days=2))
    with db.engine.begin() as connection:
        return connection.execute(old_runs).rowcount + connection.execute(old_beats).rowcount
