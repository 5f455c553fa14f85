"""What /metrics tells: FAMILIES, each counted as it happens in memory that processes share, or looked up when asked.

To add a metric, add its Family to FAMILIES and a row to docs/metrics.md. A counted one is done then, where it happens,
by `counters().count(name, *labels)`; one that is looked up gets a function below and a line in LOOKED_UP. Labels come
from short lists of ours: routes, jobs, states, never from what a visitor sent.
"""

from __future__ import annotations

import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from flask import current_app
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

import processes
from config import current_settings
from diagnostics.base import SEVERITY
from diagnostics.health import check_health
from extensions import db
from lib.prometheus_text import Family, Sample, write_family
from lib.release import VERSION, release_name
from lib.shared_counters import BOUNDS, Series, counters
from models import MESSAGE_STATES, HealthResult

Found = Iterator[tuple[str, Sample]]

FAMILIES: list[Family] = [
    Family("lux_build_info", "gauge", "Always 1; the labels say what runs here.", ("version", "release", "python")),
    Family("lux_requests_total", "counter", "Requests answered.", ("route", "method", "status")),
    Family("lux_request_duration_seconds", "histogram", "Time until the answer began.", ("route",)),
    Family("lux_errors_total", "counter", "Errors captured by this machine's processes.", ("severity",)),
    Family("lux_errors_undescribed_total", "counter", "Errors that could not be kept in full: a full disk, say."),
    Family("lux_error_groups", "gauge", "Error groups.", ("state",)),
    Family("lux_intake_total", "counter", "Webhook posts answered.", ("outcome",)),
    Family("lux_intake_backlog", "gauge", "Webhook bodies kept and not finished yet."),
    Family("lux_intake_dead", "gauge", "Webhook bodies of the last day that could not be read."),
    Family("lux_queue_tasks", "gauge", "Tasks in the queue that are due or under way, or failed.", ("state",)),
    Family("lux_queue_oldest_seconds", "gauge", "How long the oldest due task has waited."),
    Family("lux_tasks_total", "counter", "Tasks ended by this machine's workers.", ("task", "result")),
    Family("lux_messages", "gauge", "Messages of all campaigns.", ("state",)),
    Family("lux_ai_calls_total", "counter", "Calls of the model.", ("state",)),
    Family("lux_ai_cost_usd_total", "counter", "What the model has cost, in US dollars."),
    Family("lux_job_runs_total", "counter", "Runs of timed jobs on this machine.", ("job", "result")),
    Family("lux_job_last_run_seconds", "gauge", "How long ago the job's latest slot began.", ("job",)),
    Family("lux_job_last_run_ok", "gauge", "1 when the job's latest run ended well, else 0.", ("job",)),
    Family("lux_spool_bytes", "gauge", "Bytes that wait on disk for the database.", ("spool",)),
    Family("lux_processes", "gauge", "Processes seen in the last minute.", ("kind",)),
    Family("lux_process_heartbeat_age_seconds", "gauge", "Age of the latest sign of life.", ("kind",)),
    Family("lux_process_memory_bytes", "gauge", "Memory of the processes seen in the last minute.", ("kind",)),
    Family("lux_database_up", "gauge", "1 when the database answers, else 0."),
    Family("lux_database_latency_seconds", "gauge", "Time of a trivial query."),
    Family("lux_database_connections", "gauge", "Connections of all clients.", ("state",)),
    Family("lux_database_connections_most", "gauge", "Connections that the server allows."),
    Family("lux_health_status", "gauge", "0 pass, 1 warn, 2 fail.", ("check",)),
    Family("lux_certificate_days", "gauge", "Days that the certificate still holds."),
]


