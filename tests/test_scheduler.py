"""The clock: one leader among four real gunicorn processes, one run per slot, whoever dies."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import psutil
import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, select, update

import processes
from extensions import db
from lib.timetable import Daily, Every
from models import JobRun
from scheduler import JOBS, LOCK, Clock, Job, run_slot, trigger_of
from tests.servers import Lux, wait_until

# A clock is taken over within this; the job that is looked at is due every five seconds.
PROMISED_SECONDS = 15
SLOT_SECONDS = 5
NOW = datetime(2026, 3, 1, 10, 0, 7, tzinfo=UTC)


def leader_of(lux: Lux) -> psutil.Process | None:
    """The process that holds the clock's lock, by the connection that PostgreSQL shows."""
    with lux.connect() as connection:
        row = connection.execute(
            "SELECT detail->>'process' FROM process_heartbeats"
            " WHERE kind = 'clock' AND seen_at > now() - interval '8 s'"
        ).fetchone()
        held = connection.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database()"
            " WHERE locktype = 'advisory' AND classid = %s::oid AND objid = %s::oid AND granted",
            LOCK,
        ).fetchone()
    assert held is not None and held[0] <= 1
    if row is None or not held[0]:
        return None
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(int(row[0].rsplit(":", 1)[1]))
    return None


def cut_clock(lux: Lux) -> None:
    """Cuts the connection that holds the clock's lock, as a broken network would."""
    with lux.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " AND datname = current_database() WHERE locktype = 'advisory' AND classid = %s::oid AND objid = %s::oid",
            LOCK,
        )


def has_run_since(lux: Lux, gone: int) -> bool:
    """Whether a process other than that one has run a job within the last few seconds."""
    return lux.count("job_runs", f"process NOT LIKE '%:{gone}' AND started_at > now() - interval '3 s'") > 0


def find_leader(lux: Lux, other_than: int = 0) -> psutil.Process:
    """The leader, waited for."""
    found: list[psutil.Process] = []

    def look() -> bool:
        leader = leader_of(lux)
        if leader is not None and leader.pid != other_than:
            found.append(leader)
        return bool(found)

    wait_until(look, "a process to lead the clock")
    return found[0]


def list_standing_by(lux: Lux) -> set[int]:
    """The web processes that have shown themselves, the leader among them: each can lead."""
    with lux.connect() as connection:
        rows = connection.execute("SELECT name FROM process_heartbeats WHERE kind = 'web'").fetchall()
    return {int(row[0].rsplit(":", 1)[1]) for row in rows} & {process.pid for process in lux.list_web_processes()}


def test_four_web_processes_have_one_clock_and_hand_it_on_however_often_its_leader_dies(
    start_lux: Callable[..., Lux],
) -> None:
    lux = start_lux(workers=4)
    gone, killed = 0, 0
    for number in range(12):
        leader = find_leader(lux, other_than=gone)
        wait_until(lambda: len(list_standing_by(lux)) >= 2, "another process that can lead")
        if number % 6 == 5:
            # Its connection is cut: the process lives on, and may lead again.
            cut_clock(lux)
            gone = 0
        else:
            leader.kill()
            gone, killed = leader.pid, killed + 1
    wait_until(partial(has_run_since, lux, gone), "a run by the last leader", PROMISED_SECONDS + SLOT_SECONDS)
    assert killed == 10
    with lux.connect() as connection:
        twice = connection.execute("SELECT job, slot FROM job_runs GROUP BY job, slot HAVING count(*) > 1").fetchall()
        ran = {row[0] for row in connection.execute("SELECT DISTINCT job FROM job_runs")}
        skipped = connection.execute(
            "SELECT slot, following FROM (SELECT slot, lead(slot) OVER (ORDER BY slot) AS following FROM job_runs"
            " WHERE job = 'start_due_campaigns') AS runs WHERE following - slot > make_interval(secs => %s)",
            (PROMISED_SECONDS + SLOT_SECONDS,),
        ).fetchall()
    assert twice == []
    assert ran
    assert skipped == [], "a take-over took longer than promised"


