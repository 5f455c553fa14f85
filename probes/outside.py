"""Asks LUX over the loopback, as a proxy does: for faults that lie between the world and the app.

Only from the clock's thread, never from within a request: with one web process the question would wait for itself.
"""

from __future__ import annotations

import secrets

from flask import has_request_context
from sqlalchemy import select

from channels.own_address import ask_own_address
from config import current_settings
from error_logger import error_logger
from extensions import db
from models import ErrorLog
from probes.base import TestResult

# Where an error group comes from when the app itself never saw the fault.
SOURCES = ("nginx", "gunicorn", "systemd")
PATH, SHOWS = "/livez", '"status"'


def run_outside_probe(*, is_live_baseline: bool = False) -> TestResult | None:
    """One GET of /livez over the loopback; None from within a request, where it may not be made."""
    if has_request_context():
        return None
    settings, request_id = current_settings(), f"probe-{secrets.token_hex(8)}"
    answer = ask_own_address(settings.host, settings.port, PATH, {"X-Request-ID": request_id})
    is_well = answer.status == 200 and SHOWS in answer.text and not _has_error_row(request_id)
    seen = f"status {answer.status}" if answer.status else answer.text
    expected = f"status 200, {SHOWS} in the answer, no error under the probe's request id"
    return TestResult(
        "endpoint", f"GET {PATH} over the loopback", expected, seen[:200], is_well, f"loopback:{PATH}", is_live_baseline
    )


def _has_error_row(request_id: str) -> bool:
    error_logger().flush_now(1.0)
    db.session.rollback()
    return db.session.scalar(select(ErrorLog.id).where(ErrorLog.request_id == request_id).limit(1)) is not None
