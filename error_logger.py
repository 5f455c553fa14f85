"""Captures and groups every error of every process; never raises, never loses one, never touches the request's session.

An error is redacted, named by its fingerprint and written to this process's spool before capture() returns, so that it
survives the process. One thread per process takes the spool into the database on a connection of its own; what a killed
process leaves behind, another takes over. It is a logging handler: whatever logs at ERROR or above is captured.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import sys
import threading
import traceback as tracebacks
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from flask import Flask, current_app, g, has_request_context, request
from werkzeug.wrappers import Response

from error_events import LONGEST_MESSAGE, Event, EventMaker, Facts
from error_spool import ErrorSpool
from lib.app_log import AppLogFile, AppLogFormatter
from lib.redaction import Redactor
from lib.shared_counters import SharedCounters

# Their 503 is the answer that was asked for.
TELLS_BY_STATUS = frozenset({"health.readyz", "diagnostics_api.health"})
# The words of a command that may be shown; what else stands in a command line may be a secret.
COMMANDS = frozenset({"lux", "db", "work", "upgrade", "settings", "diagnose", "first-start", "owner-link"})


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
        self.lost_count = 0
        self._spool = ErrorSpool(folder, database_url)
        self._events = EventMaker(redactor, process)

    # ── capturing ──

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a breadcrumb; captures what is an error. Never raises."""
        try:
            if record.levelno >= logging.ERROR or getattr(record, "is_captured", False):
                self._capture_record(record)
            else:
                self._events.add_crumb(record)
        except Exception:  # the one place where an error may not become an error
            self._lose()

    def begin_request(self) -> None:
        """Forgets the breadcrumbs of the request before."""
        self._events.forget_crumbs()

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
            event = self._events.make(facts, self.release_name)
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

    def _keep(self, event: Event) -> None:
        if not self._spool.keep(event):
            self._lose()
        if self._counters is not None:
            self._counters.count("lux_errors_total", str(event["severity"]))

    def _lose(self) -> None:
        self.lost_count += 1
        if self._counters is not None:
            self._counters.count("lux_errors_undescribed_total")

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
    """Makes the app's logger and lets it listen."""
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
    atexit.register(handler.stop)
    listen(app)


def init_app_log(app: Flask, path: Path, redactor: Redactor) -> None:
    """Writes what LUX logs to its own file, and warnings to stderr, where gunicorn's log or the journal has them."""
    formatter = AppLogFormatter(process_kind(), redactor, _request_id)
    file, screen = AppLogFile(path), logging.StreamHandler()
    screen.setLevel(logging.WARNING)
    for handler in (file, screen):
        handler.setFormatter(formatter)
    app.extensions["lux_log"] = (file, screen)
    logging.getLogger("lux").setLevel(logging.INFO)


def listen(app: Flask) -> None:
    """Lets the app hear what this process logs and what ends its threads, in place of the app that heard it before.

    A process has one app, and that listens from its start. Tests have many: the one that they look at is to hear.
    """
    errors: ErrorLogger = app.extensions["lux_errors"]
    root = logging.getLogger()
    for handler in (*app.extensions["lux_log"], errors):
        for former in [one for one in root.handlers if type(one) is type(handler)]:
            root.removeHandler(former)
        root.addHandler(handler)
    threading.excepthook = _thread_hook(errors)
    sys.excepthook = _process_hook(errors)


def stop_listening(app: Flask) -> None:
    """The end of an app in a process that goes on: it hears nothing more, and its writer and its log end."""
    errors: ErrorLogger = app.extensions["lux_errors"]
    for handler in (*app.extensions["lux_log"], errors):
        logging.getLogger().removeHandler(handler)
    for handler in app.extensions["lux_log"]:
        handler.close()
    errors.stop()
    atexit.unregister(errors.stop)


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


def process_kind() -> str:
    """What this process is, by its command line: web, worker, tests, command or process."""
    words = " ".join(sys.argv[:6])
    for word, kind in (("gunicorn", "web"), (" work", "worker"), ("pytest", "tests"), ("flask", "command")):
        if word in words:
            return kind
    return "process"
