"""What is told of one error: named by its fingerprint, redacted, and described in full when it is kept as a sample."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
import traceback as tracebacks
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from flask import g, has_request_context, request
from sqlalchemy import inspect

from lib.fingerprint import fingerprint, own_frames
from lib.redaction import Redactor
from lib.stack_frames import describe_frames

# So old may the latest sample of a storm be.
LATEST_EVERY_SECONDS = 1.0
FIRST_SAMPLES = 5
MOST_KNOWN_GROUPS = 2_000
MOST_BREADCRUMBS = 30
LONGEST_MESSAGE = 2_000
LONGEST_STACK = 20_000
LONGEST_BREADCRUMB = 300
ROOT = str(Path(__file__).resolve().parent)

Event = dict[str, Any]


@dataclass
class Known:
    """What this process remembers of a group: how often it saw it and when it last kept a sample."""

    count: int = 0
    sampled_at: float = float("-inf")


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


class EventMaker:
    """Makes the events of one process, and knows what each of its threads did before."""

    def __init__(self, redactor: Redactor, process: str) -> None:
        self._redactor = redactor
        self._process = process
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._known_lock = threading.Lock()
        self._crumbs = threading.local()

    def make(self, facts: Facts, release: str) -> Event:
        """The event of an error, ready to be kept."""
        where = _request_facts()
        raw = str(facts.error) if facts.error is not None else (facts.message or "")
        kind = facts.error_type or _class_name(facts.error)
        trace = facts.trace or (facts.error.__traceback__ if facts.error is not None else None)
        spot = facts.place or where.get("rule") or self._process
        name = fingerprint(kind, own_frames(trace, ROOT), raw, spot)
        event: Event = {
            "id": secrets.token_hex(16),
            "fp": name,
            "at": facts.at.isoformat(),
            "type": kind,
            "place": spot,
            "source": facts.source,
            "severity": facts.severity,
            "release": release,
        }
        if facts.once:
            event["once"] = list(facts.once)
        count, is_sample = self._count(name)
        event["message"] = self._redactor.text(raw)[:LONGEST_MESSAGE]
        if is_sample:
            event["sample"] = True
            self._describe(event, facts, trace, where, with_locals=count <= FIRST_SAMPLES)
        return event

    def forget_crumbs(self) -> None:
        """Forgets what this thread did: another request begins."""
        self._crumbs.kept = deque(maxlen=MOST_BREADCRUMBS)

    def add_crumb(self, record: logging.LogRecord) -> None:
        """Keeps what was logged, for the next error of this thread."""
        kept = getattr(self._crumbs, "kept", None)
        if kept is None:
            kept = self._crumbs.kept = deque(maxlen=MOST_BREADCRUMBS)
        text = self._redactor.text(record.getMessage()[:LONGEST_BREADCRUMB])
        kept.append({"at": record.created, "level": record.levelname, "logger": record.name, "text": text})

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
            "process": self._process,
            "pid": os.getpid(),
            **(facts.context or {}),
            "frames": describe_frames(trace, ROOT, self._redactor, with_locals=with_locals),
            "breadcrumbs": list(getattr(self._crumbs, "kept", ())),
        }

    def _stack(self, error: BaseException | None, trace: TracebackType | None) -> str | None:
        if error is None and trace is None:
            return None
        lines = tracebacks.format_exception(error) if error is not None else tracebacks.format_tb(trace)
        return self._redactor.text("".join(lines))[:LONGEST_STACK]

    def _count(self, name: str) -> tuple[int, bool]:
        """How often this process saw the group, and whether this one is kept as a sample."""
        now = time.monotonic()
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
