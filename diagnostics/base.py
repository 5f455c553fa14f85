"""The contract of a health check, and how one is carried out without ever raising.

To add a check, write a function that returns a Finding and list it in CHECKS of diagnostics/health.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

PASS, WARN, FAIL = "pass", "warn", "fail"
SEVERITY = {PASS: 0, WARN: 1, FAIL: 2}


@dataclass(frozen=True)
class Finding:
    """What a check found. `advice` says what to do when it is not well; `checked_at` is set by run_check."""

    status: str
    text: str
    value: float | int | str | None = None
    unit: str | None = None
    advice: str = ""
    checked_at: datetime | None = None
    took_ms: float | None = None
    details: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Check:
    """A check: its key in the API, its name on the page, and whether it asks somebody outside: then the clock does."""

    key: str
    name: str
    function: Callable[[], Finding]
    is_slow: bool = False


def run_check(check: Check) -> Finding:
    """Carries the check out; an exception is a finding like any other."""
    started = time.monotonic()
    try:
        finding = check.function()
    except Exception as error:
        text = f"The check itself failed: {type(error).__name__}."
        finding = Finding(FAIL if check.key == "database" else WARN, text, advice="Look into the app log.")
    took = round((time.monotonic() - started) * 1000, 1)
    return replace(finding, checked_at=datetime.now(UTC), took_ms=took)


def worst(findings: list[Finding]) -> str:
    """pass, warn or fail: the worst of all."""
    return max((finding.status for finding in findings), key=lambda status: SEVERITY[status], default=PASS)


def as_json(finding: Finding) -> dict[str, Any]:
    """A finding in the form of draft-inadarei-api-health-check."""
    row = {
        "status": finding.status,
        "observedValue": finding.value,
        "observedUnit": finding.unit,
        "time": finding.checked_at.isoformat() if finding.checked_at else None,
        "output": finding.text,
        "advice": finding.advice or None,
        "took_ms": finding.took_ms,
        "details": list(finding.details) or None,
    }
    return {name: value for name, value in row.items() if value is not None}
