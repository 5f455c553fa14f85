"""Diagnostics › Logs: what nginx, gunicorn, systemd and LUX itself wrote, newest first, and what it means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, request

from lib.log_records import LogRecord
from log_reader import SOURCES, SourceReading, analyse, read_source

page = Blueprint("diagnostics_logs", __name__)

HOURS = (("1", "Last hour"), ("6", "Last 6 hours"), ("24", "Last day"), ("168", "Last week"))
LEVELS = (("", "Any level"), ("warning", "Warning and worse"), ("error", "Error and worse"))
MOST_SHOWN = 300
LEVEL_KINDS = {"debug": "neutral", "info": "info", "notice": "info", "warning": "warn"}
OLDEST = datetime.min.replace(tzinfo=UTC)


@page.app_template_global("log_level")
def log_level(level: str) -> tuple[str, str]:
    """Icon and word of a record's level."""
    return LEVEL_KINDS.get(level, "danger"), level.capitalize()


@page.get("/")
def index() -> str:
    """The logs with their filters."""
    return render_template("diagnostics/logs.html", **_read())


@page.get("/records")
def records() -> str:
    """The records as a fragment, for the page that keeps itself up to date."""
    return render_template("diagnostics/_records.html", **_read())


def _read() -> dict[str, Any]:
    arguments = request.args
    source, level = arguments.get("source", ""), arguments.get("level", "")
    hours, text = arguments.get("hours", "24"), arguments.get("q", "").strip()[:200]
    source = source if source in SOURCES else ""
    level = level if level in dict(LEVELS) else ""
    hours = hours if hours in dict(HOURS) else "24"
    since = datetime.now(UTC) - timedelta(hours=int(hours))
    names = [source] if source else list(SOURCES)
    readings = [read_source(name, since=since, level=level or None, text=text or None) for name in names]
    found = sorted(_records_of(readings), key=lambda record: record.time or OLDEST, reverse=True)
    return {
        "readings": readings,
        "findings": [finding for finding in analyse(found) if finding.kind != "traffic noise"][:8],
        "records": found[:MOST_SHOWN],
        "count": len(found),
        "q": text,
        "source": source,
        "level": level,
        "hours": hours,
        "sources": [("", "All sources"), *((name, name) for name in SOURCES)],
        "levels": list(LEVELS),
        "spans": list(HOURS),
    }


def _records_of(readings: list[SourceReading]) -> list[LogRecord]:
    return [record for reading in readings for record in reading.records]
