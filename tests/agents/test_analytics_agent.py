"""The analytics agent words what the Analytics page computes: the same figures, digit by digit."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from agents.sources.analytics import read_days, read_forecast, read_periods
from agents.tasks.analytics_reports import FORECAST, WHAT_HAPPENED
from analytics.conversions import take_from_server
from analytics.periods import read_period
from tests.agents.businesses import seed_shop
from tests.makers import soup


@pytest.fixture
def page(app: Flask, sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    """Somebody who looks at the Analytics page of a shop."""
    seed_shop()
    take_from_server({"name": "purchase", "key": "A-1", "value": 49.9, "currency": "EUR"})
    return sign_in("viewer")


def read_csv(page: FlaskClient, table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page.get(f"/analytics/{table}.csv").text.lstrip("\ufeff"))))


def test_each_share_interval_and_change_is_the_pages(page: FlaskClient) -> None:
    kpis = read_periods().facts["kpis"]
    text = " ".join(soup(page.get("/analytics/")).text.split())
    rows = {row["figure"]: row for row in read_csv(page, "figures")}
    assert [one["kpi"] for one in kpis] == list(rows)
    for one in kpis:
        low, high = (f"{value:.{2 if value < 10 else 1}f}" for value in (one["low"], one["high"]))
        assert f"95%: {low}–{high}%" in text
        row = rows[one["kpi"]]
        for ours, theirs in (("percent", "percent"), ("low", "low_95"), ("high", "high_95")):
            assert abs(one[ours] - float(row[theirs])) <= 0.05, (one, row)
        if one["change_points"] is not None:
            assert abs(one["change_points"] - float(row["change_points"].lstrip("'"))) <= 0.0051
            assert one["is_more_than_chance"] == ("yes" if float(row["p_value"]) < 0.05 else "no")


def test_volumes_and_conversions_are_the_pages(page: FlaskClient) -> None:
    volumes = read_periods().facts["volumes"]
    text = " ".join(soup(page.get("/analytics/")).text.split())
    assert f"Sent {volumes['sent']:,} {volumes['sent_before']:,} before" in text
    assert f"New contacts {volumes['new_contacts']:,} {volumes['new_contacts_before']:,} before" in text
    assert f"Conversions {volumes['conversions']} {volumes['conversions_worth']}, 0 before" in text


def test_the_forecast_is_the_pages(page: FlaskClient) -> None:
    rows = [row for row in read_csv(page, "forecast") if row["expected"]]
    facts = read_forecast().facts["forecast"]
    assert facts
    assert [(one["what"], one["week_of"]) for one in facts] == [(row["what"], row["week_of"]) for row in rows]
    for one, row in zip(facts, rows, strict=True):
        for ours, theirs in (("low", "low_95"), ("mean", "expected"), ("high", "high_95")):
            # One is rounded to whole numbers, the other to one digit.
            assert abs(one[ours] - float(row[theirs])) <= 0.551


def test_days_are_the_pages(page: FlaskClient) -> None:
    period = read_period("28", "", "", "UTC")
    days = read_days(period.first, period.last, "UTC")
    rows = read_csv(page, "days")
    for ours, theirs in (("sent", "sent"), ("opens", "opened_by_people"), ("clicks", "clicked_by_people")):
        assert {str(day): count for day, count in days[ours].items()} == {
            row["from"]: int(row[theirs]) for row in rows if int(row[theirs])
        }


def test_a_report_shows_them_and_says_where_they_come_from(page: FlaskClient) -> None:
    brief = WHAT_HAPPENED.brief(**WHAT_HAPPENED.examples[0].values)
    context = WHAT_HAPPENED.read(brief)
    assert context.evidence[0].source == "/analytics/"
    assert FORECAST.read(FORECAST.brief(**FORECAST.examples[0].values)).evidence[0].source == "/analytics/"
