"""Periods: presets and dates, the same number of days before, midnights of a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from analytics.periods import Period, read_period
from errors import InputInvalid

NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)


def test_four_weeks_until_today_are_usual_and_today_is_the_zones() -> None:
    assert read_period("", "", "", "UTC", NOW) == Period(date(2026, 10, 27), date(2026, 11, 23), "UTC")
    assert read_period("7", "", "", "Asia/Tokyo", NOW).last == date(2026, 11, 24)


def test_the_period_before_has_as_many_days_and_ends_where_this_one_begins() -> None:
    period = read_period("", "2026-03-01", "2026-03-31", "UTC", NOW)
    before = period.before()
    assert (before.first, before.last, before.days) == (date(2026, 1, 29), date(2026, 2, 28), period.days)


def test_a_day_that_loses_an_hour_begins_and_ends_at_its_own_midnights() -> None:
    day = Period(date(2026, 3, 29), date(2026, 3, 29), "Europe/Berlin")
    assert (day.begins_at, day.ends_at) == (
        datetime(2026, 3, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (("3", "", ""), "days"),
        (("", "yesterday", ""), "first"),
        (("", "2026-02-30", ""), "first"),
        (("", "2026-05-02", "2026-05-01"), "last"),
        (("", "2020-01-01", "2026-01-01"), "first"),
        (("", "0001-01-01", "0001-01-02"), "first"),
        (("", "", "9999-12-31"), "first"),
    ],
)
def test_a_wrong_period_names_the_field(given: tuple[str, str, str], field: str) -> None:
    with pytest.raises(InputInvalid) as refused:
        read_period(*given, "UTC", NOW)
    assert field in refused.value.fields
