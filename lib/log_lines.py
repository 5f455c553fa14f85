"""The formats of log lines: what a line that begins a record says about time, level, process and what happened.

To add a format, write a function that returns a Head or None and add it to FORMATS.
"""

from __future__ import annotations

import json
import re
from calendar import month_abbr
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from lib.nginx_context import read_context

LEVELS = ("debug", "info", "notice", "warning", "error", "critical")
_LEVEL_NAMES = {
    **{level: level for level in LEVELS},
    "emerg": "critical",
    "alert": "critical",
    "crit": "critical",
    "fatal": "critical",
    "panic": "critical",
    "warn": "warning",
    "exception": "error",
    "log": "info",
    "detail": "info",
    "hint": "info",
    "statement": "info",
}
_NGINX = re.compile(
    r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) \[(emerg|alert|crit|error|warn|notice|info|debug)\] "
    r"(\d+)#\d+: (?:\*(\d+) )?(.*)",
    re.DOTALL,
)
_GUNICORN = re.compile(
    r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ([+-]\d{4})\] \[(\d+)\] "
    r"\[(DEBUG|INFO|WARNING|ERROR|CRITICAL|EXCEPTION)\] ?(.*)",
    re.DOTALL,
)
# LUX's own, as lib/app_log.py writes it: time, level, kind of process, pid, request id or -, logger, message.
_LUX = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (DEBUG|INFO|WARNING|ERROR|CRITICAL) "
    r"([a-z]+) (\d+) ([\w-]{1,64}) ([\w.-]+): (.*)",
    re.DOTALL,
)
_APP = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?) "
    r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) (?:\[(\d+)\] )?(?:\[([\w-]{1,64})\] )?([\w.-]+): (.*)",
    re.DOTALL,
)
_FLASK = re.compile(
    r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,6})?)\] (DEBUG|INFO|WARNING|ERROR|CRITICAL) in ([\w.]+): (.*)",
    re.DOTALL,
)
_POSTGRES = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) (UTC|GMT|[A-Z]{2,5}|[+-]\d\d) \[(\d+)\] (?:\S+@\S+ )?"
    r"(DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT):  ?(.*)",
    re.DOTALL,
)
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\S+) ([\w./@-]+)(?:\[(\d+)\])?: (.*)", re.DOTALL)
_ACCESS = re.compile(
    r"(\S+) \S+ \S+ \[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\] "
    r'"((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)(.*)',
    re.DOTALL,
)
_MONTHS = {name: number for number, name in enumerate(month_abbr) if name}
_WORKER_PID = re.compile(r"\(pid: ?(\d+)\)")
_HANDLING = re.compile(r"Error handling request (?:([A-Z]{3,10}) )?(/\S*)?")


@dataclass(frozen=True, slots=True)
class Head:
    """What the first line of a record says; `time` is aware, in UTC."""

    source: str
    time: datetime | None
    level: str
    message: str
    pid: int | None = None
    request_id: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    # The line began something that it does not end: a stranger's line break may follow.
    is_open: bool = False


def level_of(name: str) -> str:
    """One of LEVELS for whatever a program calls it."""
    return _LEVEL_NAMES.get(name) or _LEVEL_NAMES.get(name.lower().rstrip("12345"), "info")


def is_at_least(level: str, least: str | None) -> bool:
    """Whether a level is as grave as another."""
    return least is None or LEVELS.index(level) >= LEVELS.index(level_of(least))


def read_nginx(line: str) -> Head | None:
    """nginx's error log. It writes no zone: its times are the machine's own."""
    match = _NGINX.match(line)
    if match is None:
        return None
    year, month, day, hour, minute, second, level, pid, connection, rest = match.groups()
    time = _local(int(year), int(month), int(day), int(hour), int(minute), int(second))
    if time is None:
        return None
    context = read_context(rest)
    fields = dict(context.fields)
    if connection:
        fields["connection"] = connection
    is_open = connection is not None and not context.has_client
    return Head("nginx", time, level_of(level), context.message, int(pid), None, fields, is_open)


def read_gunicorn(line: str) -> Head | None:
    """gunicorn's error log."""
    match = _GUNICORN.match(line)
    if match is None:
        return None
    moment, zone, pid, level, message = match.groups()
    time = _moment(moment + zone)
    if time is None:
        return None
    fields = {}
    if "(pid:" in message and (worker := _WORKER_PID.search(message)):
        fields["worker_pid"] = worker.group(1)
    if handling := _HANDLING.match(message):
        fields |= {k: v for k, v in zip(("method", "path"), handling.groups(), strict=True) if v}
    return Head("gunicorn", time, level_of(level), message, int(pid), None, fields)


