"""The list of campaigns and the beginning of a new one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from campaigns.drafting import get_campaign
from campaigns.templates import STARTERS
from extensions import db
from tests import makers


@pytest.fixture
def marketer(sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    return sign_in("marketer")


def test_an_empty_list_offers_templates_and_the_agent(marketer: FlaskClient) -> None:
    page = marketer.get("/campaigns/").get_data(as_text=True)
    assert all(f"starter={starter.key}" in page for starter in STARTERS)
    assert "/agents/email_crm" in page


def test_the_list_is_searched_and_filtered_by_its_address(marketer: FlaskClient) -> None:
    makers.make_campaign(name="Spring sale")
    makers.make_campaign(name="Autumn news")
    found = marketer.get("/campaigns/?q=spring&state=draft").get_data(as_text=True)
    assert "Spring sale" in found and "Autumn news" not in found
    none = marketer.get("/campaigns/?q=winter").get_data(as_text=True)
    assert "No campaign matches" in none and "Clear" in none


@pytest.mark.parametrize("query", ["state=nonsense", "older=x", "newer=99999999999999999999", "q=%27", "older=-1"])
def test_no_address_brings_the_list_down(marketer: FlaskClient, query: str) -> None:
    makers.make_campaign()
    assert marketer.get(f"/campaigns/?{query}").status_code == 200


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.key)
def test_a_campaign_begins_with_a_template(marketer: FlaskClient, starter: object) -> None:
    key = starter.key  # type: ignore[attr-defined]  # parametrize gives objects
    answer = marketer.post("/campaigns/new", data={"name": "Mine", "starter": key})
    assert answer.location.endswith("/content")
    assert marketer.get(answer.location).status_code == 200


def test_a_campaign_without_a_name_keeps_what_was_chosen(marketer: FlaskClient) -> None:
    answer = marketer.post("/campaigns/new", data={"name": " ", "starter": "offer"})
    assert answer.status_code == 422
    assert 'value="offer" aria-describedby' in answer.get_data(as_text=True)
    assert marketer.post("/campaigns/new", data={"name": "x", "starter": "nonsense"}).status_code == 404


def test_copying_and_archiving(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign()
    copied = marketer.post(f"/campaigns/{campaign.id}/copy").location
    assert "(copy)" in marketer.get(copied).get_data(as_text=True)
    assert marketer.post(f"/campaigns/{campaign.id}/archive").status_code == 303
    db.session.expire_all()
    assert get_campaign(campaign.id).archived_at is not None


def test_the_campaigns_own_address_leads_to_where_it_is(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign()
    assert marketer.get(f"/campaigns/{campaign.id}").location.endswith("/goal")
