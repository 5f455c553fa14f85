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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from flask import Flask, current_app, g, has_request_context, request
from sqlalchemy import inspect

from error_groups import record_events
from lib.app_log import AppLogFile, AppLogFormatter
from lib.fingerprint import fingerprint, own_frames
from lib.redaction import Redactor
from lib.segment_spool import Segment, SegmentSpool
from lib.stack_frames import describe_frames

WRITE_EVERY_SECONDS = 0.1
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)
ABANDONED_EVERY_SECONDS = 5.0
LATEST_EVERY_SECONDS = 1.0
FIRST_SAMPLES = 5
MOST_KNOWN_GROUPS = 2_000
MOST_UNSPOOLED = 1_000
MOST_BREADCRUMBS = 30
LONGEST_MESSAGE = 2_000
LONGEST_STACK = 20_000
ROOT = str(Path(__file__).resolve().parent)

Event = dict[str, Any]


@dataclass
class Known:
    """What this process remembers of a group: how often it saw it and when it last kept a sample."""

    count: int = 0
    sampled_at: float = 0.0


class ErrorLogger(logging.Handler):
    """The handler of one process."""

    def __init__(self, *, database_url: str, folder: Path, redactor: Redactor, release: str, process: str) -> None:
        super().__init__(logging.INFO)
        self.database_url = database_url
        self.redactor = redactor
        self.release_name = release
        self.process = process
        self.lost_count = 0
        self._spool = SegmentSpool(folder)
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._known_lock = threading.Lock()
        self._unspooled: deque[Event] = deque()
        self._crumbs = threading.local()
        self._wake = threading.Event()
        self._is_ending = False
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._sealed: list[Segment] = []
        self._is_writing = False

    # ── capturing ──

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a breadcrumb; captures what is an error. Never raises."""
        try:
            if record.levelno >= logging.ERROR and record.name != __name__:
                self._capture_record(record)
            else:
                self._add_crumb(record)
        except Exception:  # the one place where an error may not become an error
            self.lost_count += 1

    def begin_request(self) -> None:
        """Forgets the breadcrumbs of the request before."""
        self._crumbs.kept = deque(maxlen=MOST_BREADCRUMBS)

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
        context: dict[str, Any] | None = None,
    ) -> str | None:
        """Captures one error; returns its event id, or None when it was captured before. Never raises."""
        try:
            if error is not None and getattr(error, "_lux_captured", False):
                return None
            if error is not None:
                with contextlib.suppress(AttributeError, TypeError):
                    error._lux_captured = True  # type: ignore[attr-defined]  # a mark of ours on any exception
            event = self._make_event(error, message, severity, place, source, error_type, at, context)
            self._keep(event)
            return str(event["id"])
        except Exception:
            self.lost_count += 1
            return None

    def _capture_record(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        message = record.getMessage()
        severity = "critical" if record.levelno >= logging.CRITICAL else "error"
        place = getattr(record, "place", None)
        context = {"logger": record.name, "logged": self.redactor.text(message)[:LONGEST_MESSAGE]}
        error_type = None if error is not None else f"log.{record.name}"
        self.capture(error, message=message, severity=severity, place=place, error_type=error_type, context=context)

    def _make_event(
        self,
        error: BaseException | None,
        message: str | None,
        severity: str,
        place: str | None,
        source: str,
        error_type: str | None,
        at: datetime | None,
        context: dict[str, Any] | None,
    ) -> Event:
        where = _request_facts()
        raw = str(error) if error is not None else (message or "")
        kind = error_type or _class_name(error)
        trace = error.__traceback__ if error is not None else None
        spot = place or where.get("rule") or self.process
        name = fingerprint(kind, own_frames(trace, ROOT), raw, spot)
        event: Event = {
            "id": secrets.token_hex(16),
            "fp": name,
            "at": (at or datetime.now(UTC)).isoformat(),
            "type": kind,
            "place": spot,
            "source": source,
            "severity": severity,
            "release": self.release_name,
        }
        count, is_sample = self._count(name)
        event["message"] = self.redactor.text(raw)[:LONGEST_MESSAGE]
        if is_sample:
            event["sample"] = True
            self._describe(event, error, trace, where, context, with_locals=count <= FIRST_SAMPLES)
        return event

    def _describe(
        self,
        event: Event,
        error: BaseException | None,
        trace: TracebackType | None,
        where: dict[str, Any],
        context: dict[str, Any] | None,
        *,
        with_locals: bool,
    ) -> None:
        event["stack"] = self._stack(error)
        for name in ("endpoint", "method", "user_id", "request_id"):
            event[name] = where.get(name)
        event["context"] = {
            **(context or {}),
            "process": self.process,
            "frames": describe_frames(trace, ROOT, self.redactor, with_locals=with_locals),
            "breadcrumbs": list(getattr(self._crumbs, "kept", ())),
        }

    def _stack(self, error: BaseException | None) -> str | None:
        if error is None:
            return None
        return self.redactor.text("".join(tracebacks.format_exception(error)))[:LONGEST_STACK]

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
        try:
            self._spool.append(event)
        except OSError:
            # The disk is full or read-only: the memory holds what it can, and the counts go on.
            event.pop("context", None)
            if len(self._unspooled) < MOST_UNSPOOLED:
                self._unspooled.append(event)
            else:
                self.lost_count += 1
        self._start_writer()
        self._wake.set()

    def _add_crumb(self, record: logging.LogRecord) -> None:
        kept = getattr(self._crumbs, "kept", None)
        if kept is None:
            kept = self._crumbs.kept = deque(maxlen=MOST_BREADCRUMBS)
        text = self.redactor.text(record.getMessage()[:300])
        kept.append({"at": record.created, "level": record.levelname, "logger": record.name, "text": text})

    # ── writing ──

    def start(self) -> None:
        """Starts the writer, which also takes over what dead processes have left."""
        self._start_writer()
        self._wake.set()

    def flush_now(self, timeout_seconds: float = 5.0) -> bool:
        """Waits until everything captured so far is in the database; False when it could not be within the time."""
        deadline = _seconds() + timeout_seconds
        while self._is_waiting() and _seconds() < deadline:
            self._start_writer()
            self._wake.set()
            threading.Event().wait(0.02)
        return not self._is_waiting()

    def stop(self) -> None:
        """Ends the writer; what it could not record stays in the spool for the next process."""
        self.flush_now(2.0)
        self._is_ending = True
        self._wake.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(timeout=3)
        last = self._spool.seal()
        for segment in [*self._sealed, *([last] if last else [])]:
            segment.release()
        self._sealed = []

    def _is_waiting(self) -> bool:
        return bool(self._is_writing or self._spool.has_lines() or self._unspooled or self._sealed)

    def _start_writer(self) -> None:
        if self._pid != os.getpid():
            self._pid, self._thread, self._sealed = os.getpid(), None, []
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._write_for_ever, name="error-logger", daemon=True)
            self._thread.start()

    def _write_for_ever(self) -> None:
        failures, looked_at = 0, 0.0
        connection: psycopg.Connection | None = None
        while not self._is_ending:
            self._wake.wait(ABANDONED_EVERY_SECONDS)
            self._wake.clear()
            threading.Event().wait(WRITE_EVERY_SECONDS)
            try:
                is_time = _seconds() - looked_at > ABANDONED_EVERY_SECONDS
                if not self._is_waiting() and not is_time:
                    continue
                if connection is None or connection.closed:
                    connection = self._connect()
                self._is_writing = True
                self._write_once(connection)
                if is_time:
                    self._take_over(connection)
                    looked_at = _seconds()
                failures = 0
            except Exception as error:
                with contextlib.suppress(Exception):
                    if connection is not None:
                        connection.close()
                connection = None
                self._say(f"errors wait in the spool: {type(error).__name__}")
                threading.Event().wait(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1
                self._wake.set()
            finally:
                self._is_writing = False
        if connection is not None:
            connection.close()

    def _write_once(self, connection: psycopg.Connection) -> None:
        segment = self._spool.seal()
        if segment is not None:
            self._sealed.append(segment)
        while self._sealed:
            try:
                record_events(connection, self._sealed[0].read(), self._sealed[0].name)
            except Exception:
                self._sealed[0].sync()
                raise
            self._sealed.pop(0).remove()
        # Looked at first and removed after: whoever waits for an empty queue must not see it empty too early.
        events = list(self._unspooled)
        if events:
            record_events(connection, events, f"memory-{secrets.token_hex(8)}")
            for _ in events:
                self._unspooled.popleft()

    def _take_over(self, connection: psycopg.Connection) -> None:
        for segment in self._spool.list_abandoned():
            try:
                record_events(connection, segment.read(), segment.name)
            except Exception:
                segment.release()
                raise
            segment.remove()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            self.database_url, connect_timeout=3, application_name="lux errors", options="-c statement_timeout=10000"
        )

    def _say(self, text: str) -> None:
        with contextlib.suppress(Exception):
            sys.stderr.write(f"LUX {text}\n")


def init_error_logger(app: Flask, *, database_url: str, folder: Path, redactor: Redactor, release: str) -> None:
    """Attaches the process's logger to the app, the root logger and the hooks of threads and the interpreter."""
    handler = ErrorLogger(
        database_url=database_url, folder=folder, redactor=redactor, release=release, process=process_kind()
    )
    app.extensions["lux_errors"] = handler
    app.before_request(handler.begin_request)
    _attach(handler)
    threading.excepthook = _thread_hook(handler)
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
        threading.__excepthook__(arguments)

    return hook


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
