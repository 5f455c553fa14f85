"""Sums by day: exact, of late events too, in the zone of the settings, slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

import analytics.days
from analytics.days import find_summed_at, list_day_rows, sum_days, sum_weeks
from analytics.periods import Period
from extensions import db
from models import EventDay, TrackingEvent
from tests.analytics.sent_scene import list_sums, make_sent

TODAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


def test_each_day_has_what_happened_on_it_by_kind_and_actor(app: Flask) -> None:
    day = TODAY - timedelta(days=3)
    make_sent(day, sent=10, opened=4, clicked=2, machines=3)
    sum_days()
    on = f"{day:%Y-%m-%d}"
    assert list_sums() == [
        (on, "click", "human", 2),
        (on, "open", "human", 4),
        (on, "open", "machine", 3),
        (on, "sent", "nobody", 10),
    ]
    sum_days()
    assert sum(count for *_, count in list_sums()) == 19


def test_what_comes_late_within_the_open_days_is_counted_and_older_days_stay(app: Flask) -> None:
    make_sent(TODAY - timedelta(days=30), name="Old letter")
    campaign = make_sent(TODAY - timedelta(days=1))
    sum_days()
    message_id = db.session.scalar(text("SELECT max(id) FROM messages"))
    late = TrackingEvent(campaign_id=campaign.id, message_id=message_id, kind="unsubscribe", actor="human")
    late.at = TODAY - timedelta(days=1)
    db.session.add(late)
    # A row that nobody can make again shows that closed days are not touched.
    db.session.execute(text("UPDATE event_days SET count = 77 WHERE kind = 'sent' AND day < current_date - 20"))
    db.session.commit()
    sum_days()
    assert (f"{TODAY - timedelta(days=1):%Y-%m-%d}", "unsubscribe", "human", 1) in list_sums()
    assert 77 in {count for *_, count in list_sums()}


def test_an_archived_campaign_stays_in_the_sums(app: Flask) -> None:
    campaign = make_sent(TODAY - timedelta(days=1))
    campaign.archived_at = datetime.now(UTC)
    db.session.commit()
    sum_days()
    assert sum(count for *_, count in list_sums()) == 19


def test_a_changed_time_zone_has_every_day_summed_again(app: Flask, make_app: Callable[..., Flask]) -> None:
    day = (TODAY - timedelta(days=40)).replace(hour=23)
    make_sent(day)
    sum_days()
    assert {on for on, *_ in list_sums()} == {f"{day:%Y-%m-%d}"}
    with make_app(TIMEZONE="Asia/Tokyo").app_context():
        found = find_summed_at()
        assert found is not None and not found[1]
        sum_days()
        assert {on for on, *_ in list_sums()} == {f"{day + timedelta(days=1):%Y-%m-%d}"}
        found = find_summed_at()
        assert found is not None and found[1]
        db.session.remove()


def test_a_first_sum_of_a_long_time_goes_slice_by_slice_and_on_in_the_next_run(app: Flask) -> None:
    for days in (100, 50, 1):
        make_sent(TODAY - timedelta(days=days), name=f"Letter {days}")
    assert find_summed_at() is None
    sum_days(budget_seconds=0)
    assert len({on for on, *_ in list_sums()}) == 1
    found = find_summed_at()
    assert found is not None and not found[1]
    sum_days()
    assert len({on for on, *_ in list_sums()}) == 3
    found = find_summed_at()
    assert found is not None and found[1]


def test_an_empty_house_has_empty_sums(app: Flask) -> None:
    assert sum_days() == 0
    found = find_summed_at()
    assert found is not None and found[1]


def test_a_long_period_is_drawn_in_at_most_a_month_of_equal_steps(app: Flask) -> None:
    make_sent(TODAY - timedelta(days=200))
    make_sent(TODAY - timedelta(days=2), name="New letter")
    sum_days()
    period = Period((TODAY - timedelta(days=364)).date(), TODAY.date(), "UTC")
    rows = list_day_rows(period)
    assert len(rows) <= 31
    assert (rows[0].starts_on, rows[-1].ends_on) == (period.first, period.last)
    assert sum(row.counts["sent"] for row in rows) == 20
    assert sum(row.counts["machines"] for row in rows) == 6


def test_weeks_are_whole(app: Flask) -> None:
    monday = TODAY.date() - timedelta(days=TODAY.weekday() + 7)
    noon = datetime(monday.year, monday.month, monday.day, 12, tzinfo=UTC)
    make_sent(noon)
    make_sent(noon + timedelta(days=6), name="Sunday letter")
    sum_days()
    assert sum_weeks([monday - timedelta(weeks=1), monday], "UTC")["sent"] == [0, 20]


def test_each_slice_reaches_further_than_the_open_days_so_that_sums_come_forward() -> None:
    assert analytics.days.SLICE_DAYS > analytics.days.OPEN_DAYS + 1


@pytest.mark.parametrize("zone", ["America/Havana", "Africa/Cairo", "Pacific/Apia"])
def test_no_event_falls_between_two_days_of_any_zone(app: Flask, make_app: Callable[..., Flask], zone: str) -> None:
    for hours in range(0, 72, 7):
        make_sent(TODAY - timedelta(days=9, hours=hours), name=f"Letter {hours}", opened=1, clicked=0, machines=0)
    with make_app(TIMEZONE=zone).app_context():
        sum_days()
        counted = db.session.scalar(db.select(db.func.sum(EventDay.count)).where(EventDay.kind == "open"))
        days = list(db.session.scalars(db.select(EventDay.day)))
        db.session.remove()
    assert counted == 11
    assert all(isinstance(day, date) for day in days)
