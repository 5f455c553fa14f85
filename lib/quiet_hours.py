"""The hours of a day in which nothing is sent: a span of wall-clock time that may pass midnight."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def find_quiet_end(now: datetime, begin: time, end: time, zone: ZoneInfo) -> datetime | None:
    """The moment at which quiet that holds now ends, or None outside of it. `begin` = `end` means never quiet.

    Where the clock skips that hour, quiet ends with the skip.
    """
    local = now.astimezone(zone)
    clock = local.time().replace(tzinfo=None)
    is_quiet = begin <= clock < end if begin < end else (clock >= begin or clock < end) and begin != end
    if not is_quiet:
        return None
    day = local.date() if clock < end else local.date() + timedelta(days=1)
    return datetime.combine(day, end, tzinfo=zone).astimezone(UTC)
