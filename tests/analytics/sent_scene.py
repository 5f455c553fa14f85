"""Campaigns that were sent on a given day, with what people and machines did about them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, text

from campaigns.tallies import add_to_tally
from extensions import db
from models import Campaign, Message, Segment, TrackedLink, TrackingEvent
from tests.campaigns.ledger_scene import make_contacts, make_segment

URL = "https://shop.example/tea?utm_source=lux&utm_campaign=spring"


def make_sent(
    at: datetime, *, sent: int = 10, opened: int = 4, clicked: int = 2, machines: int = 3, name: str = "Spring letter"
) -> Campaign:
    """A campaign sent at that moment; acts follow within the hour. Its people are made with it."""
    people = make_contacts(sent, domain=f"{name.replace(' ', '').lower()}{at:%Y%m%d%H}.example")
    segment: Segment = make_segment(people)
    campaign = Campaign(
        name=name, segment_id=segment.id, state="finished", launched_at=at, finished_at=at + timedelta(minutes=5)
    )
    db.session.add(campaign)
    db.session.flush()
    link = TrackedLink(campaign_id=campaign.id, position=1, url=URL, label="Order tea")
    db.session.add(link)
    db.session.flush()
    rows = [
        {"campaign_id": campaign.id, "contact_id": one, "address": f"p{one}@x.example", "state": "sent",
         "finished_at": at} for one in people
    ]  # fmt: skip
    messages = list(db.session.execute(insert(Message).returning(Message.id, Message.contact_id), rows))
    acts = [("open", "human", None, messages[:opened]), ("click", "human", link.id, messages[:clicked])]
    acts.append(("open", "machine", None, messages[-machines:] if machines else []))
    events = [
        {"campaign_id": campaign.id, "message_id": message, "contact_id": contact, "kind": kind, "actor": actor,
         "link_id": link_id, "at": at + timedelta(minutes=30)}
        for kind, actor, link_id, those in acts for message, contact in those
    ]  # fmt: skip
    if events:
        db.session.execute(insert(TrackingEvent), events)
    counts = {"planned": sent, "sent": sent, "opens_human": opened, "clicks_human": clicked, "opens_machine": machines}
    add_to_tally(campaign.id, counts)
    db.session.commit()
    return campaign


def list_sums() -> list[tuple[str, str, str, int]]:
    """Day, kind, actor and count of each row of the sums, links added up."""
    db.session.rollback()
    rows = db.session.execute(
        text("SELECT day, kind, actor, sum(count) FROM event_days GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
    )
    return [(str(row[0]), row[1], row[2], int(row[3])) for row in rows]
