"""Ad plans in the browser's words: made, filled, downloaded; audiences leave as hashes and are written down."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from sqlalchemy import select

from extensions import db
from models import AuditEntry
from planning.ad_audiences import hash_address
from planning.ad_plans import AdFacts, PlanFacts, add_ad, add_plan, change_audience, get_plan, list_plans
from tests.makers import make_asset, make_contact, make_segment, soup
from tests.planning.test_ad_plans import SEARCH, make_plan

FORM = {
    "name": "Spring tea",
    "goal": "sales",
    "link": "https://tea.example/spring",
    "currency": "EUR",
    "budget": "1,000",
    "starts_on": "2026-05-01",
    "ends_on": "2026-05-10",
    "channel": ["Search ads", "Social feed ads", ""],
    "percent": ["60 %", "40", ""],
}
AD = {
    "format": "google_search",
    "name": "Tea",
    "headlines": "First flush tea\r\nFrom one garden\r\n\r\nFree returns",
    "descriptions": "Picked in April.\nTry a cup.",
}
PATH = "/campaigns/ad-plans"


@pytest.fixture
def marketer(sign_in: Any) -> Any:
    return sign_in("marketer")


def test_a_plan_is_made_filled_and_downloaded(marketer: Any) -> None:
    assert "Your first ad plan" in marketer.get(f"{PATH}/").text
    made = marketer.post(f"{PATH}/new", data=FORM)
    assert made.status_code == 303
    plan = list_plans()[0]
    picture = make_asset()
    assert marketer.post(f"{PATH}/{plan.id}/ads/new", data={**AD, "asset_id": picture.id}).status_code == 303
    page = marketer.get(f"{PATH}/{plan.id}").text
    for words in ("1,000.00 EUR", "100.00 EUR", "600.00 EUR", "15<span", "utm_source=google", "Google Ads Editor"):
        assert words in page
    answer = marketer.get(f"{PATH}/{plan.id}/files/google")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="ads-{plan.id}-google.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[2]["Headline 3"] == "Free returns" and rows[0]["Budget"] == "100.00"


def names_on(answer: Any) -> list[str]:
    return [one.get_text() for one in soup(answer).select("#ad-plans tbody th a")]


def test_plans_are_searched_filtered_and_paged(marketer: Any) -> None:
    for name, goal in (("Spring tea", "sales"), ("Autumn tea", "contacts"), ("100% off", "sales")):
        plan = add_plan(PlanFacts(name, goal), made_by="Ada")
    add_ad(plan.id, AdFacts("google_search", "Winter ads", ["Tea"], ["Good."]))
    assert names_on(marketer.get(f"{PATH}/?q=tea")) == ["Autumn tea", "Spring tea"]
    assert names_on(marketer.get(f"{PATH}/?q=tea&goal=sales")) == ["Spring tea"]
    assert names_on(marketer.get(f"{PATH}/?q=%25")) == ["100% off"]
    assert names_on(marketer.get(f"{PATH}/?q=winter")) == ["100% off"], "an ad's name finds its plan"
    nothing = marketer.get(f"{PATH}/?q=coffee&goal=sales").text
    assert "No plan matches" in nothing and "“coffee” and Goal:" in nothing
    for number in range(50):
        add_plan(PlanFacts(f"Plan {number}", "awareness"), made_by="Ada")
    first = marketer.get(f"{PATH}/")
    assert names_on(first)[0] == "Plan 49" and len(names_on(first)) == 50
    older = soup(first).select(".pager a[rel=next]")[0]["href"]
    assert names_on(marketer.get(older)) == ["100% off", "Autumn tea", "Spring tea"]


def test_wrong_facts_come_back_beside_their_fields_with_all_that_was_typed(marketer: Any) -> None:
    answer = marketer.post(f"{PATH}/new", data={**FORM, "percent": ["60", "50", ""], "budget": "lots"})
    page = soup(answer)
    assert answer.status_code == 422 and "110 % together" in answer.text and "A budget is a number" in answer.text
    assert page.select("#channel-0")[0]["value"] == "Search ads" and page.select("#percent-1")[0]["value"] == "50"
    assert list_plans() == []


def test_a_text_that_is_too_long_is_refused_with_its_count(marketer: Any) -> None:
    plan = make_plan()
    answer = marketer.post(f"{PATH}/{plan.id}/ads/new", data={**AD, "headlines": "x" * 31})
    assert answer.status_code == 422 and "has 31 characters; Google search ad takes 30" in answer.text


def test_texts_are_counted_line_by_line_as_they_would_be_saved(marketer: Any) -> None:
    plan = make_plan()
    page = soup(marketer.get(f"{PATH}/{plan.id}/ads/new"))
    assert "3 to 15, up to 30 characters each. 0 so far." in page.select("#field-headlines-limit")[0].get_text()
    assert "field-headlines-limit" in page.select("[name=headlines]")[0]["aria-describedby"]
    typed = {"format": "meta_feed", "headlines": "\n".join(["Tea", "", "  Tea  from  one garden", "x" * 42])}
    counts = soup(marketer.post(f"{PATH}/{plan.id}/ads/check", data=typed))
    lines = [" ".join(one.get_text(" ").split()) for one in counts.select("#field-headlines-counts li")]
    assert lines == ["Tea 3 of 40", "Tea from one garden 19 of 40", f"{'x' * 42} 42 of 40, 2 too many"]
    assert counts.select("#field-headlines-said")[0].get_text() == "Line 3: 2 characters too many."
    many = {"format": "meta_feed", "headlines": "\n".join(f"Tea {n}" for n in range(6))}
    assert "1 lines too many" not in marketer.post(f"{PATH}/{plan.id}/ads/check", data=many).text
    assert "1 line too many" in marketer.post(f"{PATH}/{plan.id}/ads/check", data=many).text


def test_an_ad_that_is_not_ready_holds_its_file_back_and_says_why(marketer: Any) -> None:
    plan = make_plan()
    add_ad(plan.id, AdFacts("google_search", "Thin", ["Tea"], ["Good."]))
    answer = marketer.get(f"{PATH}/{plan.id}/files/google")
    assert answer.status_code == 422 and "“Thin” is not ready" in answer.text
    assert marketer.get(f"{PATH}/{plan.id}/files/..%2fgoogle").status_code in (404, 422)


def test_a_plan_and_its_ads_are_changed_deleted_and_archived(marketer: Any) -> None:
    plan = make_plan()
    ad = add_ad(plan.id, SEARCH)
    assert "First flush tea" in marketer.get(f"{PATH}/{plan.id}/ads/{ad.id}").text
    marketer.post(f"{PATH}/{plan.id}/ads/{ad.id}", data={**AD, "name": "Renamed"})
    marketer.post(f"{PATH}/{plan.id}/edit", data={**FORM, "name": "Summer tea"})
    page = marketer.get(f"{PATH}/{plan.id}").text
    assert "Renamed" in page and "Summer tea" in page
    assert 'value="Search ads"' in marketer.get(f"{PATH}/{plan.id}/edit").text
    marketer.post(f"{PATH}/{plan.id}/ads/{ad.id}/delete")
    marketer.post(f"{PATH}/{plan.id}/archive")
    db.session.expire_all()
    assert get_plan(plan.id).ads == [] and list_plans() == []
    assert "Summer tea" in marketer.get(f"{PATH}/?archived=1").text
    marketer.post(f"{PATH}/{plan.id}/restore")
    db.session.expire_all()
    assert len(list_plans()) == 1


def test_an_audience_leaves_as_hashes_where_people_agreed_and_is_written_down(marketer: Any) -> None:
    make_contact(email="Ann@example.com")
    make_contact(email="gone@example.com", subscription="unsubscribed")
    plan, segment = make_plan(), make_segment(name="Readers")
    assert marketer.post(f"{PATH}/{plan.id}/audiences", data={"segment_id": segment.id}).status_code == 303
    audience = get_plan(plan.id).audiences[0]
    address = f"{PATH}/{plan.id}/audiences/{audience.id}"
    assert "1 person may be named" in marketer.get(f"{PATH}/{plan.id}").text
    refused = marketer.post(f"{address}/export")
    assert refused.status_code == 422 and "have agreed" in refused.text
    answer = marketer.post(f"{address}/export", data={"agreed": "1"})
    assert answer.text.split() == ["Email", hash_address("ann@example.com")]
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "contacts_exported")).all()
    assert ["1 hashed addresses" in str(entry.detail) for entry in entries] == [True]
    marketer.post(f"{address}/delete")
    db.session.expire_all()
    assert get_plan(plan.id).audiences == []


def test_a_viewer_looks_and_takes_no_address_out(sign_in: Any) -> None:
    plan, segment = make_plan(), make_segment()
    audience = change_audience(plan.id, segment.id, is_excluded=False)
    viewer = sign_in("viewer")
    page = viewer.get(f"{PATH}/{plan.id}")
    assert page.status_code == 200 and "Download as hashes" not in page.text
    for address in ("new", f"{plan.id}/edit", f"{plan.id}/ads/new", f"{plan.id}/audiences/{audience.id}/export"):
        assert viewer.post(f"{PATH}/{address}", data={"agreed": "1"}).status_code == 403
