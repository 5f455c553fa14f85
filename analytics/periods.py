"""The days that analytics looks at, and the as many days before them that they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from errors import InputInvalid

PRESETS = {"7": "7 days", "28": "28 days", "90": "90 days", "365": "A year"}
USUAL_DAYS = 28
LONGEST_DAYS = 3 * 366


@dataclass(frozen=True)
class Period:
    """From the first to the last day, both included, in a time zone."""

    first: date
    last: date
    zone: str

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def begins_at(self) -> datetime:
        return self._midnight(self.first)

    @property
    def ends_at(self) -> datetime:
        """The first moment after it."""
        return self._midnight(self.last + timedelta(days=1))

    def before(self) -> Period:
        """As many days that end where this period begins."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1), self.zone)

    def list_days(self) -> list[date]:
        """Each day of it, in order."""
        return [self.first + timedelta(days=at) for at in range(self.days)]

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)


def read_period(days: str, first: str, last: str, zone: str, now: datetime | None = None) -> Period:
    """The period of a form: two dates, or else so many days until today. Raises InputInvalid."""
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
    if first or last:
        return _between(first, last, zone, today)
    if days and days not in PRESETS:
        raise InputInvalid({"days": f"Choose one of {', '.join(PRESETS)} days."})
    return Period(today - timedelta(days=int(days or USUAL_DAYS) - 1), today, zone)


def _between(first: str, last: str, zone: str, today: date) -> Period:
    errors: dict[str, str] = {}
    begin, end = _date(first, "first", errors), _date(last, "last", errors) if last else today
    if begin is not None and end is not None:
        if end < begin:
            errors["last"] = "The last day lies before the first."
        elif (end - begin).days >= LONGEST_DAYS:
            errors["first"] = "Choose at most three years."
    if errors or begin is None or end is None:
        raise InputInvalid(errors)
    return Period(begin, end, zone)


def _date(text: str, name: str, errors: dict[str, str]) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        errors[name] = "Choose a day."
        return None
    if not 2000 <= found.year <= 2100:
        errors[name] = "Choose a day of this century."
        return None
    return found
