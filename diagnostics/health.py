"""All health checks: CHECKS, made now or read from the clock's last round, and the state of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from diagnostics import checks, publishing_checks, slow_checks
from diagnostics.base import FAIL, WARN, Check, Finding, run_check, worst
from extensions import db
from models import HealthResult

STALE_AFTER = timedelta(minutes=15)

CHECKS: list[Check] = [
    Check("database", "Database", checks.check_database),
    Check("migrations", "Migrations", checks.check_migrations),
    Check("queue", "Queue", checks.check_queue),
    Check("worker", "Worker", checks.check_worker),
    Check("clock", "Clock", checks.check_clock),
    Check("jobs", "Timed jobs", checks.check_jobs),
    Check("mail_server", "Mail server", slow_checks.check_mail_server, is_slow=True),
    Check("bounce_mailbox", "Bounce mailbox", slow_checks.check_bounce_mailbox, is_slow=True),
    Check("complaints", "Complaints", checks.check_complaints),
    Check("model", "Model", checks.check_model),
    Check("circuit", "Model's circuit", checks.check_circuit),
    Check("replit", "Sign in with Replit", checks.check_replit),
    Check("inbox", "Webhook inbox", checks.check_inbox),
    Check("outgoing_webhooks", "Outgoing webhooks", publishing_checks.check_outgoing_webhooks),
    Check("error_rate", "Errors", checks.check_error_rate),
    Check("spool", "Spool", checks.check_spool),
    Check("disk", "Disk", checks.check_disk),
    Check("memory", "Memory", checks.check_memory),
    Check("certificate", "Certificate", slow_checks.check_certificate, is_slow=True),
    Check("logs", "Log access", slow_checks.check_logs, is_slow=True),
    Check("clock_offset", "Clock offset", slow_checks.check_clock_offset, is_slow=True),
]


@dataclass(frozen=True)
class Health:
    """The state of the whole and each check's finding, in the order of CHECKS."""

    status: str
    findings: list[tuple[Check, Finding]]


def check_health() -> Health:
    """Makes the quick checks now and reads the slow ones' last round. Never raises; changes nothing."""
    stored = _read_stored()
    found: list[tuple[Check, Finding]] = []
    is_gone = False
    for check in CHECKS:
        if check.is_slow:
            finding = stored.get(check.key) or Finding(WARN, "Not checked yet: the clock does it every five minutes.")
        elif is_gone and check.key not in ("disk", "memory", "model"):
            finding = Finding(FAIL, "The database does not answer.")
        else:
            finding = run_check(check)
            is_gone = is_gone or (check.key == "database" and finding.status == FAIL and finding.value is None)
            if finding.status != "pass":
                db.session.rollback()
        found.append((check, finding))
    return Health(worst([finding for _, finding in found]), found)


def run_slow_checks() -> int:
    """Makes the checks that ask somebody outside and keeps what they found; how many. For the clock."""
    slow = [check for check in CHECKS if check.is_slow]
    for check in slow:
        finding = run_check(check)
        values = {
            "status": finding.status,
            "text": finding.text,
            "value": str(finding.value) if finding.value is not None else None,
            "unit": finding.unit,
            "advice": finding.advice,
            "checked_at": finding.checked_at,
            "took_ms": finding.took_ms,
        }
        row = insert(HealthResult).values(key=check.key, **values)
        db.session.execute(row.on_conflict_do_update(index_elements=["key"], set_=values))
        db.session.commit()
    return len(slow)


def _read_stored() -> dict[str, Finding]:
    try:
        rows = list(db.session.scalars(select(HealthResult)))
    except SQLAlchemyError:
        db.session.rollback()
        return {}
    fresh = datetime.now(UTC) - STALE_AFTER
    return {
        row.key: Finding(row.status, row.text, row.value, row.unit, row.advice, row.checked_at, row.took_ms)
        for row in rows
        if row.checked_at > fresh
    }
