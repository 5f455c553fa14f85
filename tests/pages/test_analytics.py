"""The Analytics page: periods in the address, figures with intervals, tables to take away, planted text as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import Tag
from flask import Flask
from flask.testing import FlaskClient

from analytics.conversions import take_from_server
from analytics.days import sum_days
from analytics.people import sum_cohorts
from analytics.tables import TABLES
from extensions import db
from models import TrackedLink
from tests.analytics.sent_scene import make_sent
from tests.makers import soup

NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
PLANTED = '=HYPERLINK("https://evil.example")<script>alert(1)</script>'
SignIn = Callable[..., FlaskClient]


def one(page: Tag, selector: str) -> Tag:
    """The one element; it must be there."""
    found = page.select_one(selector)
    assert found is not None, selector
    return found


@pytest.fixture
def viewer(app: Flask, sign_in: SignIn) -> FlaskClient:
    """A viewer in a house that sent two campaigns, one of which a stranger could have named."""
    make_sent(NOW - timedelta(days=2), sent=40, opened=20, clicked=10, machines=5, name="New letter")
    make_sent(NOW - timedelta(days=30), sent=40, opened=10, clicked=2, machines=7, name="Old letter")
    campaign = make_sent(NOW - timedelta(days=3), sent=5, opened=1, clicked=1, machines=0, name="Planted")
    campaign.name = PLANTED
    db.session.execute(db.update(TrackedLink).where(TrackedLink.campaign_id == campaign.id).values(label=PLANTED))
    db.session.commit()
    take_from_server({"name": "purchase", "key": "=1+1", "value": 5, "currency": "EUR", "utm_source": PLANTED[:79]})
    sum_days()
    sum_cohorts()
    return sign_in("viewer")


def test_an_empty_house_says_what_to_do(sign_in: SignIn) -> None:
    page = soup(sign_in("marketer").get("/analytics/"))
    assert "Nothing has happened yet" in page.text
    assert page.select_one('a[href="/campaigns/new"]') is not None
    assert soup(sign_in("viewer").get("/analytics/")).select_one('a[href="/campaigns/new"]') is None


def test_the_page_shows_shares_with_their_intervals_and_what_changed(viewer: FlaskClient) -> None:
    text = " ".join(soup(viewer.get("/analytics/")).text.split())
    assert "Opened by people 46.7%" in text
    assert "95%: 32.9–60.9%" in text
    assert "+21.67 points" in text
    assert "more than chance" in text
    assert "Opens by machines 5" in text
    assert "Days in UTC" in text
    assert "sums as of" in text


def test_the_period_stands_in_the_address_and_in_the_form(viewer: FlaskClient) -> None:
    first, last = (f"{NOW - timedelta(days=days):%Y-%m-%d}" for days in (31, 29))
    page = soup(viewer.get(f"/analytics/?first={first}&last={last}"))
    assert one(page, '[name="first"]')["value"] == first
    assert page.select_one(".period__presets [aria-current]") is None
    assert "Old letter" in page.text and "New letter" not in page.text
    assert one(soup(viewer.get("/analytics/?days=90")), ".period__presets [aria-current]").text == "90 days"


def test_a_wrong_period_is_told_at_its_field_and_keeps_what_was_typed(viewer: FlaskClient) -> None:
    answer = viewer.get("/analytics/?first=2026-05-09&last=2026-05-01")
    assert answer.status_code == 422
    page = soup(answer)
    assert one(page, '[name="last"]')["aria-invalid"] == "true"
    assert one(page, '[name="first"]')["value"] == "2026-05-09"
    assert viewer.get("/analytics/?days=all").status_code == 422
    assert viewer.get("/analytics/days.csv?first=never").status_code == 422


def test_days_without_a_campaign_say_so(viewer: FlaskClient) -> None:
    assert "No campaign was launched in these days" in viewer.get("/analytics/?first=2020-01-01&last=2020-01-07").text


def test_what_strangers_wrote_stands_there_as_text(viewer: FlaskClient) -> None:
    page = soup(viewer.get("/analytics/"))
    assert PLANTED in one(page, "#links").text
    assert not [one for one in page.select("script") if "alert" in one.text]


@pytest.mark.parametrize("key", TABLES)
def test_each_table_is_a_csv_without_formulas(viewer: FlaskClient, key: str) -> None:
    answer = viewer.get(f"/analytics/{key}.csv?days=90")
    assert answer.mimetype == "text/csv"
    assert f"analytics-{key}-" in answer.headers["Content-Disposition"]
    header, *rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert rows and all(len(row) == len(header) for row in rows)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "@", "+"))]


def test_the_page_and_its_csv_say_the_same(viewer: FlaskClient) -> None:
    page = soup(viewer.get("/analytics/"))
    rows = list(csv.DictReader(io.StringIO(viewer.get("/analytics/campaigns.csv").text.lstrip("\ufeff"))))
    shown = {one(row, "th").text.strip(): one(row, "td").text for row in page.select("#groups-campaigns tbody tr")}
    assert shown["New letter"] == "40"
    assert {row["campaign"].lstrip("'"): row["sent"] for row in rows} == shown


def test_there_are_no_other_tables(viewer: FlaskClient) -> None:
    assert viewer.get("/analytics/users.csv").status_code == 404


def test_sums_that_are_still_being_made_are_told(app: Flask, sign_in: SignIn) -> None:
    make_sent(NOW - timedelta(days=2))
    assert "Sums are being made" in sign_in("viewer").get("/analytics/").text
