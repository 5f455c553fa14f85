"""The clock: JOBS, and the one web process that runs them.

To add a timed job, write a function in a noun package and add a line to JOBS. Exactly one process leads: it holds a
PostgreSQL advisory lock on a connection of its own, looks at it before each job, and gives way when it is gone. Each
run is fenced by a unique row of (job, slot), so that even two leaders run a slot once.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

import auto_repair_service
import error_groups
import processes
from accounts import one_time_links, replit_attempts, sessions, throttle, tokens
from agents import proposals, schedules
from analytics import conversions, days, people
from audience import duplicates, import_runs, intake, scores
from campaigns import confirmations, delivery_reports, launching, recovery
from diagnostics import alerts, health, log_import
from extensions import db
from lib.shared_counters import counters
from lib.timetable import EPOCH, Daily, Every, Timetable
from publishing import deliveries
from receipts import plans

log = logging.getLogger("lux.clock")


@dataclass(frozen=True)
class Job:
    """A timed job: its name in the records, when it is due, and what it does within the app's context."""

    name: str
    timetable: Timetable
    function: Callable[[], object]


JOBS: list[Job] = [
    Job("start_due_campaigns", Every(5), launching.start_due_campaigns),
    Job("resume_sending", Every(15), recovery.resume_sending),
    Job("release_stale_claims", Every(15), recovery.release_stale_claims),
    Job("drain_spool", Every(10), intake.drain_spool),
    Job("ask_for_confirmations", Every(10), confirmations.ask_for_confirmations),
    Job("ask_for_reports", Every(60), delivery_reports.ask_for_reports),
    Job("finish_stale_intake", Every(30), intake.finish_stale_intake),
    Job("score_changed_contacts", Every(900), scores.score_changed_contacts),
    Job("score_contacts", Daily(4, 5), scores.score_contacts),
    Job("start_due_posts", Every(5), deliveries.start_due_posts),
    Job("resume_deliveries", Every(10), deliveries.resume_deliveries),
    Job("find_duplicates", Daily(4, 25), duplicates.find_duplicates),
    Job("expire_proposals", Every(3600), proposals.expire_proposals),
    Job("start_due_agent_runs", Every(60), schedules.start_due_runs),
    Job("leave_agent_proposals", Every(60), schedules.leave_proposals),
    Job("sum_days", Every(300), days.sum_days),
    Job("sum_cohorts", Every(3600), people.sum_cohorts),
    Job("delete_old_conversions", Daily(3, 30), conversions.delete_old_conversions),
    Job("run_slow_checks", Every(300), health.run_slow_checks),
    Job("import_logs", Every(15), log_import.import_logs),
    Job("repair", Every(6 * 3600), auto_repair_service.repair_by_clock),
    Job("verify_repairs", Every(15), auto_repair_service.verify_open),
    Job("forget_old_plans", Daily(3, 50), plans.forget_old_plans),
    Job("send_error_digest", Every(300), alerts.send_error_digest),
    Job("clear_resolved", Daily(2, 0), lambda: error_groups.clear_resolved(48)),
    Job("forget_old_records", Every(3600), processes.forget_old_records),
    Job("delete_old_attempts", Daily(3, 10), throttle.delete_old_attempts),
    Job("delete_old_sessions", Daily(3, 12), sessions.delete_old_sessions),
    Job("delete_old_links", Daily(3, 14), one_time_links.delete_old_links),
    Job("delete_old_token_uses", Daily(3, 16), tokens.delete_old_uses),
    Job("delete_old_replit_attempts", Every(3600), replit_attempts.delete_old_attempts),
    Job("delete_old_intake", Daily(3, 20), intake.delete_old_intake),
    Job("forget_old_deliveries", Daily(3, 30), deliveries.forget_old_deliveries),
    Job("forget_old_import_files", Daily(3, 40), import_runs.forget_old_files),
]

# The lock's two numbers: "LUX" in hexadecimal, and the clock.
LOCK = processes.CLOCK_LOCK
TEND_SECONDS = 1
# How often the leader shows that it leads.
LEAD_SECONDS = 3.0
# How often each web process, leader or not, shows that it is alive.
SHOW_SECONDS = 15.0
MISFIRE_GRACE_SECONDS = 3600
# A slot belongs to whoever wakes for it, even if the machine's clock was set back by a hair in between.
EARLY = timedelta(milliseconds=250)


