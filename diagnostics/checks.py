"""The checks that are quick enough to be made while somebody waits: database, queue, worker, clock, disk, memory."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from sqlalchemy import text

import processes
import schema
from accounts.replit_refusals import count_provider_troubles
from ai import find_circuit_wait
from campaigns.complaint_rate import count_complaints
from config import current_settings
from diagnostics.base import FAIL, PASS, WARN, Finding
from diagnostics.jobs import list_jobs
from error_logger import error_logger
from extensions import db
from lib.systemd_unit import find_unit

UNITS_FOLDER = Path("/etc/systemd/system")
STALE_WORKER_SECONDS = 60
OLD_TASK_SECONDS = 300
OLD_BODY_SECONDS = 120
LEAST_BASELINE_PER_HOUR = 5
SPOOL_DRAINS_WITHIN_SECONDS = 120
RESTART = "Look at the worker: `systemctl status lux-worker`, or start LUX again with `make run`."


def check_database() -> Finding:
    """Latency of a trivial query, and how many of the server's connections are taken."""
    started = time.monotonic()
    taken, most = db.session.execute(
        text(
            "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), "
            "current_setting('max_connections')::int"
        )
    ).one()
    latency = round((time.monotonic() - started) * 1000, 1)
    share = taken / most
    status = FAIL if share > 0.97 else WARN if share > 0.8 or latency > 250 else PASS
    advice = "Close idle clients or raise max_connections." if share > 0.8 else ""
    return Finding(status, f"Answers in {latency} ms; {taken} of {most} connections are taken.", latency, "ms", advice)


def check_migrations() -> Finding:
    """Whether the schema is at the head that this code expects."""
    if schema.is_at_head(db.session.connection()):
        return Finding(PASS, "The schema is at the newest migration.")
    return Finding(FAIL, "The schema is not at the newest migration.", advice="Run `flask --app app db upgrade`.")


def check_queue() -> Finding:
    """Tasks that wait and how long the oldest has waited."""
    depth, age, failed = db.session.execute(
        text(
            "SELECT count(*) FILTER (WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now()), "
            "coalesce(extract(epoch FROM now() - min(e.at) FILTER (WHERE status = 'todo' "
            "AND coalesce(scheduled_at, now()) <= now())), 0)::float, "
            "count(*) FILTER (WHERE status = 'failed' AND e.at > now() - interval '24 hours') "
            "FROM procrastinate_jobs j LEFT JOIN LATERAL (SELECT max(at) AS at FROM procrastinate_events "
            "WHERE job_id = j.id) e ON true WHERE status IN ('todo', 'failed')"
        )
    ).one()
    words = (
        f"{depth} {'task waits' if depth == 1 else 'tasks wait'}, the oldest for {age:.0f} s; {failed} failed in 24 h."
    )
    status = WARN if age > OLD_TASK_SECONDS or failed else PASS
    return Finding(status, words, depth, "tasks", RESTART if age > OLD_TASK_SECONDS else "")


def check_worker() -> Finding:
    """Whether a worker has shown itself within the last minute."""
    alive = processes.list_heartbeats("worker", STALE_WORKER_SECONDS)
    if alive:
        return Finding(PASS, f"{len(alive)} alive.", len(alive), "workers")
    return Finding(FAIL, "No worker was seen in the last minute: nothing is sent or imported.", 0, "workers", RESTART)


def check_clock() -> Finding:
    """Whether one process leads the clock; the details are its jobs."""
    leaders = processes.list_leaders()
    jobs = list_jobs()
    details = tuple(job.as_json() for job in jobs)
    if not leaders:
        advice = "It is taken over within 15 s; is a web process up?"
        return Finding(WARN, "No process leads the clock.", advice=advice, details=details)
    leader = leaders[0].detail.get("process", "?")
    return Finding(PASS, f"Process {leader} leads; {len(jobs)} jobs.", len(jobs), "jobs", details=details)


def check_jobs() -> Finding:
    """How each timed job's last run ended. Of its own: a new leader may be well while an old run of a job was not."""
    wrong = [job.name for job in list_jobs() if job.state in ("failed", "lost")]
    if wrong:
        advice = "Look at the error groups."
        return Finding(WARN, f"Last run failed: {', '.join(wrong)}.", len(wrong), "jobs", advice)
    return Finding(PASS, "Every job's last run went well.", 0, "jobs")


def check_inbox() -> Finding:
    """Webhook bodies that were not finished, and dead ones of the last day."""
    waiting, dead = db.session.execute(
        text(
            "SELECT count(*) FILTER (WHERE state = 'new' AND received_at < now() - make_interval(secs => :old)), "
            "count(*) FILTER (WHERE state = 'dead' AND received_at > now() - interval '24 hours') FROM intake_bodies "
            "WHERE state IN ('new', 'dead')"
        ),
        {"old": OLD_BODY_SECONDS},
    ).one()
    words = f"{waiting} unfinished, {dead} could not be read in the last 24 h."
    advice = "Open the Webhook inbox: each body says why." if dead or waiting else ""
    return Finding(WARN if waiting or dead else PASS, words, dead, "dead", advice)


