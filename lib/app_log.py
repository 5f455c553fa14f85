"""LUX's own log file: one head a record, redacted, with the request's id; every further line is marked as such.

`2026-11-23T05:09:11.123Z ERROR web 1234 abcdef0123456789 lux.audience: message`
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lib.redaction import Redactor

# Before every line but a record's first, so that no text can pose as the head of another record.
CONTINUED = "  | "


class AppLogFormatter(logging.Formatter):
    """Formats a record as the app log has it. `request_id` gives the id of the request under way, or None."""

    def __init__(self, process: str, redactor: Redactor, request_id: Callable[[], str | None]) -> None:
        super().__init__()
        self.process = process
        self.redactor = redactor
        self.request_id = request_id

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        message = self.redactor.text(record.getMessage())
        who = f"{self.process} {os.getpid()} {self.request_id() or '-'}"
        text = f"{at} {record.levelname} {who} {record.name}: {message}"
        if record.exc_info:
            text += "\n" + self.redactor.text(self.formatException(record.exc_info))
        return f"\n{CONTINUED}".join(text.splitlines())


class RedactingFormatter(logging.Formatter):
    """Somebody else's format, without secrets."""

    def __init__(self, inner: logging.Formatter | None, redactor: Redactor) -> None:
        super().__init__()
        self.inner, self.redactor = inner or logging.Formatter(), redactor

    def format(self, record: logging.LogRecord) -> str:
        return self.redactor.text(self.inner.format(record))


class AppLogFile(logging.handlers.WatchedFileHandler):
    """The file, opened when first needed and again after a rotation; a full disk or a missing folder stops nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, delay=True, encoding="utf-8", errors="backslashreplace")

    def emit(self, record: logging.LogRecord) -> None:
        try:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
            super().emit(record)
        except OSError:
            self._let_go()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """The log cannot be written: the program goes on without it."""
        self._let_go()

    def _let_go(self) -> None:
        """Closes the file with what it could not write, so that the next record begins anew."""
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()
