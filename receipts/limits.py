"""How much LUX may repair by itself: three times an hour, each group once per cooldown, each repair so often a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from extensions import db
from models import ErrorGroup, RepairPlan, RepairStep, RepairVerification
from receipts.switches import find_stop

AUTOMATIC_AN_HOUR = 3
FAILURES_BEFORE_A_PERSON = 2
DONE = ("running", "done", "failed", "undone")
# One repair run at a time over the whole database: "LUX" in hexadecimal, and the repairs.
RUN_LOCK = (0x4C5558, 4)


@dataclass(frozen=True)
class Allowance:
    """How much of the hour is used."""

    used: int
    most: int = AUTOMATIC_AN_HOUR

    @property
    def left(self) -> int:
        return max(0, self.most - self.used)


def get_allowance() -> Allowance:
    """Automatic actions of the last hour."""
    return Allowance(_count(timedelta(hours=1), RepairStep.is_automatic))


def find_limit(repair: str, cooldown: timedelta, daily_limit: int, *, is_automatic: bool, group_id: int | None) -> str:
    """Why this repair may not run now, in a sentence; empty when it may. A person is held by stop and daily limit."""
    stop = find_stop()
    if stop is not None:
        return stop
    today = _count(timedelta(days=1), RepairStep.repair == repair)
    if today >= daily_limit:
        return f"{repair} has run {today} times in 24 h, which is its limit."
    if not is_automatic:
        return ""
    if get_allowance().left == 0:
        return f"LUX has repaired {AUTOMATIC_AN_HOUR} times by itself within the hour; the next waits."
    if _count(cooldown, RepairStep.repair == repair):
        return f"{repair} ran less than {_span(cooldown)} ago; it waits for its cooldown."
    if group_id is not None and _has_acted_on(group_id, cooldown):
        return f"This group was repaired less than {_span(cooldown)} ago."
    return ""


def count_failed_verifications(group: ErrorGroup) -> int:
    """How often a repair of this group did not hold since it was last resolved or a person reopened it."""
    query = select(RepairVerification.state).where(RepairVerification.group_id == group.id)
    failures = 0
    for state in db.session.scalars(query.order_by(RepairVerification.id.desc()).limit(20)):
        if state in ("resolved_verified", "needs_human"):
            break
        failures += state == "still_failing"
    return failures


def _count(within: timedelta, *conditions: object) -> int:
    since = datetime.now(UTC) - within
    query = select(func.count()).select_from(RepairStep).where(RepairStep.started_at > since, *conditions)  # type: ignore[arg-type]  # columns and comparisons of one table
    return db.session.scalar(query.where(RepairStep.state.in_(DONE))) or 0


def _has_acted_on(group_id: int, cooldown: timedelta) -> bool:
    since = datetime.now(UTC) - cooldown
    query = select(RepairStep.id).join(RepairPlan, RepairPlan.id == RepairStep.plan_id)
    query = query.where(RepairPlan.group_id == group_id, RepairStep.started_at > since, RepairStep.is_automatic)
    return db.session.scalar(query.limit(1)) is not None


def _span(cooldown: timedelta) -> str:
    minutes = round(cooldown.total_seconds() / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
