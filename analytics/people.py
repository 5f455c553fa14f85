"""What became of people by the month in which they arrived: cohorts, summed beside the events by the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, text

from analytics.periods import Period
from config import current_settings
from extensions import db
from models import AnalyticsSum, CohortMonth

MONTHS = 12
KIND = "cohorts"
BUDGET_SECONDS = 45.0
# Events of the last days of a month may still be noted in the first of the next.
OPEN_DAYS = 2
_LOCK = text("SELECT pg_advisory_xact_lock(4998488, 12)")
_CLEAR_ACTIVE = text("DELETE FROM cohort_months WHERE kind = 'active' AND month = :month")
_ADD_ACTIVE = text("""
    INSERT INTO cohort_months (cohort, kind, month, count)
    SELECT date_trunc('month', contacts.created_at AT TIME ZONE :zone)::date, 'active', :month, count(*)
    FROM (
        SELECT DISTINCT contact_id FROM tracking_events
        WHERE at >= :begins AND at < :ends AND actor = 'human' AND kind IN ('open', 'click')
    ) AS active JOIN contacts ON contacts.id = active.contact_id
    WHERE contacts.created_at >= :since AND contacts.created_at < :ends
    GROUP BY 1
""")
_CLEAR_PEOPLE = text("DELETE FROM cohort_months WHERE kind <> 'active' OR cohort < :oldest")
_ADD_PEOPLE = text("""
    WITH people AS (
        SELECT date_trunc('month', created_at AT TIME ZONE :zone)::date AS cohort, count(*) AS arrived,
            count(*) FILTER (WHERE subscription = 'subscribed') AS subscribed
        FROM contacts WHERE created_at >= :since GROUP BY 1
    )
    INSERT INTO cohort_months (cohort, kind, month, count)
    SELECT cohort, 'arrived', cohort, arrived FROM people
    UNION ALL SELECT cohort, 'subscribed', cohort, subscribed FROM people
""")


@dataclass(frozen=True)
class Cohort:
    """The contacts of one month: how many came, are subscribed now, and read or clicked in each month since."""

    month: date
    arrived: int
    subscribed: int
    active: list[int | None]

    def percent(self, count: int | None) -> float | None:
        """A share of those who came; an erased contact leaves both numbers."""
        return min(100.0, 100 * count / self.arrived) if self.arrived and count is not None else None


def sum_cohorts(now: datetime | None = None, budget_seconds: float = BUDGET_SECONDS) -> None:
    """Brings the cohorts up to now, month by month; commits each. A job of the clock."""
    zone = current_settings().timezone
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
    months = list_months(today)
    since, end = Period(months[0], months[0], zone).begins_at, time.monotonic() + budget_seconds
    for month in _list_open(months, today, zone):
        db.session.execute(_LOCK)
        whole = Period(month, _end_of(month), zone)
        connection = db.session.connection()
        connection.execute(_CLEAR_ACTIVE, {"month": month})
        values = {"zone": zone, "month": month, "since": since}
        connection.execute(_ADD_ACTIVE, {**values, "begins": whole.begins_at, "ends": whole.ends_at})
        _note(zone, month)
        db.session.commit()
        if time.monotonic() >= end:
            break
    db.session.execute(_LOCK)
    connection = db.session.connection()
    connection.execute(_CLEAR_PEOPLE, {"oldest": months[0]})
    connection.execute(_ADD_PEOPLE, {"zone": zone, "since": since})
    db.session.commit()


def list_cohorts(zone: str, now: datetime | None = None) -> list[Cohort]:
    """The last twelve months in which somebody arrived, the newest first; months to come are None."""
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
    months = list_months(today)
    rows = db.session.execute(
        select(CohortMonth.cohort, CohortMonth.kind, CohortMonth.month, CohortMonth.count).where(
            CohortMonth.cohort >= months[0]
        )
    )
    found = {(cohort, kind, month): int(count) for cohort, kind, month, count in rows}
    cohorts = []
    for at, month in enumerate(months):
        arrived = found.get((month, "arrived", month), 0)
        if arrived:
            active: list[int | None] = [found.get((month, "active", later), 0) for later in months[at:]]
            subscribed = found.get((month, "subscribed", month), 0)
            cohorts.append(Cohort(month, arrived, subscribed, active + [None] * at))
    return cohorts[::-1]


def list_months(today: date) -> list[date]:
    """The first days of the last twelve months, the running one last."""
    count = today.year * 12 + today.month - 1
    return [date(one // 12, one % 12 + 1, 1) for one in range(count - MONTHS + 1, count + 1)]


def _list_open(months: list[date], today: date, zone: str) -> list[date]:
    """The months that still have to be summed: all of them at first and after a change of the time zone."""
    state = db.session.get(AnalyticsSum, KIND, populate_existing=True)
    if state is None or state.through is None or state.zone != zone:
        return months
    newest = min(state.through, (today - timedelta(days=OPEN_DAYS)).replace(day=1))
    return [month for month in months if month >= newest]


def _note(zone: str, month: date) -> None:
    state = db.session.get(AnalyticsSum, KIND, populate_existing=True)
    if state is None:
        state = AnalyticsSum(kind=KIND, zone=zone)
        db.session.add(state)
    state.zone, state.through, state.summed_at = zone, month, datetime.now(UTC)


def _end_of(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1) - timedelta(days=1)
