"""Reads JSON that people paste: the journal's and containers' lines, error bodies of services, LUX's own answers.

To add a shape, write a function for it and call it in _of_row of diagnosis/reading.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from diagnosis.base import Signal
from diagnosis.codes import OPENAI_CODES, codes_of
from lib.journal import read_entry

LONGEST_DOCUMENT = 2_000_000
MOST_ROWS = 500
# Where other programs' JSON logs keep their words, their level, their moment and their trace.
_WORDS = ("message", "msg", "text", "log", "event", "detail", "error_message")
_LEVELS = ("level", "severity", "lvl", "levelname")
_MOMENTS = ("time", "timestamp", "ts", "@timestamp", "asctime", "datetime")
_TRACES = ("exception", "exc_info", "traceback", "stack", "stack_trace", "stacktrace", "error_stack")
SETTLED_STATES = ("resolved_verified", "resolved_by_human")

Row = Mapping[str, Any]


def parse(text: str) -> Any:
    """The JSON value of a text, or None when it is none; never raises."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[")) or len(stripped) > LONGEST_DOCUMENT:
        return None
    try:
        return json.loads(stripped)
    except (ValueError, RecursionError):
        return None


def lines_of_row(line: str) -> list[str] | None:
    """The lines of text that one line of JSON stands for, or None when it is not such a line."""
    row = parse(line)
    if not isinstance(row, dict):
        return None
    entry = read_entry(line.strip().encode("utf-8", "replace")) if "MESSAGE" in row else None
    if entry is not None:
        moment = (entry.time or datetime.now(UTC)).isoformat(timespec="microseconds")
        program = "".join(c for c in entry.program if c.isalnum() or c in "./@-_")[:80] or "program"
        mark = {"critical": "<2>", "error": "<3>", "warning": "<4>"}.get(entry.level, "")
        pid = f"[{entry.pid}]" if entry.pid else ""
        first, *further = entry.message.split("\n")
        # The journal gives gunicorn's lines its own priority: the mark would stand before gunicorn's date.
        mark = "" if first.startswith("[") else mark
        return [f"{moment} host {program}{pid}: {mark}{first}", *further]
    if isinstance(row.get("log"), str) and "stream" in row:
        return str(row["log"]).rstrip("\n").split("\n")
    return None


def list_rows(value: Any) -> list[Row]:
    """The rows of a document: itself, or what stands in the list that it is or holds."""
    if isinstance(value, list):
        return [row for row in value[:MOST_ROWS] if isinstance(row, dict)]
    if isinstance(value, dict) and isinstance(value.get("errors"), list):
        return [row for row in value["errors"][:MOST_ROWS] if isinstance(row, dict)]
    return [value] if isinstance(value, dict) else []


def is_settled_row(row: Row) -> bool:
    """Whether LUX's own answer says that this error was resolved."""
    return row.get("is_resolved") is True or row.get("state") in SETTLED_STATES


def find_service_error(row: Row) -> tuple[str, tuple[str, ...]] | None:
    """Message and codes of the error body of a model's service: `{"error": {"message", "type", "code"}}`."""
    error = row.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    codes = [str(error.get(name)) for name in ("code", "type") if error.get(name)]
    known = [code for code in codes if code in OPENAI_CODES]
    # "invalid_request_error" alone says nothing.
    known.sort(key=lambda code: code == "invalid_request_error")
    status = next((f"http {code}" for code in codes if code.isdigit() and len(code) == 3), None)
    return error["message"][:2000], (*dict.fromkeys(known), *((status,) if status else ()))


def health_signals(row: Row, evidence_id: str) -> list[Signal] | None:
    """The checks that are not well of an answer of /api/diagnostics/health."""
    checks = row.get("checks")
    if not isinstance(checks, dict) or row.get("status") not in ("pass", "warn", "fail"):
        return None
    signals = []
    for key, found in list(checks.items())[:MOST_ROWS]:
        first = found[0] if isinstance(found, list) and found else found
        if isinstance(first, dict):
            status, text = str(first.get("status", "")), str(first.get("output") or first.get("text") or "")[:500]
            signals.append(health_signal(str(key)[:60], status, text))
    return signals or [Signal("health", "", evidence_id, level="info", said="health: nothing to tell")]


def health_signal(key: str, status: str, text: str) -> Signal:
    """The signal of one health check."""
    level = {"fail": "error", "warn": "warning"}.get(status, "info")
    fields = {"check": key, "status": status}
    said = f"health {key} {status}: {text}"
    codes = codes_of("", text) if level == "error" else ()
    signal = Signal("health", text, f"health:{key}", said=said, level=level, fields=fields)
    return replace(signal, code=codes[0], further_codes=codes[1:]) if codes else signal


def text_of_row(row: Row) -> str | None:
    """Another program's JSON record as lines of text."""
    words = next((str(row[name]) for name in _WORDS if isinstance(row.get(name), str)), None)
    kind = row.get("error_type") or row.get("exc_type")
    if words is not None and isinstance(kind, str):
        words = f"{kind}: {words}"
    trace = next((row[name] for name in _TRACES if isinstance(row.get(name), str) and row[name]), None)
    if words is None and trace is None:
        return None
    if trace is not None:
        return str(trace)
    level = next((str(row[name]).upper() for name in _LEVELS if isinstance(row.get(name), str)), "")
    moment = next((str(row[name]) for name in _MOMENTS if isinstance(row.get(name), str)), "")
    if level and moment and "\n" not in (words or ""):
        return f"{moment} {level} {words}"
    return words
