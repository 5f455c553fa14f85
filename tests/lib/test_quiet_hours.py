"""Quiet hours by the wall clock: over midnight, and in the nights when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.quiet_hours import find_quiet_end

BERLIN = ZoneInfo("Europe/Berlin")
times = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))


@pytest.mark.parametrize(
    ("now", "begin", "end", "until"),
    [
        ("2026-11-23 21:00", "21:00", "08:00", "2026-11-24 08:00"),
        ("2026-11-24 07:59", "21:00", "08:00", "2026-11-24 08:00"),
        ("2026-11-24 08:00", "21:00", "08:00", None),
        ("2026-11-24 20:59", "21:00", "08:00", None),
        ("2026-11-24 12:30", "12:00", "13:00", "2026-11-24 13:00"),
        ("2026-11-24 13:00", "12:00", "13:00", None),
        ("2026-11-24 12:00", "12:00", "12:00", None),
        ("2026-11-24 00:00", "21:00", "00:00", None),
        ("2026-11-24 23:59", "21:00", "00:00", "2026-11-25 00:00"),
    ],
)
def test_quiet_ends_at_its_time(now: str, begin: str, end: str, until: str | None) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=BERLIN)
    found = find_quiet_end(at, time.fromisoformat(begin), time.fromisoformat(end), BERLIN)
    expected = datetime.fromisoformat(until).replace(tzinfo=BERLIN) if until else None
    assert found == expected


def test_the_night_that_loses_an_hour_is_an_hour_shorter() -> None:
    begin = datetime(2026, 3, 28, 22, 0, tzinfo=BERLIN)
    found = find_quiet_end(begin, time(22), time(7), BERLIN)
    assert found is not None and (found - begin.astimezone(UTC)).total_seconds() == 8 * 3600


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)), times, times)
def test_the_end_lies_ahead_within_a_day_and_is_not_quiet_itself(now: datetime, begin: time, end: time) -> None:
    found = find_quiet_end(now, begin, end, BERLIN)
    if found is not None:
        assert 0 < (found - now).total_seconds() <= 25 * 3600
        local = found.astimezone(BERLIN).time()
        assert local == end or local.hour == end.hour + 1  # the hour that the clock skips
