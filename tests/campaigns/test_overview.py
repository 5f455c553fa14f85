"""The list of campaigns: found by name and state, paged without gaps."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import update

from campaigns.drafting import archive_campaign
from campaigns.overview import PAGE_ROWS, count_campaigns, list_campaigns
from extensions import db
from models import Campaign
from tests import makers


def test_campaigns_are_found_by_words_of_their_name(app: Flask) -> None:
    makers.make_campaign(name="Spring sale")
    makers.make_campaign(name="Autumn sale 100% off")
    assert [c.name for c in list_campaigns(q="SALE spr").campaigns] == ["Spring sale"]
    assert [c.name for c in list_campaigns(q="100%").campaigns] == ["Autumn sale 100% off"]
    assert list_campaigns(q="%").campaigns != list_campaigns(q="_").campaigns


def test_archived_campaigns_are_shown_only_when_asked_for(app: Flask) -> None:
    kept, gone = makers.make_campaign(), makers.make_campaign(name="Old")
    archive_campaign(gone.id)
    assert [c.id for c in list_campaigns().campaigns] == [kept.id]
    assert [c.id for c in list_campaigns(state="archived").campaigns] == [gone.id]
    assert (count_campaigns()["draft"], count_campaigns()["archived"]) == (1, 1)


def test_states_filter(app: Flask) -> None:
    makers.make_campaign()
    sending = makers.make_campaign(name="On its way")
    db.session.execute(update(Campaign).where(Campaign.id == sending.id).values(state="sending"))
    db.session.commit()
    assert [c.id for c in list_campaigns(state="sending").campaigns] == [sending.id]


def test_pages_go_forth_and_back_without_gaps(app: Flask) -> None:
    made = [makers.make_campaign(name=f"Campaign {n}").id for n in range(PAGE_ROWS + 5)]
    first = list_campaigns()
    second = list_campaigns(older_than=first.older_than)
    assert [c.id for c in first.campaigns + second.campaigns] == made[::-1]
    assert (first.newer_than, second.older_than) == (None, None)
    assert list_campaigns(newer_than=second.newer_than).campaigns == first.campaigns