def test_a_leader_whose_connection_is_cut_gives_way_and_no_slot_runs_twice(app: Flask, database_url: str) -> None:
    ran: list[datetime] = []
    job = Job("count_seconds", Every(1), lambda: ran.append(datetime.now(UTC)))
    clocks = [Clock(app, [job]) for _ in range(3)]
    for clock in clocks:
        clock.start()
    try:
        wait_until(lambda: any(clock.is_leader for clock in clocks), "a leader")
        wait_until(lambda: len(ran) >= 2, "two runs")
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lux clock'"
                " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
            )
            before = len(ran)
        wait_until(lambda: len(ran) >= before + 3, "runs after the cut")
        assert sum(clock.is_leader for clock in clocks) == 1
    finally:
        for clock in clocks:
            clock.stop()
    with app.app_context():
        slots = list(db.session.scalars(select(JobRun.slot).where(JobRun.job == "count_seconds")))
    assert len(slots) == len(set(slots)) == len(ran)


def test_a_clock_that_stops_lets_another_lead_at_once(app: Flask) -> None:
    first, second = Clock(app, []), Clock(app, [])
    first.start()
    wait_until(lambda: first.is_leader, "the first to lead")
    second.start()
    first.stop()
    wait_until(lambda: second.is_leader, "the second to lead")
    second.stop()
    assert not first.is_leader


def test_a_job_does_not_run_without_the_lock(app: Flask) -> None:
    ran: list[int] = []
    clock = Clock(app, [])
    assert clock.run_due(Job("never", Every(1), lambda: ran.append(1))) is False
    assert ran == []


def test_a_slot_runs_once_however_many_claim_it(app: Flask) -> None:
    ran: list[int] = []
    job = Job("once", Every(60), lambda: ran.append(1))

    def claim() -> None:
        with app.app_context():
            run_slot(job, NOW, "somebody")

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == [1]


def test_a_job_that_fails_is_recorded_and_the_next_slot_runs(app: Flask) -> None:
    def fail() -> None:
        raise ValueError("no milk\nsecond line with a secret")

    job = Job("fails", Every(60), fail)
    assert run_slot(job, NOW, "somebody") is True
    assert run_slot(job, NOW + timedelta(minutes=1), "somebody") is True
    run = processes.list_last_runs()["fails"]
    assert (run.state, run.error) == ("failed", "ValueError: no milk")
    assert run.finished_at is not None


def test_runs_left_by_a_dead_leader_are_marked_lost(app: Flask) -> None:
    processes.start_run("left", NOW, "machine:1")
    processes.start_run("mine", NOW, "machine:2")
    assert processes.note_lost_runs("machine:2") == 1
    assert processes.list_last_runs()["left"].state == "lost"
    assert processes.list_last_runs()["mine"].state == "running"


def test_the_last_run_of_each_job_outlives_the_sweep(app: Flask) -> None:
    for day in range(5):
        processes.start_run("daily", NOW + timedelta(days=day), "somebody")
    with db.engine.begin() as connection:
        connection.execute(update(JobRun).values(started_at=func.now() - timedelta(days=3)))
    assert processes.forget_old_records() == 4
    assert processes.list_last_runs()["daily"].slot == NOW + timedelta(days=4)


def test_jobs_have_distinct_names_and_known_timetables() -> None:
    names = [job.name for job in JOBS]
    assert len(names) == len(set(names))
    for job in JOBS:
        assert trigger_of(job.timetable) is not None
        assert str(job.timetable)


@pytest.mark.parametrize("timetable", [Every(10), Every(60), Every(21600), Daily(2), Daily(2, 30, "Europe/Berlin")])
def test_a_trigger_fires_at_the_slots_of_its_timetable(timetable: Every | Daily) -> None:
    trigger = trigger_of(timetable)
    expected = timetable.next_after(NOW)
    fires = trigger.get_next_fire_time(None, NOW)
    assert fires == expected
    assert trigger.get_next_fire_time(fires, expected) == timetable.next_after(expected)
