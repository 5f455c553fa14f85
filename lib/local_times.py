"""A wall-clock time in a zone, turned into a moment: gaps are refused and explained, doubled hours are named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# The zones that a field suggests; every zone of the machine's database is accepted.
USUAL_ZONES = (
    "UTC", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Berlin", "Europe/Paris", "Europe/Madrid",
    "Europe/Rome", "Europe/Amsterdam", "Europe/Vienna", "Europe/Zurich", "Europe/Stockholm", "Europe/Warsaw",
    "Europe/Athens", "Europe/Helsinki", "Europe/Istanbul", "Europe/Kyiv", "Africa/Cairo", "Africa/Johannesburg",
    "Africa/Lagos", "Africa/Nairobi", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata", "Asia/Dhaka", "Asia/Bangkok",
    "Asia/Jakarta", "Asia/Singapore", "Asia/Hong_Kong", "Asia/Shanghai", "Asia/Manila", "Asia/Seoul", "Asia/Tokyo",
    "Australia/Perth", "Australia/Adelaide", "Australia/Sydney", "Pacific/Auckland", "America/Halifax",
    "America/New_York", "America/Toronto", "America/Chicago", "America/Denver", "America/Phoenix",
    "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu", "America/Mexico_City", "America/Bogota",
    "America/Lima", "America/Santiago", "America/Sao_Paulo", "America/Argentina/Buenos_Aires",
)  # fmt: skip


class LocalTimeInvalid(ValueError):
    """The time cannot be used; the text says why in one sentence. `field` is date, time or zone."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class LocalTime:
    """A moment, and a sentence about it where the clock does something unusual that night."""

    at: datetime
    note: str


def find_zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises LocalTimeInvalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LocalTimeInvalid("timezone", "Choose a time zone such as Europe/Berlin.") from error


def read_local_time(date: str, time: str, zone_name: str) -> LocalTime:
    """The moment of a date and a time of day in a zone. Raises LocalTimeInvalid for a time that the clock skips."""
    zone = find_zone(zone_name)
    try:
        day = datetime.strptime(date, "%Y-%m-%d")
    except ValueError as error:
        raise LocalTimeInvalid("date", "Choose a date.") from error
    try:
        clock = datetime.strptime(time, "%H:%M")
    except ValueError as error:
        raise LocalTimeInvalid("time", "Choose a time, such as 09:30.") from error
    if not 2000 <= day.year <= 2100:
        raise LocalTimeInvalid("date", "Choose a date within the next years.")
    local = day.replace(hour=clock.hour, minute=clock.minute)
    return _resolve(local, zone, zone_name)


def _resolve(local: datetime, zone: ZoneInfo, zone_name: str) -> LocalTime:
    first, second = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    if back != local:
        gap = back - local if back > local else local - back
        next_time = local + gap
        raise LocalTimeInvalid(
            "time",
            f"{local:%H:%M} does not exist on {_day(local)} in {zone_name}: the clocks go forward by {_long(gap)}. "
            f"{next_time:%H:%M} is the same distance after the change.",
        )
    if first.utcoffset() != second.utcoffset():
        note = f"{local:%H:%M} comes twice on {_day(local)} in {zone_name}: the clocks go back. LUX takes the first."
        return LocalTime(first.astimezone(UTC), note)
    return LocalTime(first.astimezone(UTC), "")


def _day(local: datetime) -> str:
    return f"{local.day} {local:%B %Y}"


def _long(gap: timedelta) -> str:
    minutes = int(gap.total_seconds() // 60)
    return "an hour" if minutes == 60 else f"{minutes} minutes"
