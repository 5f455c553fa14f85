"""Captures and groups every error of every process; never raises, never loses one, never touches the request's session.

An error is redacted, named by its fingerprint and written to this process's spool before capture() returns, so that it
survives the process. One thread per process takes the spool into the database on a connection of its own; what a killed
process leaves behind, another takes over. It is a logging handler: whatever logs at ERROR or above is captured.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import sys
import threading
import traceback as tracebacks
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from flask import Flask, current_app, g, has_request_context, request
from sqlalchemy import inspect
from werkzeug.wrappers import Response

from error_spool import ErrorSpool
from lib.app_log import AppLogFile, AppLogFormatter
from lib.fingerprint import fingerprint, own_frames
from lib.redaction import Redactor
from lib.shared_counters import SharedCounters
from lib.stack_frames import describe_frames

LATEST_EVERY_SECONDS = 1.0
FIRST_SAMPLES = 5
MOST_KNOWN_GROUPS = 2_000
MOST_BREADCRUMBS = 30
LONGEST_MESSAGE = 2_000
LONGEST_STACK = 20_000
# Their 503 is the answer that was asked for.
TELLS_BY_STATUS = frozenset({"health.readyz", "diagnostics_api.health"})
# The words of a command that may be shown; what else stands in a command line may be a secret.
COMMANDS = frozenset({"lux", "db", "work", "upgrade", "settings", "diagnose", "first-start", "owner-link"})
ROOT = str(Path(__file__).resolve().parent)

Event = dict[str, Any]


@dataclass
class Known:
    """What this process remembers of a group: how often it saw it and when it last kept a sample."""

    count: int = 0
    sampled_at: float = 0.0


@dataclass(frozen=True)
class Facts:
    """What is known of an error where it is captured."""

    error: BaseException | None
    message: str | None
    severity: str
    place: str | None
    source: str
    error_type: str | None
    at: datetime
    trace: TracebackType | None
    context: dict[str, Any] | None
    once: tuple[str, ...]


class ErrorLogger(logging.Handler):
    """The handler of one process."""

    def __init__(
        self,
        *,
        database_url: str | None,
        folder: Path,
        redactor: Redactor,
        release: str,
        process: str,
        counters: SharedCounters | None = None,
    ) -> None:
        super().__init__(logging.INFO)
        self._counters = counters
        self.redactor = redactor
        self.release_name = release
        self.process = process
        self.lost_count = 0
        self._spool = ErrorSpool(folder, database_url)
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._known_lock = threading.Lock()
        self._crumbs = threading.local()

    # ── capturing ──

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a breadcrumb; captures what is an error. Never raises."""
        try:
            if record.levelno >= logging.ERROR or getattr(record, "is_captured", False):
                self._capture_record(record)
            else:
                self._add_crumb(record)
        except Exception:  # the one place where an error may not become an error
            self._lose()

    def begin_request(self) -> None:
        """Forgets the breadcrumbs of the request before."""
        self._crumbs.kept = deque(maxlen=MOST_BREADCRUMBS)

    def end_request(self, response: Response) -> Response:
        """Captures an answer of 5xx that nobody has captured; addresses whose work it is to say so are left out."""
        if response.status_code >= 500 and not g.get("is_error_captured") and request.endpoint not in TELLS_BY_STATUS:
            message = f"{response.status_code} was answered."
            self.capture(message=message, error_type=f"http.{response.status_code}", severity="warning")
        return response

    def capture(
        self,
        error: BaseException | None = None,
        *,
        message: str | None = None,
        severity: str = "error",
        place: str | None = None,
        source: str = "app",
        error_type: str | None = None,
        at: datetime | None = None,
        trace: TracebackType | None = None,
        context: dict[str, Any] | None = None,
        once: Sequence[str] = (),
    ) -> str | None:
        """Captures one error; returns its event id, or None when it was captured before. Never raises.

        `trace` stands for an error's own; `once` names what happened, so that whoever else saw it too does not count it
        again: of two events that share one of these names only the first recorded is counted.
        """
        try:
            if error is not None and getattr(error, "_lux_captured", False):
                return None
            if error is not None:
                with contextlib.suppress(AttributeError, TypeError):
                    error._lux_captured = True  # type: ignore[attr-defined]  # a mark of ours on any exception
            moment = at or datetime.now(UTC)
            facts = Facts(error, message, severity, place, source, error_type, moment, trace, context, tuple(once))
            event = self._make_event(facts)
            self._keep(event)
            if has_request_context():
                g.is_error_captured = True
            return str(event["id"])
        except Exception:
            self._lose()
            return None

    def _capture_record(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        message = record.getMessage()
        self.capture(
            error,
            message=message,
            severity={logging.CRITICAL: "critical", logging.WARNING: "warning"}.get(record.levelno, "error"),
            place=getattr(record, "place", None),
            error_type=None if error is not None else f"log.{record.name}",
            context={"logger": record.name, "logged": self.redactor.text(message)[:LONGEST_MESSAGE]},
        )

    def _make_event(self, facts: Facts) -> Event:
        where = _request_facts()
        raw = str(facts.error) if facts.error is not None else (facts.message or "")
        kind = facts.error_type or _class_name(facts.error)
        trace = facts.trace or (facts.error.__traceback__ if facts.error is not None else None)
        spot = facts.place or where.get("rule") or self.process
        name = fingerprint(kind, own_frames(trace, ROOT), raw, spot)
        event: Event = {
            "id": secrets.token_hex(16),
            "fp": name,
            "at": facts.at.isoformat(),
            "type": kind,
            "place": spot,
            "source": facts.source,
            "severity": facts.severity,
            "release": self.release_name,
        }
        if facts.once:
            event["once"] = list(facts.once)
        count, is_sample = self._count(name)
        event["message"] = self.redactor.text(raw)[:LONGEST_MESSAGE]
        if is_sample:
            event["sample"] = True
            self._describe(event, facts, trace, where, with_locals=count <= FIRST_SAMPLES)
        return event

    def _describe(
        self,
        event: Event,
        facts: Facts,
        trace: TracebackType | None,
        where: dict[str, Any],
        *,
        with_locals: bool,
    ) -> None:
        event["stack"] = self._stack(facts.error, trace)
        for name in ("endpoint", "method", "user_id", "request_id"):
            event[name] = where.get(name)
        event["context"] = {
            "process": self.process,
            "pid": os.getpid(),
            **(facts.context or {}),
            "frames": describe_frames(trace, ROOT, self.redactor, with_locals=with_locals),
            "breadcrumbs": list(getattr(self._crumbs, "kept", ())),
        }

    def _stack(self, error: BaseException | None, trace: TracebackType | None) -> str | None:
        if error is None and trace is None:
            return None
        lines = tracebacks.format_exception(error) if error is not None else tracebacks.format_tb(trace)
        return self.redactor.text("".join(lines))[:LONGEST_STACK]

    def _count(self, name: str) -> tuple[int, bool]:
        """How often this process saw the group, and whether this one is kept as a sample."""
        now = _seconds()
        with self._known_lock:
            known = self._known.setdefault(name, Known())
            self._known.move_to_end(name)
            while len(self._known) > MOST_KNOWN_GROUPS:
                self._known.popitem(last=False)
            known.count += 1
            is_due = now - known.sampled_at >= LATEST_EVERY_SECONDS
            is_sample = known.count <= FIRST_SAMPLES or known.count & (known.count - 1) == 0 or is_due
            if is_sample:
                known.sampled_at = now
            return known.count, is_sample

    def _keep(self, event: Event) -> None:
        if not self._spool.keep(event):
            self._lose()
        if self._counters is not None:
            self._counters.count("lux_errors_total", str(event["severity"]))

    def _lose(self) -> None:
        self.lost_count += 1
        if self._counters is not None:
            self._counters.count("lux_errors_undescribed_total")

    def _add_crumb(self, record: logging.LogRecord) -> None:
        kept = getattr(self._crumbs, "kept", None)
        if kept is None:
            kept = self._crumbs.kept = deque(maxlen=MOST_BREADCRUMBS)
        text = self.redactor.text(record.getMessage()[:300])
        kept.append({"at": record.created, "level": record.levelname, "logger": record.name, "text": text})

    # ── writing ──

    def start(self) -> None:
        """Starts the writer, which also takes over what dead processes have left."""
        self._spool.start()

    def flush_now(self, timeout_seconds: float = 5.0) -> bool:
        """Waits until everything captured so far is in the database; False when it could not be within the time."""
        return self._spool.flush_now(timeout_seconds)

    def is_all_safe(self) -> bool:
        """Whether everything captured so far outlives this process: it is on disk or in the database."""
        return not self._spool.has_in_memory()

    def stop(self) -> None:
        """Ends the writer; what it could not record stays in the spool for the next process."""
        self._spool.stop()


def init_error_logger(
    app: Flask, *, database_url: str, folder: Path, redactor: Redactor, release: str, counters: SharedCounters
) -> None:
    """Attaches the process's logger to the app, the root logger and the hooks of threads and the interpreter."""
    handler = ErrorLogger(
        database_url=database_url,
        folder=folder,
        redactor=redactor,
        release=release,
        process=process_kind(),
        counters=counters,
    )
    app.extensions["lux_errors"] = handler
    app.before_request(handler.begin_request)
    app.after_request(handler.end_request)
    _attach(handler)
    threading.excepthook = _thread_hook(handler)
    sys.excepthook = _process_hook(handler)
    atexit.register(handler.stop)


def init_app_log(path: Path, redactor: Redactor) -> None:
    """Writes what LUX logs to its own file, and warnings to stderr, where gunicorn's log or the journal has them."""
    formatter = AppLogFormatter(process_kind(), redactor, _request_id)
    file, screen = AppLogFile(path), logging.StreamHandler()
    screen.setLevel(logging.WARNING)
    for handler in (file, screen):
        handler.setFormatter(formatter)
        _attach(handler)
    logging.getLogger("lux").setLevel(logging.INFO)


def _attach(handler: logging.Handler) -> None:
    """Adds a handler to the root logger, in place of one of the same class that an earlier app left."""
    root = logging.getLogger()
    for former in [one for one in root.handlers if type(one) is type(handler)]:
        root.removeHandler(former)
    root.addHandler(handler)


def _request_id() -> str | None:
    return g.get("request_id") if has_request_context() else None


def error_logger() -> ErrorLogger:
    """The logger of the app that is running now."""
    handler: ErrorLogger = current_app.extensions["lux_errors"]
    return handler


def _thread_hook(handler: ErrorLogger) -> Any:
    def hook(arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread else "?"
        handler.capture(arguments.exc_value, place=f"thread {name}", severity="critical")
        _say_error(handler, arguments.exc_value)

    return hook


def _process_hook(handler: ErrorLogger) -> Any:
    """For what ends a process: a command that fails, a worker that cannot start."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            words = [word for word in sys.argv[1:8] if word in COMMANDS]
            handler.capture(error, place=" ".join(["command", *words]), severity="critical")
            _say_error(handler, error)
        else:
            sys.__excepthook__(kind, error, trace)

    return hook


def _say_error(handler: ErrorLogger, error: BaseException | None) -> None:
    """Tells of an error on stderr as Python does, without secrets: it is gunicorn's log, or the journal."""
    with contextlib.suppress(Exception):
        if error is not None:
            sys.stderr.write(handler.redactor.text("".join(tracebacks.format_exception(error))))


def _request_facts() -> dict[str, Any]:
    if not has_request_context():
        return {}
    rule = request.url_rule.rule if request.url_rule is not None else None
    return {
        "rule": f"{request.method} {rule}" if rule else None,
        "endpoint": rule or request.path[:200],
        "method": request.method,
        "request_id": g.get("request_id"),
        "user_id": _user_id(),
    }


def _user_id() -> int | None:
    """The id of a user who is loaded already, read from the row's identity: asking the row might ask the database."""
    user = g.get("_login_user")
    if user is None or not hasattr(user, "__tablename__"):
        return None
    identity = inspect(user).identity
    return int(identity[0]) if identity else None


def _class_name(error: BaseException | None) -> str:
    if error is None:
        return "Error"
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def process_kind() -> str:
    """What this process is, by its command line: web, worker, tests, command or process."""
    words = " ".join(sys.argv[:6])
    for word, kind in (("gunicorn", "web"), (" work", "worker"), ("pytest", "tests"), ("flask", "command")):
        if word in words:
            return kind
    return "process"


def _seconds() -> float:
    return datetime.now(UTC).timestamp()