def write_metrics() -> str:
    """All metrics that can be told now, in Prometheus' text. Never raises; changes nothing."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for series in counters().list_series():
        found[series.name].append(_sample_of(series))
    is_up = True
    for look_up, needs_database in LOOKED_UP:
        if needs_database and not is_up:
            continue
        try:
            for name, sample in look_up():
                found[name].append(sample)
        except SQLAlchemyError:
            db.session.rollback()
            is_up = is_up and look_up is not _database
    found["lux_database_up"] = [Sample((), 1.0 if is_up else 0.0)]
    return "".join(write_family(family, _fitting(family, found[family.name])) for family in FAMILIES)


def _sample_of(series: Series) -> Sample:
    bounds = (*BOUNDS, float("inf"))
    return Sample(series.labels, series.total, tuple(zip(bounds, series.buckets, strict=True)))


def _fitting(family: Family, samples: list[Sample]) -> list[Sample]:
    """The samples that have the labels of today; an earlier LUX may have counted with others."""
    return [sample for sample in samples if len(sample.labels) == len(family.labels)]


def _build() -> Found:
    release = release_name(Path(current_app.root_path))
    yield "lux_build_info", Sample((VERSION, release, platform.python_version()), 1)


def _spools() -> Found:
    folder = current_settings().lux_data_dir / "spool"
    sizes = {"errors": 0, "intake": 0}
    for path in folder.rglob("*.jsonl") if folder.is_dir() else ():
        try:
            sizes["errors" if "errors" in path.relative_to(folder).parts else "intake"] += path.stat().st_size
        except OSError:
            continue
    for spool, size in sizes.items():
        yield "lux_spool_bytes", Sample((spool,), size)


def _database() -> Found:
    started = time.monotonic()
    db.session.execute(text("SELECT 1"))
    yield "lux_database_latency_seconds", Sample((), time.monotonic() - started)
    query = (
        "SELECT coalesce(state, 'other'), count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' GROUP BY 1"
    )
    for state, count in db.session.execute(text(query)):
        yield "lux_database_connections", Sample((state,), count)
    most = db.session.scalar(text("SELECT current_setting('max_connections')::int")) or 0
    yield "lux_database_connections_most", Sample((), most)


def _errors() -> Found:
    for state, count in db.session.execute(text("SELECT state, count(*) FROM error_groups GROUP BY 1 ORDER BY 1")):
        yield "lux_error_groups", Sample((state,), count)


def _intake() -> Found:
    waiting, dead = db.session.execute(
        text(
            "SELECT count(*) FILTER (WHERE state = 'new'), count(*) FILTER (WHERE state = 'dead' "
            "AND received_at > now() - interval '24 hours') FROM intake_bodies WHERE state <> 'done'"
        )
    ).one()
    yield "lux_intake_backlog", Sample((), waiting)
    yield "lux_intake_dead", Sample((), dead)


def _queue() -> Found:
    due = "status = 'todo' AND coalesce(scheduled_at, now()) <= now()"
    waiting, doing, failed, age = db.session.execute(
        text(
            f"SELECT count(*) FILTER (WHERE {due}), count(*) FILTER (WHERE status = 'doing'), "  # noqa: S608 - our own text
            f"count(*) FILTER (WHERE status = 'failed'), coalesce(extract(epoch FROM now() - min(coalesce("
            f"scheduled_at, (SELECT max(at) FROM procrastinate_events e WHERE e.job_id = j.id))) "
            f"FILTER (WHERE {due})), 0)::float "
            "FROM procrastinate_jobs j WHERE status IN ('todo', 'doing', 'failed')"
        )
    ).one()
    for state, count in (("waiting", waiting), ("under way", doing), ("failed", failed)):
        yield "lux_queue_tasks", Sample((state,), count)
    yield "lux_queue_oldest_seconds", Sample((), max(0.0, age))


def _messages() -> Found:
    sums = ", ".join(f"coalesce(sum({state}), 0)::bigint" for state in MESSAGE_STATES)
    row = db.session.execute(text(f"SELECT {sums} FROM campaign_tallies")).one()  # noqa: S608 - columns of ours
    for state, count in zip(MESSAGE_STATES, row, strict=True):
        yield "lux_messages", Sample((state,), count)


def _model() -> Found:
    query = "SELECT state, count(*), coalesce(sum(cost_usd), 0)::float FROM ai_calls GROUP BY state ORDER BY state"
    cost = 0.0
    for state, count, paid in db.session.execute(text(query)):
        yield "lux_ai_calls_total", Sample((state,), count)
        cost += paid
    yield "lux_ai_cost_usd_total", Sample((), cost)


def _jobs() -> Found:
    now = datetime.now(UTC)
    for job, run in sorted(processes.list_last_runs().items()):
        yield "lux_job_last_run_seconds", Sample((job,), max(0.0, (now - run.slot).total_seconds()))
        yield "lux_job_last_run_ok", Sample((job,), 1 if run.state in ("done", "running") else 0)


def _processes() -> Found:
    query = (
        "SELECT kind, count(*) FILTER (WHERE seen_at > now() - interval '60 seconds'), "
        "extract(epoch FROM now() - max(seen_at))::float, coalesce(sum((detail->>'memory_bytes')::bigint) "
        "FILTER (WHERE seen_at > now() - interval '60 seconds'), 0)::bigint "
        "FROM process_heartbeats GROUP BY kind ORDER BY kind"
    )
    for kind, alive, age, memory in db.session.execute(text(query)):
        yield "lux_processes", Sample((kind,), alive)
        yield "lux_process_heartbeat_age_seconds", Sample((kind,), max(0.0, age))
        if memory:
            yield "lux_process_memory_bytes", Sample((kind,), memory)


def _health() -> Found:
    for check, finding in check_health().findings:
        yield "lux_health_status", Sample((check.key,), SEVERITY[finding.status])


def _certificate() -> Found:
    row = db.session.scalar(select(HealthResult).where(HealthResult.key == "certificate"))
    if row is not None and row.unit == "days" and row.value is not None:
        yield "lux_certificate_days", Sample((), float(row.value))


# Each with whether it needs the database; _database first, for it tells whether the others can be asked at all.
LOOKED_UP: list[tuple[Callable[[], Found], bool]] = [
    (_build, False),
    (_spools, False),
    (_database, True),
    (_errors, True),
    (_intake, True),
    (_queue, True),
    (_messages, True),
    (_model, True),
    (_jobs, True),
    (_processes, True),
    (_certificate, True),
    (_health, False),
]
