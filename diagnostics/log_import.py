"""The clock's job that turns what only the logs know into errors: dead web processes, nginx's 5xx, lack of memory.

What is imported carries its class and the ids of its log lines. A line read twice is counted once, and so is a death
that gunicorn's hooks told of already; a log's position is saved only when everything before it is safe.
To import another kind of line, add a Sign to SIGNS.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy.dialects.postgresql import insert
from werkzeug.exceptions import HTTPException

from diagnostics.worker_deaths import KILLED_TYPE, MEMORY_TYPE, TIMEOUT_TYPE, death_names
from error_logger import error_logger
from extensions import db
from lib.log_classes import CONFIGURATION, CONNECTION, RESOURCE, TIMEOUT
from lib.log_records import LogRecord
from log_reader import SourceReading, read_new
from models import LogPosition

# The app's own log is not among them: what it says was captured when it was logged.
IMPORTED = ("nginx", "gunicorn", "systemd")
# A dying process tells of itself with its stack; the log is heard when it has had the time to.
SETTLE_SECONDS = 15.0
OLDEST_AT_FIRST = timedelta(hours=1)
MOST_WAITING = 500
LONGEST_TEXT = 2_000


@dataclass(frozen=True)
class Sign:
    """A line that is an error: how its template begins, what kind of error it is, and of which class."""

    source: str
    pattern: re.Pattern[str]
    error_type: str
    kind: str
    severity: str = "critical"
    is_death: bool = False


def _sign(source: str, pattern: str, error_type: str, kind: str, severity: str = "critical", **more: bool) -> Sign:
    return Sign(source, re.compile(pattern), error_type, kind, severity, **more)


SIGNS: list[Sign] = [
    _sign("gunicorn", r"WORKER TIMEOUT", TIMEOUT_TYPE, TIMEOUT, is_death=True),
    _sign("gunicorn", r"Worker \(pid:<n>\) was sent SIG(?!TERM|QUIT|INT|HUP)", KILLED_TYPE, RESOURCE, is_death=True),
    _sign("gunicorn", r"Worker failed to boot|App failed to load", "gunicorn.BootFailed", CONFIGURATION),
    _sign("systemd", r"(?:Memory cgroup o|O)ut of memory: Killed process", MEMORY_TYPE, RESOURCE, is_death=True),
    _sign("systemd", r".*killed by the OOM killer", "systemd.OutOfMemory", RESOURCE),
    _sign("systemd", r".*Start request repeated too quickly", "systemd.StartLimit", CONFIGURATION),
    _sign("nginx", r"upstream timed out", "nginx.UpstreamTimedOut", TIMEOUT, "error"),
    _sign("nginx", r"upstream prematurely closed", "nginx.UpstreamClosed", CONNECTION, "error"),
    _sign("nginx", r"connect\(\) .*failed \(13:", "nginx.UpstreamNotPermitted", CONFIGURATION),
    _sign("nginx", r"connect\(\) .*failed", "nginx.UpstreamRefused", CONNECTION),
    _sign("nginx", r"no live upstreams", "nginx.NoUpstream", CONNECTION),
    _sign("nginx", r"(?:recv|send|readv|writev)\(\) failed .*upstream", "nginx.UpstreamReset", CONNECTION, "error"),
    _sign("nginx", r"upstream sent ", "nginx.UpstreamUnreadable", CONFIGURATION, "error"),
    _sign("nginx", r".*worker_connections are not enough", "nginx.NoConnectionLeft", RESOURCE),
]


@dataclass(frozen=True)
class Trouble:
    """A line to import, as it waits between two runs of the job."""

    error_type: str
    kind: str
    severity: str
    source: str
    message: str
    text: str
    place: str
    at: str
    evidence: str
    pid: str = ""

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)

    def names(self) -> list[str]:
        """What it must not be counted twice by: its line, and for a death the death's own names."""
        # After copytruncate another line has the same place in the same file.
        line = f"{self.evidence}:{hashlib.blake2b(self.text.encode(), digest_size=8).hexdigest()}"
        return [line, *(death_names(self.pid, self.moment) if self.pid else [])]


