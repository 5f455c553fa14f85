"""A contact's story: everything that happened, newest first, with its source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Flask

from audience.arrivals import Arrival, add_contact_arrival
from audience.contacts import change_tags, unsubscribe_contacts
from audience.timeline import list_messages_of, list_moments
from extensions import db
from models import ContactEvent, Message, TrackedLink, TrackingEvent
from tests import makers


def test_the_story_is_told_in_words_with_sources(app: Flask) -> None:
    contact = makers.make_contact(email="ann@example.com", name="Ann")
    segment = makers.make_segment(name="Everybody")
    campaign = makers.make_campaign(name="Spring", segment_id=segment.id)
    add_contact_arrival(
        db.session(), Arrival(email=contact.email, method="webhook", name="Anna", source="Newsletter form")
    )
    db.session.commit()
    change_tags([contact.id], "vip", actor="Ada")
    message = Message(campaign_id=campaign.id, contact_id=contact.id, address=contact.email, state="sent")
    link = TrackedLink(campaign_id=campaign.id, position=1, url="https://example.com/shop", label="Shop")
    db.session.add_all([message, link])
    db.session.flush()
    for kind, actor, link_id in (("open", "machine", None), ("click", "human", link.id)):
        db.session.add(
            TrackingEvent(
                campaign_id=campaign.id,
                message_id=message.id,
                contact_id=contact.id,
                kind=kind,
                actor=actor,
                link_id=link_id,
            )
        )
    db.session.commit()
    unsubscribe_contacts([contact.id], wording="Enough", actor="Ada")
    told = {moment.title: moment.text for moment in list_moments(contact.id)}
    assert told["Arrived"] == "By hand · Source: Website form · Done by Ada Lovelace"
    assert "Also called Anna" in told["Came in again"]
    assert "This time from Newsletter form" in told["Came in again"]
    assert told["Tagged"] == "Tags: vip · Done by Ada"
    assert told["Message sent"] == "Campaign: Spring"
    assert told["Opened by a machine"] == "Campaign: Spring"
    assert told["Clicked"] == "Campaign: Spring · Link: Shop"
    assert told["Unsubscribed"] == "By hand · Was subscribed before · Done by Ada"
    assert [(one.campaign.name, one.segment and one.segment.name) for one in list_messages_of(contact.id)] == [
        ("Spring", "Everybody")
    ]


def test_the_story_goes_further_back_without_gap(app: Flask) -> None:
    contact = makers.make_contact()
    start = datetime.now(UTC) - timedelta(days=50)
    for day in range(20):
        db.session.add(
            ContactEvent(contact_id=contact.id, kind="tagged", at=start + timedelta(days=day), detail={"by": str(day)})
        )
    db.session.commit()
    first = list_moments(contact.id, limit=10)
    second = list_moments(contact.id, before=first[-1].at, limit=50)
    assert [moment.at for moment in first] == sorted((moment.at for moment in first), reverse=True)
    assert len(first) + len(second) == 21


def test_a_detail_of_any_shape_is_told_or_passed_over(app: Flask) -> None:
    contact = makers.make_contact()
    details = [
        {},
        {"changes": 3},
        {"changes": {"x": 1}},
        {"joined": "x", "tags": {"a": 1}},
        {"method": None, "by": ["x"]},
    ]
    for detail in details:
        db.session.add(ContactEvent(contact_id=contact.id, kind="something_new", detail=detail))
    db.session.commit()
    assert [moment.title for moment in list_moments(contact.id)].count("Something new") == len(details)
