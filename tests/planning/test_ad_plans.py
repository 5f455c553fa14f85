"""Plans of advertising: budgets that add up, ads within their limits, audiences once each."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from errors import InputInvalid, NotFound
from extensions import db
from models import AdPlan, PlannedAd
from planning.ad_plans import (
    AdFacts,
    PlanFacts,
    add_ad,
    add_plan,
    archive_plan,
    change_ad,
    change_audience,
    change_plan,
    count_days,
    delete_ad,
    delete_audience,
    get_ad,
    get_audience,
    get_plan,
    link_of,
    list_ad_problems,
    list_parts,
    list_plans,
    measure_ad,
)
from tests.makers import make_segment

FACTS = PlanFacts(
    name="Spring tea",
    goal="sales",
    link="https://tea.example/spring",
    currency="EUR",
    budget="2,500.50",
    starts_on="2026-05-01",
    ends_on="2026-05-31",
    parts=[("Search ads", 50), ("Social feed ads", 30), ("Tests", 20)],
)
SEARCH = AdFacts(
    "google_search", "Tea", ["First flush tea", "From one garden", "Free returns"], ["Picked in April.", "Try a cup."]
)


def make_plan() -> AdPlan:
    return add_plan(FACTS, made_by="Ada")


def test_a_plan_keeps_what_was_typed_as_values(app: Flask) -> None:
    plan = make_plan()
    assert (plan.name, plan.budget_cents, plan.currency, count_days(plan)) == ("Spring tea", 250_050, "EUR", 31)
    assert [(one.channel, one.cents) for one in list_parts(plan)] == [
        ("Search ads", 125_025),
        ("Social feed ads", 75_015),
        ("Tests", 50_010),
    ]


@given(cents=st.integers(0, 10**10), cuts=st.lists(st.integers(0, 100), min_size=0, max_size=8))
def test_the_parts_of_a_budget_add_up_to_it(cents: int, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 100]
    shares = [after - before for before, after in itertools.pairwise(edges)]
    plan = AdPlan(budget_cents=cents, parts=[{"channel": "x", "percent": share} for share in shares])
    assert sum(part.cents for part in list_parts(plan)) == cents


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "=HYPERLINK()"}, "name"),
        ({"goal": "world"}, "goal"),
        ({"currency": "XXX"}, "currency"),
        ({"budget": "-5"}, "budget"),
        ({"budget": "1e9"}, "budget"),
        ({"budget": "a lot"}, "budget"),
        ({"budget": "999999999"}, "budget"),
        ({"link": "javascript:alert(1)"}, "link"),
        ({"link": "https://a b.example"}, "link"),
        ({"starts_on": "tomorrow"}, "starts_on"),
        ({"ends_on": "2026-04-30"}, "ends_on"),
        ({"parts": [("All", 90)]}, "parts"),
        ({"parts": [("A", 150), ("B", -50)]}, "parts"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_its_field(app: Flask, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        add_plan(PlanFacts(**{**FACTS.__dict__, **changes}), made_by="Ada")
    assert list(caught.value.fields) == [field]
    assert list_plans() == []


def test_an_ad_leads_where_the_plan_leads_and_says_where_visits_come_from(app: Flask) -> None:
    plan = make_plan()
    ad = add_ad(plan.id, SEARCH)
    expected = "https://tea.example/spring?utm_source=google&utm_medium=cpc&utm_campaign=spring-tea"
    assert link_of(plan, ad) == expected
    heads, texts = measure_ad(ad)
    assert (heads[0].length, heads[0].longest, heads[0].is_long) == (15, 30, False)
    assert len(texts) == 2 and list_ad_problems(plan, ad) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": "billboard"}, "format"),
        ({"headlines": []}, "headlines"),
        ({"headlines": ["x" * 31]}, "headlines"),
        ({"headlines": [f"One {at}" for at in range(16)]}, "headlines"),
        ({"headlines": ["=1+1"]}, "headlines"),
        ({"headlines": ["+50 % more"]}, "headlines"),
        ({"descriptions": ["x" * 91]}, "descriptions"),
        ({"descriptions": ["@here"]}, "descriptions"),
        ({"name": "-1"}, "name"),
        ({"link": "ftp://x.example"}, "link"),
        ({"asset_id": 424242}, "asset_id"),
    ],
)
def test_an_ad_that_its_network_would_not_take_is_refused(app: Flask, changes: dict[str, Any], field: str) -> None:
    plan = make_plan()
    with pytest.raises(InputInvalid) as caught:
        add_ad(plan.id, AdFacts(**{**SEARCH.__dict__, **changes}))
    assert list(caught.value.fields) == [field]
    assert get_plan(plan.id).ads == []


def test_too_few_texts_are_kept_and_told(app: Flask) -> None:
    plan = add_plan(PlanFacts(name="Bare"), made_by="Ada")
    ad = add_ad(plan.id, AdFacts("google_search", "", ["Tea", "Tea "], ["Good."]))
    assert (ad.name, ad.headlines) == ("Google search ad", ["Tea"])
    assert list_ad_problems(plan, ad) == [
        "Google search ad needs at least 3 different headlines.",
        "Google search ad needs at least 2 different descriptions.",
        "It leads nowhere yet: give it or the plan a link.",
    ]


def test_ads_are_changed_and_deleted_in_their_own_plan_only(app: Flask) -> None:
    plan, other = make_plan(), make_plan()
    ad = add_ad(plan.id, SEARCH)
    change_ad(plan.id, ad.id, AdFacts("meta_feed", "Feed", ["Tea"], ["Good tea."]))
    db.session.expire_all()
    assert get_ad(plan.id, ad.id).format == "meta_feed"
    with pytest.raises(NotFound):
        get_ad(other.id, ad.id)
    delete_ad(plan.id, ad.id)
    assert db.session.get(PlannedAd, ad.id) is None


def test_a_segment_stands_once_in_a_plan(app: Flask) -> None:
    plan, segment = make_plan(), make_segment()
    change_audience(plan.id, segment.id, is_excluded=False)
    audience = change_audience(plan.id, segment.id, is_excluded=True)
    assert [(one.segment_id, one.is_excluded) for one in get_plan(plan.id).audiences] == [(segment.id, True)]
    with pytest.raises(InputInvalid):
        change_audience(plan.id, 424242, is_excluded=False)
    delete_audience(plan.id, audience.id)
    with pytest.raises(NotFound):
        get_audience(plan.id, audience.id)


def test_a_plan_is_changed_archived_and_brought_back(app: Flask) -> None:
    plan = make_plan()
    change_plan(plan.id, PlanFacts(name="Summer tea", budget="10"))
    archive_plan(plan.id)
    assert list_plans() == [] and [one.name for one in list_plans(is_archived=True)] == ["Summer tea"]
    archive_plan(plan.id, is_archived=False)
    assert [one.budget_cents for one in list_plans()] == [1000]
