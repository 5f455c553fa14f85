"""The subtraction adds up, and what it promises is what the ledger gets."""

from __future__ import annotations

import pytest
from flask import Flask

from audience.consent import add_suppression
from campaigns.audience_count import count_audience
from campaigns.launching import launch_campaign, start_campaign
from extensions import db
from tests import makers
from tests.campaigns.ledger_scene import make_contacts, make_segment


@pytest.fixture
def segment_id(app: Flask) -> int:
    """A segment with people of every fate, some of whom have two reasons to be left out."""
    ids = []
    for number, state in enumerate(("subscribed", "none", "pending", "unsubscribed", "complained", "bounced")):
        ids += make_contacts(number + 2, domain=f"{state}.example", subscription=state)
    make_contacts(5, domain="outside.example")
    for address in ("p1@subscribed.example", "p1@none.example", "p1@unsubscribed.example"):
        add_suppression(address, "bounced")
    db.session.commit()
    return make_segment(ids).id


def test_each_person_is_counted_once_and_the_sum_adds_up(segment_id: int) -> None:
    count = count_audience(segment_id)
    assert (count.segment, count.unsubscribed, count.suppressed, count.no_consent, count.will_receive) == (
        2 + 3 + 4 + 5 + 6 + 7,
        5 + 6,
        7 + 1 + 1,
        2 + 4,
        1,
    )
    assert count.segment - count.unsubscribed - count.suppressed - count.no_consent == count.will_receive


def test_the_ledger_gets_as_many_as_were_promised(segment_id: int) -> None:
    campaign = makers.make_campaign(segment_id=segment_id)
    launch_campaign(campaign.id, grace_seconds=0)
    assert start_campaign(campaign.id) == count_audience(segment_id).will_receive


def test_a_segment_that_is_not_there_has_nobody(app: Flask) -> None:
    assert count_audience(99).segment == 0