class Clock:
    """The clock of one web process: waits until it leads, then runs the jobs, until it is stopped or outvoted."""

    def __init__(self, app: Flask, jobs: list[Job] | None = None) -> None:
        self.app = app
        self.jobs = JOBS if jobs is None else jobs
        self.process = processes.process_name()
        with app.app_context():
            self.database_url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: psycopg.Connection | None = None
        self._scheduler: BackgroundScheduler | None = None
        self._shown_at = -SHOW_SECONDS
        self._led_at = -LEAD_SECONDS
        self._is_cut_off = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._tend_until_stopped, name="lux-clock", daemon=True)

    @property
    def is_leader(self) -> bool:
        return self._scheduler is not None

    def start(self) -> None:
        """Begins to stand for leader, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Gives the lead up at once, so that another process can take it; jobs under way may end."""
        self._stopping.set()
        self._give_way()
        self._thread.join(timeout=LEAD_SECONDS)
        with contextlib.suppress(SQLAlchemyError), self.app.app_context():
            processes.delete_heartbeat("web", self.process)

    def _tend_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                self._tend()
                self._is_cut_off = False
            except Exception:
                # Once is enough to say, however long the database stays away.
                if not self._is_cut_off:
                    log.warning("The clock lost its connection to the database.", exc_info=True)
                self._is_cut_off = True
                self._give_way()
            self._stopping.wait(TEND_SECONDS)

    def _tend(self) -> None:
        if time.monotonic() - self._shown_at >= SHOW_SECONDS:
            with self.app.app_context():
                processes.add_heartbeat("web", self.process, processes.measure())
            self._shown_at = time.monotonic()
        if self.is_leader:
            if not self._holds_lock():
                raise ConnectionError("the lock is gone")
        elif self._takes_lock():
            self._lead()
        if self.is_leader and time.monotonic() - self._led_at >= LEAD_SECONDS:
            self._note_heartbeat()
            self._led_at = time.monotonic()

    def _takes_lock(self) -> bool:
        if self._connection is None:
            # A leader whose network is cut must notice, after 7 s, before the server lets the lock go, after 10 s.
            self._connection = psycopg.connect(
                self.database_url,
                autocommit=True,
                connect_timeout=5,
                options="-c statement_timeout=5000 -c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2"
                " -c tcp_keepalives_count=3",
                keepalives_idle=3,
                keepalives_interval=2,
                keepalives_count=2,
                tcp_user_timeout=6000,
                application_name="lux clock",
            )
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK).fetchone()
        return bool(row and row[0])

    def _holds_lock(self) -> bool:
        connection = self._connection
        if connection is None:
            return False
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            " AND classid = %s::oid AND objid = %s::oid AND granted",
            LOCK,
        ).fetchone()
        return bool(row and row[0])

    def _lead(self) -> None:
        with self.app.app_context():
            processes.note_lost_runs(self.process)
        scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": MISFIRE_GRACE_SECONDS},
        )
        for job in self.jobs:
            # Due at once: a slot that began while nobody led is caught up, one that has run is refused by its fence.
            scheduler.add_job(self.run_due, trigger_of(job.timetable), [job], next_run_time=datetime.now(UTC))
        scheduler.start()
        self._scheduler = scheduler
        log.info("The clock runs in process %s.", self.process)

    def _give_way(self) -> None:
        scheduler, self._scheduler, self._led_at = self._scheduler, None, -LEAD_SECONDS
        connection, self._connection = self._connection, None
        if scheduler is not None:
            scheduler.shutdown(wait=False)
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _note_heartbeat(self) -> None:
        now = datetime.now(UTC)
        following = {job.name: job.timetable.next_after(now).isoformat() for job in self.jobs}
        timetables = {job.name: str(job.timetable) for job in self.jobs}
        with self.app.app_context():
            processes.add_heartbeat("clock", "leader", {"process": self.process, "next": following, "due": timetables})

    def run_due(self, job: Job) -> bool:
        """Runs the job's current slot, if this process leads and nobody has run it; says whether it did."""
        try:
            if not self._holds_lock():
                return False
        except psycopg.Error:
            log.warning("The clock cannot see its lock and leaves %s to another process.", job.name)
            return False
        now = datetime.now(UTC)
        slot = job.timetable.slot_at(now + EARLY)
        if now - slot > timedelta(seconds=MISFIRE_GRACE_SECONDS):
            return False
        with self.app.app_context():
            return run_slot(job, slot, self.process)


def run_slot(job: Job, slot: datetime, process: str) -> bool:
    """Claims the slot and runs the job, within the app's context; records how it ended. False: it had run already."""
    run_id = processes.start_run(job.name, slot, process)
    if run_id is None:
        return False
    try:
        job.function()
    except Exception as error:
        db.session.rollback()
        log.exception("The job %s failed.", job.name, extra={"place": f"job {job.name}"})
        counters().count("lux_job_runs_total", job.name, "failed")
        processes.finish_run(run_id, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    else:
        counters().count("lux_job_runs_total", job.name, "done")
        processes.finish_run(run_id)
    finally:
        db.session.remove()
    return True


def trigger_of(timetable: Timetable) -> IntervalTrigger | CronTrigger:
    """The same timetable as APScheduler takes it."""
    match timetable:
        case Every():
            return IntervalTrigger(seconds=timetable.seconds, start_date=EPOCH, timezone=UTC)
        case Daily():
            return CronTrigger(hour=timetable.hour, minute=timetable.minute, timezone=timetable.zone)