def import_logs(settle_seconds: float = SETTLE_SECONDS) -> int:
    """Imports what the logs got since the last run; how many errors. For the clock; commits. Never waits for long."""
    return sum(_import_source(source, settle_seconds) for source in IMPORTED)


def _import_source(source: str, settle_seconds: float) -> int:
    kept = db.session.get(LogPosition, source)
    state: dict[str, Any] = dict(kept.position) if kept is not None else {}
    db.session.rollback()
    reading, position = read_new(source, state.get("at"))
    # A log that was never read may hold years.
    oldest = datetime.min.replace(tzinfo=UTC) if state.get("at") else datetime.now(UTC) - OLDEST_AT_FIRST
    waiting = [Trouble(**row) for row in state.get("waiting", [])] + find_troubles(reading, oldest)
    settled = datetime.now(UTC) - timedelta(seconds=settle_seconds)
    ready = [trouble for trouble in waiting if not trouble.pid or trouble.moment <= settled]
    later = [trouble for trouble in waiting if trouble not in ready][-MOST_WAITING:]
    for trouble in ready:
        _capture(trouble)
    if not error_logger().is_all_safe():
        return 0
    if kept is None or position != state.get("at") or waiting:
        _save(source, {"at": position, "waiting": [vars(trouble) for trouble in later]})
    return len(ready)


def find_troubles(reading: SourceReading, oldest: datetime) -> list[Trouble]:
    """The lines of a reading that are errors, in their order."""
    return [trouble for record in reading.records if (trouble := _trouble(record, oldest)) is not None]


def _trouble(record: LogRecord, oldest: datetime) -> Trouble | None:
    at = record.time or datetime.now(UTC)
    # gunicorn writes to the journal where it has no log of its own.
    sources = (record.source, "gunicorn") if record.source == "systemd" else (record.source,)
    fitting = (sign for sign in SIGNS if sign.source in sources and sign.pattern.match(record.template))
    sign = next(fitting, None)
    if sign is None or at < oldest:
        return None
    place = _route_of(record.fields.get("request", "")) if record.source == "nginx" else sign.source
    program = re.search(r"Killed process \d+ \(([\w.@:/-]{1,15})\)", record.text)
    return Trouble(
        error_type=sign.error_type,
        kind=sign.kind,
        severity=sign.severity,
        source=record.source,
        # The template holds nothing that a stranger wrote.
        message=record.template,
        text=record.text[:LONGEST_TEXT],
        place=program.group(1) if program else place,
        at=at.isoformat(),
        evidence=record.evidence_id,
        pid=_dead_pid(record) if sign.is_death else "",
    )


def _dead_pid(record: LogRecord) -> str:
    match = re.search(r"Killed process (\d+)", record.text)
    return match.group(1) if match else record.fields.get("worker_pid", "")


def _route_of(line: str) -> str:
    """The rule of LUX's map that a request line asks for, or nginx: never the path itself."""
    method, _, rest = line.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    try:
        rule, _ = current_app.url_map.bind("localhost").match(path, method, return_rule=True)
    except (HTTPException, ValueError):
        return "nginx"
    return f"{method} {rule.rule}"


def _capture(trouble: Trouble) -> None:
    error_logger().capture(
        message=trouble.message,
        error_type=trouble.error_type,
        severity=trouble.severity,
        source=trouble.source,
        place=trouble.place,
        at=trouble.moment,
        context={"class": trouble.kind, "evidence": [trouble.evidence], "lines": [trouble.text], "pid": trouble.pid},
        once=trouble.names(),
    )


def _save(source: str, position: dict[str, Any]) -> None:
    row = insert(LogPosition).values(source=source, position=position, read_at=datetime.now(UTC))
    row = row.on_conflict_do_update(
        index_elements=["source"], set_={"position": row.excluded.position, "read_at": row.excluded.read_at}
    )
    db.session.execute(row)
    db.session.commit()
