"""Lines that people paste beside ordinary logs: the journal as text, dmesg, systemctl, nginx -t, PostgreSQL's own.

To add a form, write a function that returns a Head or None and list it in _FORMS; every pattern is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from lib.log_lines import SYSTEMD_TROUBLE, Head, level_of, read_app, read_gunicorn, read_nginx, read_postgres

_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_JOURNAL = re.compile(
    rf"({_ISO}) ([\w.-]{{1,80}}) ([\w./@-]{{1,80}})(?:\[(\d{{1,9}})\])?: (?:<([0-7])>)?(.*)", re.DOTALL
)
_SYSLOG_START = re.compile(
    r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,80} ([\w./@-]{1,80}(?:\[\d{1,9}\])?): (.*)", re.DOTALL
)
_JOURNAL_START = re.compile(rf"{_ISO} [\w.-]{{1,80}} ([\w./@-]{{1,80}}(?:\[\d{{1,9}}\])?): (.*)", re.DOTALL)
_DMESG = re.compile(
    r"\[ {0,8}(?:(\d{1,9})\.\d{1,9}|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d: ]{8,16})\] (.*)", re.DOTALL
)
_NGINX_TEST = re.compile(r"nginx: (?:the )?configuration file \S{1,200} (.*)", re.DOTALL)
_NGINX = re.compile(r"nginx: \[(emerg|alert|crit|error|warn|notice)\] (.*)", re.DOTALL)
_PYTHON = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL):([\w.]{1,80}):(.*)", re.DOTALL)
_GENERIC = re.compile(
    rf"\[?({_ISO})\]?[ \t]{{1,3}}[\[(<]?(DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)[\])>]?[ \t:]{{1,3}}"
    r"(?:\[[^\]\n]{1,80}\] )?(.*)",
    re.DOTALL,
)
_POSTGRES = re.compile(
    rf"({_ISO})[^\n]{{0,120}}?\b(PANIC|FATAL|ERROR|WARNING|LOG|DETAIL|HINT|STATEMENT|CONTEXT):  ?"
    r"(?:([0-9A-Z]{5}): )?(.*)",
    re.DOTALL,
)
_UNIT = re.compile(
    r"\s{0,12}(?:Active: (failed|activating|inactive|active) (\(.{0,80}\))?.*"
    r"|(?:Process|Main PID): \d{1,9} .{0,300}\((code=[a-z]{1,20}, (?:status|signal)=[\w/]{1,40})\))$"
)
_TROUBLE = re.compile(
    r"\b(?:errors?|exceptions?|fatal|panic|fail(?:s|ed|ure)?|denied|refused|timed out|time-?out|unreachable|cannot"
    r"|can't|could not|unable to|invalid|no such|expired|killed|crash(?:ed)?|aborted|corrupt(?:ed)?|exhausted"
    r"|no space|too many|quota|exceeded|not permitted|does not exist|broken pipe|reset by peer|out of memory)\b",
    re.IGNORECASE,
)
_NO_TROUBLE = re.compile(
    r"\b(?:0|no|without) (?:errors?|failures?|failed|exceptions?)\b|\b(?:errors?|failed|failures?)[=: ]{1,2}0\b", re.I
)
_LIKE_LOG = re.compile(
    rf"\W{{0,3}}(?:{_ISO}|\d\d?[/-][A-Z][a-z]{{2}}[/-]\d{{4}}|[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d|\d\d:\d\d:\d\d"
    r"|(?:DEBUG|INFO|LOG|NOTICE|TRACE)\b|level=(?:info|debug)|\S{3,45} \S{1,40} \S{1,40} \[)"
)

_OF_TRACEBACK = (
    "Traceback (most recent call last)",
    "During handling of the above exception",
    "The above exception was the direct cause",
)


def read_bare(line: str) -> Head | None:
    """The head of a line in one of these forms, or None."""
    return next((head for read in _FORMS if (head := read(line)) is not None), None)


def says_trouble(said: str) -> bool:
    """Whether a line of no known form speaks of a fault."""
    return _TROUBLE.search(said) is not None and _NO_TROUBLE.search(said) is None


def is_like_log(line: str) -> bool:
    """Whether a line of no known form begins as lines of logs do."""
    return _LIKE_LOG.match(line) is not None


def strip_journal(rows: list[str]) -> list[str]:
    """Lines of a traceback that the journal kept one by one, without what the journal wrote before each."""
    inside: str | None = None
    stripped = []
    for row in rows:
        match = _SYSLOG_START.match(row) or _JOURNAL_START.match(row)
        if match is None:
            stripped.append(row)
            continue
        program, message = match.groups()
        if message.startswith(_OF_TRACEBACK):
            inside = program
        if inside == program:
            stripped.append(message)
            if message and not message[0].isspace() and not message.startswith(_OF_TRACEBACK):
                inside = None
        else:
            stripped.append(row)
    return stripped


def _read_journal(line: str) -> Head | None:
    match = _JOURNAL.match(line)
    if match is None:
        return None
    moment, _host, program, pid, priority, message = match.groups()
    time = _moment(moment)
    inner = read_gunicorn(message) or read_app(message) or read_postgres(message) or read_nginx(message)
    if inner is not None:
        return replace(inner, time=time or inner.time)
    level = "error" if program in ("systemd", "kernel") and SYSTEMD_TROUBLE.search(message) else "info"
    if priority is not None and int(priority) <= 4:
        level = ("critical", "critical", "critical", "error", "warning")[int(priority)]
    return Head("systemd", time, level, message, int(pid) if pid else None, None, {"program": program})


def _read_dmesg(line: str) -> Head | None:
    match = _DMESG.match(line)
    if match is None:
        return None
    level = "error" if SYSTEMD_TROUBLE.search(match.group(2)) else "info"
    return Head("systemd", None, level, match.group(2), None, None, {"program": "kernel"})


def _read_nginx_start(line: str) -> Head | None:
    match = _NGINX.match(line)
    return Head("nginx", None, level_of(match.group(1)), match.group(2)) if match else None


def _read_nginx_test(line: str) -> Head | None:
    match = _NGINX_TEST.match(line)
    if match is None:
        return None
    return Head("nginx", None, "error" if "failed" in match.group(1) else "info", f"configuration {match.group(1)}")


def _read_python(line: str) -> Head | None:
    match = _PYTHON.match(line)
    return Head("app", None, level_of(match[1]), match[3], fields={"logger": match[2]}) if match else None


def _read_generic(line: str) -> Head | None:
    match = _GENERIC.match(line)
    return Head("app", _moment(match[1]), level_of(match[2]), match[3]) if match else None


def _read_any_postgres(line: str) -> Head | None:
    match = _POSTGRES.match(line)
    if match is None:
        return None
    moment, level, state, message = match.groups()
    said = f"SQLSTATE {state}: {message}" if state else message
    return Head("app", _moment(moment), level_of(level), said, None, None, {"logger": "postgresql"})


def _read_unit(line: str) -> Head | None:
    match = _UNIT.match(line)
    if match is None:
        return None
    is_bad = match.group(1) == "failed" or (match.group(3) or "").find("status=0") < 0 < len(match.group(3) or "")
    is_bad = is_bad or (match.group(1) == "activating" and "auto-restart" in (match.group(2) or ""))
    return Head("systemd", None, "error" if is_bad else "info", line.strip(), None, None, {"program": "systemctl"})


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.replace(",", ".").replace(" UTC", "Z"))
        return found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


_FORMS: tuple[Callable[[str], Head | None], ...] = (
    _read_journal,
    _read_any_postgres,
    _read_generic,
    _read_nginx_start,
    _read_nginx_test,
    _read_python,
    _read_dmesg,
    _read_unit,
)
