"""Timetables: slots that every machine computes alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.timetable import Daily, Every

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
TIMETABLES = st.one_of(
    st.integers(1, 200_000).map(Every),
    st.builds(
        Daily, st.integers(0, 23), st.integers(0, 59), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])
    ),
)


@given(now=MOMENTS, timetable=TIMETABLES)
def test_now_lies_between_its_slot_and_the_next(now: datetime, timetable: Every | Daily) -> None:
    assert timetable.slot_at(now) <= now < timetable.next_after(now)


@given(now=MOMENTS, timetable=TIMETABLES)
def test_the_next_slot_is_the_slot_once_it_has_come(now: datetime, timetable: Every | Daily) -> None:
    following = timetable.next_after(now)
    assert timetable.slot_at(following) == following


@given(now=MOMENTS, seconds=st.integers(1, 200_000))
def test_slots_of_an_interval_are_its_length_apart(now: datetime, seconds: int) -> None:
    timetable = Every(seconds)
    assert timetable.next_after(now) - timetable.slot_at(now) == timedelta(seconds=seconds)


def test_a_daily_slot_follows_the_clock_on_the_wall_over_the_change_to_summer_time() -> None:
    two_in_berlin = Daily(2, 0, "Europe/Berlin")
    before = two_in_berlin.slot_at(datetime(2026, 3, 28, 12, tzinfo=UTC))
    after = two_in_berlin.slot_at(datetime(2026, 3, 30, 12, tzinfo=UTC))
    assert (before.hour, after.hour) == (1, 0)


@pytest.mark.parametrize(
    ("timetable", "words"),
    [
        (Every(10), "every 10 seconds"),
        (Every(60), "every minute"),
        (Every(300), "every 5 minutes"),
        (Every(3600), "every hour"),
        (Every(21600), "every 6 hours"),
        (Daily(2), "daily at 02:00"),
    ],
)
def test_a_timetable_reads_in_words(timetable: Every | Daily, words: str) -> None:
    assert str(timetable) == words
