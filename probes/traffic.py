"""How often a route, task or job went well on this machine, by the counters that its processes share.

A fault of the web processes as such has no route of its own: what went well there is whatever they answered.
"""

from __future__ import annotations

import math
import platform
from datetime import datetime

from sqlalchemy import func, select

from extensions import db
from lib.shared_counters import counters
from models import JobRun

LEAST_SUCCESSES = 10
USUAL_INTERVALS = 3
GOOD = ("2xx", "3xx")
# The place of errors that stand for the web processes themselves: killed, not booted, stuck.
WEB_PROCESSES = "gunicorn"
# Asked by machines again and again, and hardly any work: no evidence that real requests go well.
WATCHERS = ("/livez", "/readyz", "/metrics")


def machine_name() -> str:
    """Whose counters are read: a count of one machine says nothing about another's."""
    return platform.node()


def count_successes(place: str | None) -> int:
    """Everything that ever went well at a place: `GET /contacts/`, `task import_contacts`, `gunicorn` for any route."""
    kind, _, rest = (place or "").partition(" ")
    total = 0.0
    for series in counters().list_series():
        labels = series.labels
        is_good = series.name == "lux_requests_total" and len(labels) == 3 and labels[2] in GOOD
        is_here = labels[:2] == (rest, kind) or (place == WEB_PROCESSES and labels[0] not in WATCHERS)
        is_task = series.name == "lux_tasks_total" and kind == "task" and labels == (rest, "done")
        if (is_good and is_here) or is_task:
            total += series.total
    return int(total)


def count_job_runs(job: str, since: datetime) -> int:
    """How often a job of the clock ended well since then, wherever it ran."""
    query = select(func.count()).select_from(JobRun)
    return db.session.scalar(query.where(JobRun.job == job, JobRun.state == "done", JobRun.started_at > since)) or 0


def count_needed(successes: int, errors: int) -> int:
    """How many successes are no accident: three times as many as used to lie between two errors, at least ten."""
    usual_interval = successes / max(1, errors)
    return max(LEAST_SUCCESSES, math.ceil(USUAL_INTERVALS * usual_interval))