def check_error_rate() -> Finding:
    """Errors of the last hour beside the usual hour of the last week."""
    since = datetime.now(UTC) - timedelta(hours=1)
    now, usual = db.session.execute(
        text(
            "SELECT coalesce(sum(count) FILTER (WHERE hour > :since), 0)::int, "
            "coalesce(sum(count) FILTER (WHERE hour <= :since), 0)::float / 168 FROM error_hours "
            "WHERE hour > now() - interval '169 hours'"
        ),
        {"since": since},
    ).one()
    is_spike = now > 10 * max(usual, LEAST_BASELINE_PER_HOUR / 10)
    words = f"{now} in the last hour; usual are {usual:.1f}."
    return Finding(WARN if is_spike else PASS, words, now, "errors/h", "Look at the error groups." if is_spike else "")


def check_complaints() -> Finding:
    """How many of those who got mail in the last seven days called it spam."""
    rate = count_complaints()
    status = FAIL if rate.pauses else WARN if rate.warns else PASS
    advice = "Write only to people who asked for it; look at the segments of the last campaigns." if rate.warns else ""
    return Finding(status, f"{rate}.", round(100 * rate.share, 3), "%", advice)


def check_spool() -> Finding:
    """What waits on disk because the database was away; once that answers, nothing waits for long."""
    folder = current_settings().lux_data_dir / "spool"
    files = [path.stat() for path in folder.rglob("*.jsonl") if path.is_file()] if folder.is_dir() else []
    waiting = sum(one.st_size for one in files)
    lost = error_logger().lost_count
    if lost:
        return Finding(WARN, f"{lost} errors could not be described in full.", lost, "errors", "Is the disk full?")
    since = max((time.time() - one.st_mtime for one in files if one.st_size), default=0.0)
    status = WARN if waiting > 1_000_000 or since > SPOOL_DRAINS_WITHIN_SECONDS else PASS
    advice = "It drains by itself once the database answers." if waiting else ""
    return Finding(status, f"{waiting:,} bytes wait.", waiting, "bytes", advice)


def check_disk() -> Finding:
    """Free space where LUX keeps its data."""
    usage = shutil.disk_usage(current_settings().lux_data_dir)
    share, free = usage.free / usage.total, usage.free / 1024**3
    status = FAIL if share < 0.02 else WARN if share < 0.1 else PASS
    advice = "Free space or move LUX_DATA_DIR to a larger disk." if status != PASS else ""
    return Finding(status, f"{free:.1f} GiB free ({share:.0%}).", round(free, 2), "GiB", advice)


def check_memory() -> Finding:
    """Memory that the machine has left, and what this process takes."""
    values = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        values[name] = int(rest.split()[0]) * 1024
    share = values["MemAvailable"] / values["MemTotal"]
    own = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1024**2
    status = WARN if share < 0.08 else PASS
    words = f"{values['MemAvailable'] / 1024**3:.1f} GiB available; this process takes {own:.0f} MiB."
    return Finding(
        status, words, round(share * 100), "% available", "Fewer WEB_WORKERS need less." if share < 0.08 else ""
    )


def check_model() -> Finding:
    """Whether this very process has a model's key; a key exported in a shell does not reach a systemd unit."""
    settings = current_settings()
    unit = find_unit(UNITS_FOLDER, settings.systemd_unit)
    if settings.openai_api_key and unit is not None and unit.is_newer_than(psutil.Process().create_time()):
        text = "This process has a key, and the environment file was changed after it had started."
        return Finding(WARN, text, advice=f"`systemctl restart {unit.name}` takes the change over.")
    if settings.openai_api_key:
        return Finding(PASS, f"This process has a key; the model is {settings.openai_model}.")
    advice = (
        "Put OPENAI_API_KEY into the environment file and name it in the unit, EnvironmentFile=/etc/lux/lux.env, "
        "then restart: a key exported in a shell does not reach a systemd unit. In development put it into .env."
    )
    if unit is not None:
        advice = (
            f"A key exported in a shell does not reach {unit.name}. Its unit says {unit.lines()}: put "
            f"OPENAI_API_KEY=… into that file, then `systemctl restart {unit.name}`."
        )
    return Finding(WARN, "No key: agents work from their playbooks.", advice=advice)


def check_circuit() -> Finding:
    """Whether the model is asked now, or left to rest after failures."""
    rest = find_circuit_wait()
    if rest <= 0:
        return Finding(PASS, "Closed: the model is asked where there is a key.", 0, "s")
    advice = "What opened it is an error group of its own. The model is asked again when the rest is over."
    words = "The circuit to the model is open: it is not asked for now, and playbooks answer."
    return Finding(WARN, words, round(rest), "s", advice)


def check_replit() -> Finding:
    """Whether people can sign in with Replit: not set up is well too, and a provider in trouble shows in the trail."""
    settings = current_settings()
    if not settings.repl_id:
        return Finding(PASS, "Not configured: people sign in by e-mail and password.")
    troubles = count_provider_troubles()
    if troubles:
        advice = "Sign in by e-mail meanwhile. Are ISSUER_URL and REPL_ID right, and does this machine reach it?"
        words = f"{troubles} sign-ins failed in the last hour because of {settings.issuer_url}."
        return Finding(WARN, words, troubles, "failures", advice)
    return Finding(PASS, f"Configured for {settings.issuer_url}; none failed in the last hour.", 0, "failures")
