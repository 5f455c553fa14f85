"""“Why did or didn’t X get it?” is answered from what is written down, for everybody who might be asked about."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from audience.consent import add_suppression, withdraw_consent
from campaigns.explanation import explain_recipient
from errors import InputInvalid
from extensions import db
from models import Campaign, Message
from tests.campaigns.ledger_scene import make_campaign, make_contacts, start


def launched(**message: Any) -> Campaign:
    """A campaign to one person whose message stands as given."""
    campaign_id = start(make_contacts(1))
    if message:
        db.session.execute(update(Message).values(**message))
        db.session.commit()
    return db.session.get_one(Campaign, campaign_id)


@pytest.mark.parametrize(
    ("message", "did_get", "words"),
    [
        ({"state": "sent"}, True, "Yes."),
        ({"state": "sent", "queue_id": "0001.eml"}, True, "test outbox"),
        ({"state": "failed", "response_code": 550, "response": "5.1.1 no such user"}, False, "refused it for good"),
        ({"state": "failed", "reason": "gave_up"}, False, "Given up after a day"),
        ({"state": "suppressed", "reason": "unsubscribed"}, False, "Unsubscribed"),
        ({"state": "suppressed", "reason": "cancelled"}, False, "cancelled"),
        ({"state": "unknown"}, None, "Nobody can tell"),
        ({"state": "deferred", "attempts": 2}, None, "waits for its next try"),
        ({}, None, "Not yet"),
    ],
)
def test_the_ledger_answers(app: Flask, message: dict[str, Any], did_get: bool | None, words: str) -> None:
    told = explain_recipient(launched(**message), " P1@People.Example ")
    assert told.did_get is did_get
    assert words in told.answer


def test_what_the_mail_server_said_is_among_the_facts(app: Flask) -> None:
    campaign = launched(state="failed", response_code=550, response="5.1.1 no such user")
    facts = [fact.text for fact in explain_recipient(campaign, "p1@people.example").facts]
    assert "The mail server said: 550 5.1.1 no such user" in facts


def test_somebody_unknown_is_told_as_such(app: Flask) -> None:
    assert "knows nobody" in explain_recipient(launched(), "stranger@elsewhere.example").answer


@pytest.mark.parametrize(
    ("subscription", "words"),
    [("none", "had not agreed"), ("unsubscribed", "had left"), ("subscribed", "not in the segment")],
)
def test_somebody_outside_of_the_ledger_learns_why(app: Flask, subscription: str, words: str) -> None:
    make_contacts(1, domain="outside.example", subscription=subscription)
    told = explain_recipient(launched(), "p1@outside.example")
    assert told.did_get is False
    assert words in told.answer


def test_a_suppressed_address_is_the_reason(app: Flask) -> None:
    make_contacts(1, domain="outside.example")
    add_suppression("p1@outside.example", "bounced")
    db.session.commit()
    assert "suppressed" in explain_recipient(launched(), "p1@outside.example").answer


def test_somebody_who_came_later_is_told_as_such(app: Flask) -> None:
    campaign = launched()
    make_contacts(1, domain="later.example")
    assert "after the campaign had started" in explain_recipient(campaign, "p1@later.example").answer


def test_before_the_start_it_says_how_things_stand(app: Flask) -> None:
    ids = make_contacts(2)
    campaign = make_campaign(ids)
    withdraw_consent(ids[1], method="test")
    db.session.commit()
    assert "would get it" in explain_recipient(campaign, "p1@people.example").answer
    assert "may not be written to" in explain_recipient(campaign, "p2@people.example").answer


def test_what_is_no_address_is_refused_beside_its_field(app: Flask) -> None:
    with pytest.raises(InputInvalid) as refused:
        explain_recipient(launched(), "not an address")
    assert list(refused.value.fields) == ["address"]
