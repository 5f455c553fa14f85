"""Where things go if they go on like this: whole weeks, and the next ones with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from analytics.days import sum_weeks
from analytics.periods import Period
from extensions import db
from lib.trends import Range, forecast
from models import Contact

WEEKS, AHEAD = 12, 4
LABELS = {"sent": "Messages sent", "clicked": "Clicks by people", "contacts": "New contacts"}


@dataclass(frozen=True)
class Outlook:
    """The past weeks of one row, and the weeks to come; no ranges where too little is known."""

    key: str
    label: str
    starts: list[date]
    values: list[int]
    ahead: list[tuple[date, Range]]


def list_outlooks(zone: str, now: datetime | None = None) -> list[Outlook]:
    """Messages sent, clicks by people and new contacts, in whole weeks from Monday."""
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
    monday = today - timedelta(days=today.weekday())
    starts = [monday - timedelta(weeks=WEEKS - at) for at in range(WEEKS)]
    sums = sum_weeks(starts, zone) | {"contacts": _sum_arrivals(starts, zone)}
    return [_outlook(key, starts, sums[key], monday) for key in LABELS]


def _sum_arrivals(starts: list[date], zone: str) -> list[int]:
    whole = Period(starts[0], starts[-1] + timedelta(days=6), zone)
    week = func.date_trunc("week", func.timezone(zone, Contact.created_at))
    arrived = Contact.created_at >= whole.begins_at, Contact.created_at < whole.ends_at
    rows = db.session.execute(select(week, func.count()).where(*arrived).group_by(week))
    found = {begin.date(): int(count) for begin, count in rows}
    return [found.get(start, 0) for start in starts]


def _outlook(key: str, starts: list[date], values: list[int], monday: date) -> Outlook:
    # Weeks before the first event are not weeks without events.
    known = next((at for at, value in enumerate(values) if value), len(values))
    ranges = forecast([float(value) for value in values[known:]], AHEAD) or []
    ahead = [(monday + timedelta(weeks=at), one) for at, one in enumerate(ranges)]
    return Outlook(key, LABELS[key], starts, values, ahead)