def read_app(line: str) -> Head | None:
    """LUX's own log, as text or as one JSON object a line, and Flask's default format."""
    if line.startswith("{"):
        return _read_json(line)
    if match := _LUX.match(line):
        moment, level, process, pid, request_id, logger, message = match.groups()
        known = request_id if request_id != "-" else None
        fields = {"logger": logger, "process": process}
        return Head("app", _moment(moment), level_of(level), message, int(pid), known, fields)
    if match := _APP.match(line):
        moment, level, pid, request_id, logger, message = match.groups()
        known = request_id if request_id and request_id != "-" else None
        return Head(
            "app", _moment(moment), level_of(level), message, int(pid) if pid else None, known, {"logger": logger}
        )
    if match := _FLASK.match(line):
        moment, level, logger, message = match.groups()
        return Head("app", _moment(moment), level_of(level), message, fields={"logger": logger})
    return None


def read_postgres(line: str) -> Head | None:
    """PostgreSQL's own log, as excerpts contain it."""
    match = _POSTGRES.match(line)
    if match is None:
        return None
    moment, zone, pid, level, message = match.groups()
    is_utc = zone in ("UTC", "GMT")
    return Head(
        "app",
        _moment(moment + ("Z" if is_utc else "")),
        level_of(level),
        message,
        int(pid),
        None,
        {"logger": "postgresql"},
    )


def read_syslog(line: str) -> Head | None:
    """A line as journalctl prints it for people; it has no year, so the latest that is not to come is meant."""
    match = _SYSLOG.match(line)
    if match is None or match.group(1) not in _MONTHS:
        return None
    month, day, hour, minute, second, _host, program, pid, message = match.groups()
    now = datetime.now(UTC)
    time = _local(now.year, _MONTHS[month], int(day), int(hour), int(minute), int(second))
    if time is not None and time > now + timedelta(days=1):
        time = _local(now.year - 1, _MONTHS[month], int(day), int(hour), int(minute), int(second))
    inner = read_gunicorn(message) or read_app(message)
    if inner is not None:
        return Head("systemd", inner.time, inner.level, inner.message, inner.pid, inner.request_id, inner.fields)
    level = "error" if program in ("systemd", "kernel") and SYSTEMD_TROUBLE.search(message) else "info"
    return Head("systemd", time, level, message, int(pid) if pid else None, None, {"program": program})


def read_access(line: str) -> Head | None:
    """nginx's access log; the message is the status, for the request is a stranger's text."""
    match = _ACCESS.match(line)
    if match is None or match.group(3) not in _MONTHS:
        return None
    client, day, month, year, hour, minute, second, zone, request, status, _size, _rest = match.groups()
    time = _moment(f"{year}-{_MONTHS[month]:02}-{day}T{hour}:{minute}:{second}{zone}")
    level = "error" if status.startswith("5") else "info"
    return Head(
        "nginx", time, level, f"answered {status}", fields={"client": client, "request": request, "status": status}
    )


# What systemd says about a unit that is in trouble; in the journal such a line is often only "notice".
SYSTEMD_TROUBLE = re.compile(
    r"code=(?:killed|dumped)|status=[1-9]\d*/|Failed with result|Failed to start|Start request repeated too quickly"
    r"|OOM killer|[Oo]ut of memory|Killed process|start-limit|Failed at step|Timed out"
)
Format = Callable[[str], Head | None]
FORMATS: dict[str, Format] = {
    "gunicorn": read_gunicorn,
    "nginx": read_nginx,
    "app": read_app,
    "postgres": read_postgres,
    "syslog": read_syslog,
    "access": read_access,
}


def read_any(line: str) -> Head | None:
    """The head of a line of whatever format, or None."""
    return next((head for read in FORMATS.values() if (head := read(line)) is not None), None)


def _read_json(line: str) -> Head | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("message"), str):
        return None
    pid, request_id, logger = row.get("pid"), row.get("request_id"), row.get("logger")
    further = row.get("exception")
    message = row["message"] + (f"\n{further}" if isinstance(further, str) and further else "")
    return Head(
        "app",
        _moment(str(row.get("time", ""))),
        level_of(str(row.get("level", "info"))),
        message,
        pid if isinstance(pid, int) else None,
        request_id if isinstance(request_id, str) and request_id else None,
        {"logger": logger} if isinstance(logger, str) else {},
    )


@lru_cache(maxsize=4096)
def _moment(text: str) -> datetime | None:
    """A moment as ISO 8601 or nearly so; one without a zone is the machine's."""
    try:
        return datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(maxsize=4096)
def _local(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime | None:
    try:
        return datetime(year, month, day, hour, minute, second).astimezone().astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
