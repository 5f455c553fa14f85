"""Where things go if they go on like this: whole weeks, and the next ones with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from analytics.days import sum_weeks
from lib.trends import Range, forecast

WEEKS, AHEAD = 12, 4


@dataclass(frozen=True)
class Outlook:
    """The past weeks of one row, and the weeks to come; no ranges where too little is known."""

    name: str
    starts: list[date]
    values: list[int]
    ahead: list[tuple[date, Range]]


def list_outlooks(zone: str, now: datetime | None = None) -> list[Outlook]:
    """Messages sent and clicks by people, in whole weeks."""
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
    monday = today - timedelta(days=today.weekday())
    starts = [monday - timedelta(weeks=WEEKS - at) for at in range(WEEKS)]
    sums = sum_weeks(starts, zone)
    return [_outlook(label, starts, sums[key], monday) for key, label in (("sent", "Sent"), ("clicked", "Clicked"))]


def _outlook(label: str, starts: list[date], values: list[int], monday: date) -> Outlook:
    # Weeks before the first event are not weeks without events.
    known = next((at for at, value in enumerate(values) if value), len(values))
    ranges = forecast([float(value) for value in values[known:]], AHEAD) or []
    return Outlook(label, starts, values, [(monday + timedelta(weeks=at), one) for at, one in enumerate(ranges)])
