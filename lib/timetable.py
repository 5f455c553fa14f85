"""When a timed job is due: fixed slots that every machine computes alike, whenever it was started."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Every:
    """Due every so many seconds, counted from the first day of the year 2000."""

    seconds: int

    def slot_at(self, now: datetime) -> datetime:
        """The latest slot that has begun at `now`."""
        return EPOCH + (now - EPOCH) // timedelta(seconds=self.seconds) * timedelta(seconds=self.seconds)

    def next_after(self, now: datetime) -> datetime:
        """The first slot that begins after `now`."""
        return self.slot_at(now) + timedelta(seconds=self.seconds)

    def __str__(self) -> str:
        if self.seconds % 3600 == 0:
            return "every hour" if self.seconds == 3600 else f"every {self.seconds // 3600} hours"
        if self.seconds % 60 == 0:
            return "every minute" if self.seconds == 60 else f"every {self.seconds // 60} minutes"
        return f"every {self.seconds} seconds"


@dataclass(frozen=True)
class Daily:
    """Due once a day at a time of the clock on the wall, also on the days when that clock is changed."""

    hour: int
    minute: int = 0
    zone: str = "UTC"

    def slot_at(self, now: datetime) -> datetime:
        """The latest slot that has begun at `now`."""
        today = self._on(now, 0)
        return today if today <= now else self._on(now, -1)

    def next_after(self, now: datetime) -> datetime:
        """The first slot that begins after `now`."""
        today = self._on(now, 0)
        return today if today > now else self._on(now, 1)

    def _on(self, now: datetime, days: int) -> datetime:
        day = now.astimezone(ZoneInfo(self.zone)) + timedelta(days=days)
        return day.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0, fold=0).astimezone(UTC)

    def __str__(self) -> str:
        return f"daily at {self.hour:02}:{self.minute:02}"


Timetable = Every | Daily
