"""Sums by day, kept beside the events so that ten million of them answer at once; and the rows drawn from them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text

from analytics.periods import Period
from config import current_settings
from extensions import db
from models import AnalyticsSum, EventDay

# An event bears the moment at which it was noted, so that only the last days still grow.
OPEN_DAYS = 2
# What is summed in one transaction: a first sum of years never holds anything for long.
SLICE_DAYS = 14
BUDGET_SECONDS = 45.0
MOST_POINTS = 31
SERIES = {
    "sent": ("sent", "nobody"),
    "opened": ("open", "human"),
    "clicked": ("click", "human"),
    "machines": ("open", "machine"),
    "left": ("unsubscribe", "human"),
}
KIND = "days"
_LOCK = text("SELECT pg_advisory_xact_lock(4998488, 11)")
_EARLIEST = text("""
    SELECT (least((SELECT min(at) FROM tracking_events), (SELECT min(launched_at) FROM campaigns))
        AT TIME ZONE :zone)::date
""")
_CLEAR = text("DELETE FROM event_days WHERE day BETWEEN :first AND :last")
_ADD_EVENTS = text("""
    INSERT INTO event_days (day, campaign_id, kind, actor, link_id, count)
    SELECT (at AT TIME ZONE :zone)::date, campaign_id, kind, actor, coalesce(link_id, 0), count(*)
    FROM tracking_events WHERE at >= :begins AND at < :ends
    GROUP BY 1, 2, 3, 4, 5
""")
_ADD_SENT = text("""
    INSERT INTO event_days (day, campaign_id, kind, actor, link_id, count)
    SELECT (messages.finished_at AT TIME ZONE :zone)::date, campaign_id, 'sent', 'nobody', 0, count(*)
    FROM messages JOIN campaigns ON campaigns.id = campaign_id
    WHERE messages.state = 'sent' AND messages.finished_at >= :begins AND messages.finished_at < :ends
        AND campaigns.launched_at < :ends AND (campaigns.finished_at IS NULL OR campaigns.finished_at >= :begins)
    GROUP BY 1, 2
""")


@dataclass(frozen=True)
class DayRow:
    """One day, or the first day of a longer step, with what happened in it."""

    starts_on: date
    ends_on: date
    counts: dict[str, int]


def sum_days(now: datetime | None = None, budget_seconds: float = BUDGET_SECONDS) -> int:
    """Brings the sums up to now, slice by slice; commits each. How many rows it wrote. A job of the clock.

    What does not fit into the budget is left to the next run. A changed time zone has every day summed again.
    """
    zone = current_settings().timezone
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
    end, written = time.monotonic() + budget_seconds, 0
    while True:
        db.session.execute(_LOCK)
        state = _get_state(zone)
        first = _first_open(state, today)
        last = min(today, first + timedelta(days=SLICE_DAYS - 1))
        written += _sum_slice(Period(first, last, zone))
        state.through, state.summed_at = last, datetime.now(UTC)
        db.session.commit()
        if last >= today or time.monotonic() >= end:
            return written


def find_summed_at() -> tuple[datetime, bool] | None:
    """When the sums were made, and whether they reach to the newest days; None before the first time."""
    state = db.session.get(AnalyticsSum, KIND)
    if state is None or state.through is None:
        return None
    settings = current_settings()
    made_on = state.summed_at.astimezone(ZoneInfo(settings.timezone)).date()
    return state.summed_at, state.zone == settings.timezone and state.through >= made_on


def list_day_rows(period: Period) -> list[DayRow]:
    """The period in at most a month of points: by day, or in equal steps of several."""
    found = _sums(period)
    step = -(-period.days // MOST_POINTS)
    days = period.list_days()
    rows = []
    for at in range(0, len(days), step):
        part = days[at : at + step]
        rows.append(DayRow(part[0], part[-1], {name: _total(found, name, part) for name in SERIES}))
    return rows


def list_each_day(period: Period) -> dict[str, dict[date, int]]:
    """Every series by day; days on which nothing happened are left out."""
    found = _sums(period)
    return {
        name: {day: count for (day, kind, actor), count in found.items() if (kind, actor) == pair}
        for name, pair in SERIES.items()
    }


def sum_weeks(starts: Iterable[date], zone: str) -> dict[str, list[int]]:
    """Whole weeks by their first days, for the forecast."""
    begins = list(starts)
    found = _sums(Period(begins[0], begins[-1] + timedelta(days=6), zone))
    return {
        name: [_total(found, name, [begin + timedelta(days=at) for at in range(7)]) for begin in begins]
        for name in SERIES
    }


def _get_state(zone: str) -> AnalyticsSum:
    state = db.session.get(AnalyticsSum, KIND, populate_existing=True)
    if state is None:
        state = AnalyticsSum(kind=KIND, zone=zone)
        db.session.add(state)
    elif state.zone != zone:
        db.session.execute(text("DELETE FROM event_days"))
        state.zone, state.through = zone, None
    return state


def _first_open(state: AnalyticsSum, today: date) -> date:
    if state.through is not None:
        return min(state.through - timedelta(days=OPEN_DAYS), today)
    earliest = db.session.scalar(_EARLIEST, {"zone": state.zone})
    return min(earliest, today) if earliest is not None else today


def _sum_slice(part: Period) -> int:
    connection = db.session.connection()
    connection.execute(_CLEAR, {"first": part.first, "last": part.last})
    values = {"zone": part.zone, "begins": part.begins_at, "ends": part.ends_at}
    keeps_count = {"preserve_rowcount": True}
    return sum(
        connection.execute(statement, values, execution_options=keeps_count).rowcount
        for statement in (_ADD_EVENTS, _ADD_SENT)
    )


def _sums(period: Period) -> dict[tuple[date, str, str], int]:
    statement = (
        select(EventDay.day, EventDay.kind, EventDay.actor, func.sum(EventDay.count))
        .where(EventDay.day.between(period.first, period.last))
        .group_by(EventDay.day, EventDay.kind, EventDay.actor)
    )
    return {(day, kind, actor): int(count) for day, kind, actor, count in db.session.execute(statement)}


def _total(found: dict[tuple[date, str, str], int], name: str, days: list[date]) -> int:
    kind, actor = SERIES[name]
    return sum(found.get((day, kind, actor), 0) for day in days)
