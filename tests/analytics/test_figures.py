"""Figures of a period beside the one before: from the ledger's tallies, with intervals, people and machines apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from analytics.days import sum_days
from analytics.figures import (
    Sums,
    count_new_contacts,
    list_campaign_rows,
    list_channel_rows,
    list_figures,
    list_funnel,
    list_segment_rows,
    sum_period,
)
from analytics.links import list_link_rows
from analytics.outlook import list_outlooks
from analytics.people import list_cohorts, list_months, sum_cohorts
from analytics.periods import Period, read_period
from extensions import db
from models import CohortMonth, Contact
from tests.analytics.sent_scene import URL, make_sent

NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def period(app: Flask) -> Period:
    """Four weeks with a campaign in them and another before."""
    make_sent(NOW - timedelta(days=2), sent=40, opened=20, clicked=10, machines=5, name="New letter")
    make_sent(NOW - timedelta(days=30), sent=40, opened=10, clicked=2, machines=7, name="Old letter")
    sum_days()
    return read_period("28", "", "", "UTC")


def test_a_period_counts_the_campaigns_that_were_launched_in_it(period: Period) -> None:
    assert sum_period(period) == Sums(planned=40, sent=40, opens_human=20, opens_machine=5, clicks_human=10)
    assert sum_period(period.before()) == Sums(planned=40, sent=40, opens_human=10, opens_machine=7, clicks_human=2)


def test_each_figure_has_its_interval_and_its_change(period: Period) -> None:
    delivered, opened, clicked, left = list_figures(sum_period(period), sum_period(period.before()))
    assert opened.share is not None and opened.change is not None
    assert opened.share.value == 0.5 and 0.35 < opened.share.low < 0.5 < opened.share.high < 0.65
    assert round(opened.change.difference, 3) == 0.25 and opened.change.is_significant
    assert delivered.change is not None and not delivered.change.is_significant
    assert (clicked.count, clicked.of, left.count) == (10, 40, 0)


def test_nothing_is_said_of_nothing(app: Flask) -> None:
    empty = list_figures(Sums(), Sums())
    assert [(one.share, one.change) for one in empty] == [(None, None)] * 4
    period = read_period("", "", "", "UTC")
    assert [row[2] for row in list_funnel(period, Sums())] == [None] * 5
    assert not list_campaign_rows(period, 5)
    assert not list_channel_rows(period)
    assert not list_link_rows(period)
    assert not list_cohorts("UTC")


def test_a_share_never_exceeds_the_whole() -> None:
    figures = list_figures(Sums(sent=3, opens_human=5), Sums(sent=3))
    assert figures[1].share is not None and figures[1].share.value == 1.0


def test_campaigns_segments_and_channels_have_the_same_sums(period: Period) -> None:
    (campaign,), (segment,), (channel,) = (
        list_campaign_rows(period, 5),
        list_segment_rows(period),
        list_channel_rows(period),
    )
    assert campaign.name == "New letter" and segment.name == "Readers" and channel.name == "email"
    assert campaign.sums == segment.sums == channel.sums == sum_period(period)


def test_links_count_people_and_machines_apart(period: Period) -> None:
    (link,) = list_link_rows(period)
    assert (link.url, link.label, link.human, link.machine, link.unsure) == (URL, "Order tea", 10, 0, 0)


def test_new_contacts_are_those_of_the_days(period: Period) -> None:
    db.session.execute(db.update(Contact).where(Contact.id % 2 == 0).values(created_at=NOW - timedelta(days=40)))
    assert count_new_contacts(period) + count_new_contacts(period.before()) == 80


def test_cohorts_follow_the_people_of_a_month_through_the_months_after_it(app: Flask) -> None:
    this, before, earlier = (list_months(NOW.date())[-at] for at in (1, 2, 3))
    make_sent(datetime(before.year, before.month, 20, 12, tzinfo=UTC), sent=10, opened=4, clicked=2, name="One")
    arrived = datetime(earlier.year, earlier.month, 15, tzinfo=UTC)
    db.session.execute(db.update(Contact).values(created_at=arrived))
    db.session.commit()
    sum_cohorts()
    (cohort,) = list_cohorts("UTC")
    assert (cohort.month, cohort.arrived, cohort.subscribed) == (earlier, 10, 10)
    assert cohort.active[:3] == [0, 4, 0] and set(cohort.active[3:]) == {None}
    assert cohort.percent(cohort.active[1]) == 40
    sum_cohorts()
    assert db.session.scalar(db.select(db.func.count()).select_from(CohortMonth)) == 3
    assert this > before


def test_where_it_goes_needs_whole_weeks_and_says_its_range(app: Flask) -> None:
    monday = NOW - timedelta(days=NOW.weekday())
    assert [one.ahead for one in list_outlooks("UTC")] == [[], [], []]
    for weeks in range(1, 9):
        at = monday - timedelta(weeks=weeks)
        make_sent(at, sent=20 + weeks % 3, opened=5, clicked=3, name=f"Week {weeks}")
    sum_days()
    sent, clicked, _ = list_outlooks("UTC")
    assert sent.values[-8:] == [20 + weeks % 3 for weeks in range(8, 0, -1)]
    assert len(sent.ahead) == 4 and sent.ahead[0][0] == monday.date()
    assert all(one.low <= one.mean <= one.high for _, one in sent.ahead)
    assert round(clicked.ahead[0][1].mean) == 3
