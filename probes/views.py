"""Tries a view in this process as the least person who may see it would: read-only, at home, within three seconds."""

from __future__ import annotations

import contextvars
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Flask, current_app, g, has_request_context, render_template
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import BuildError

from error_logger import error_logger
from extensions import db
from lib.probe_mark import PROBE_KEY
from models import ErrorLog, User
from probes.base import Probe, TestResult
from probes.isolation import walled

DEADLINE_SECONDS = 3.0
WAIT_FOR_TURN_SECONDS = 15.0
LONGEST_SEEN = 200
# A person who exists in no table; the role is the least that the view's guard lets in.
PROBE_EMAIL = "probe@lux.invalid"

_turn = threading.Lock()


@dataclass
class _Outcome:
    """What one try brought."""

    status: int = 0
    text: str = ""
    trouble: str = ""
    errors: list[str] = field(default_factory=list)


class _ErrorWatch(logging.Handler):
    """Notes what is logged as an error under one request id."""

    def __init__(self, request_id: str) -> None:
        super().__init__(logging.ERROR)
        self.request_id = request_id
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if has_request_context() and g.get("request_id") == self.request_id:
            error = record.exc_info[1] if record.exc_info else None
            self.seen.append(type(error).__name__ if error is not None else record.name)


def find_probe(place: str | None) -> tuple[str, Probe] | None:
    """The endpoint and probe that a view at this place has declared; a place is `GET /contacts/`. None by default."""
    method, _, rule = (place or "").partition(" ")
    if method not in ("GET", "HEAD"):
        return None
    probes: Mapping[str, Probe] = current_app.config.get("PROBES", {})
    for found in current_app.url_map.iter_rules():
        if found.rule == rule and found.endpoint in probes and "GET" in (found.methods or ()):
            return found.endpoint, probes[found.endpoint]
    return None


def run_view_probe(endpoint: str, probe: Probe, *, is_live_baseline: bool = False) -> TestResult:
    """Tries the view once. A status alone proves nothing: words must be there, and no error under its request id."""
    tried = f"GET {endpoint} as the least role that may open it"
    expected = f"status {probe.status}, {probe.shows!r} in the answer, no error under the probe's request id"

    def result(seen: str, passed: bool) -> TestResult:
        return TestResult(
            "endpoint", tried, expected, seen[:LONGEST_SEEN], passed, f"view:{endpoint}", is_live_baseline
        )

    if not probe.can_fail(known_bad_answers()):
        return result("refused: this probe passes on an error page, so it proves nothing", False)
    address = _address(endpoint, probe)
    if address is None:
        return result("there is no row to try it with", False)
    if not _turn.acquire(timeout=WAIT_FOR_TURN_SECONDS):
        return result("another probe is still running", False)
    try:
        request_id = f"probe-{secrets.token_hex(8)}"
        outcome = _try(address, _role_of(endpoint), request_id)
    finally:
        _turn.release()
    if outcome.trouble:
        return result(outcome.trouble, False)
    fault = probe.find_fault(outcome.status, outcome.text)
    if fault is not None:
        return result(fault, False)
    if outcome.errors or _has_error_row(request_id):
        return result(f"status {outcome.status}, but an error was logged: {', '.join(outcome.errors)}", False)
    return result(f"status {outcome.status}, {probe.shows!r} is there, no error", True)


def known_bad_answers() -> dict[str, tuple[int, str]]:
    """Answers that no probe may take for good: LUX's own error page under every status, and an empty one."""
    known: dict[str, tuple[int, str]] | None = current_app.extensions.get("lux_bad_answers")
    if known is None:
        known = current_app.extensions["lux_bad_answers"] = _make_bad_answers()
    return known


def _make_bad_answers() -> dict[str, tuple[int, str]]:
    words = {"title": "Something went wrong", "detail": "LUX made a mistake.", "request_id": "-"}
    with current_app.test_request_context():
        page = {status: render_template("errors/error.html", status=status, **words) for status in (403, 404, 500, 503)}
    answers = {f"error page {status}": (status, text) for status, text in page.items()}
    disguised = {f"error page {status} under 200": (200, text) for status, text in page.items()}
    return {**answers, **disguised, "an empty page": (200, "")}


def _try(address: str, role: str, request_id: str) -> _Outcome:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way
    outcome = _Outcome()
    watch = _ErrorWatch(request_id)
    logging.getLogger().addHandler(watch)

    def go() -> None:
        # A fresh context: in the caller's, the view would get the caller's session and commit its work.
        contextvars.Context().run(_ask, app, address, role, request_id, outcome)

    thread = threading.Thread(target=go, name="lux-probe", daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    logging.getLogger().removeHandler(watch)
    outcome.errors = watch.seen
    if thread.is_alive():
        return _Outcome(trouble=f"no answer within {DEADLINE_SECONDS:.0f} s")
    return outcome


def _ask(app: Flask, address: str, role: str, request_id: str, outcome: _Outcome) -> None:
    person = User(id=0, email=PROBE_EMAIL, name="LUX probe", role=role, state="active", preferences={})
    try:
        with walled():
            # Flask's own client: another might leave this context, and with it the walls.
            answer = FlaskClient(app, app.response_class).get(
                address, headers={"X-Request-ID": request_id}, environ_overrides={PROBE_KEY: person}
            )
            outcome.status, outcome.text = answer.status_code, answer.get_data(as_text=True)
    except Exception as error:  # whatever the view does, the probe has an outcome
        outcome.trouble = f"{type(error).__name__}: {str(error)[:100]}"


def _address(endpoint: str, probe: Probe) -> str | None:
    values = {}
    for name, column in probe.sample.items():
        value = db.session.scalar(select(column).order_by(column.desc()).limit(1))
        if value is None:
            return None
        values[name] = value
    try:
        return str(current_app.url_map.bind("").build(endpoint, values))
    except BuildError:
        return None


def _role_of(endpoint: str) -> str:
    guards = current_app.config.get("GUARDS", {})
    name = getattr(guards.get(endpoint), "name", "owner")
    return {"marketer": "marketer", "operator": "operator", "operator_call": "operator", "owner": "owner"}.get(
        name, "viewer"
    )


def _has_error_row(request_id: str) -> bool:
    error_logger().flush_now(1.0)
    db.session.rollback()
    return db.session.scalar(select(ErrorLog.id).where(ErrorLog.request_id == request_id).limit(1)) is not None
