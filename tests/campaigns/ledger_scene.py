"""A small audience and a campaign, ready to launch: what the tests of sending begin with."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import insert, text

from campaigns.drafting import add_campaign
from campaigns.launching import launch_campaign, start_campaign
from extensions import db
from models import Campaign, Contact, Segment, SegmentMembership

CONTENT: dict[str, Any] = {
    "subject": "News for {{first_name|you}}",
    "preheader": "Two minutes",
    "blocks": [
        {"kind": "heading", "text": "Hello {{first_name|friend}}", "level": 1},
        {"kind": "text", "text": "Read [the story](https://shop.example/story?who={{first_name|x}}) today."},
        {"kind": "button", "label": "Shop now", "url": "https://shop.example/now"},
    ],
}


def make_contacts(count: int, *, domain: str = "people.example", subscription: str = "subscribed") -> list[int]:
    """Contacts with names, in one statement."""
    rows = [
        {"email": f"p{number}@{domain}", "name": f"Person{number} Smith", "subscription": subscription}
        for number in range(1, count + 1)
    ]
    ids = list(db.session.scalars(insert(Contact).returning(Contact.id, sort_by_parameter_order=True), rows))
    db.session.commit()
    return ids


def make_segment(contact_ids: list[int]) -> Segment:
    """A segment by hand."""
    segment = Segment(key=f"s{uuid4().hex}", name="Readers")
    db.session.add(segment)
    db.session.flush()
    if contact_ids:
        rows = [{"segment_id": segment.id, "contact_id": contact_id} for contact_id in contact_ids]
        db.session.execute(insert(SegmentMembership), rows)
    db.session.commit()
    return segment


def make_campaign(contact_ids: list[int], content: dict[str, Any] | None = None, **changes: Any) -> Campaign:
    """A draft for these contacts."""
    segment = make_segment(contact_ids)
    campaign = add_campaign(name="News", made_by="Test", segment_id=segment.id, content=content or CONTENT)
    for name, value in changes.items():
        setattr(campaign, name, value)
    db.session.commit()
    return campaign


def start(contact_ids: list[int], content: dict[str, Any] | None = None, **changes: Any) -> int:
    """A campaign whose ledger is written; its id."""
    campaign = make_campaign(contact_ids, content, **changes)
    launch_campaign(campaign.id, grace_seconds=0)
    start_campaign(campaign.id)
    return campaign.id


def list_states(campaign_id: int) -> dict[str, int]:
    """How many messages are in which state, counted row by row."""
    db.session.rollback()
    rows = db.session.execute(
        text("SELECT state, count(*) FROM messages WHERE campaign_id = :id GROUP BY state"), {"id": campaign_id}
    )
    return {str(row[0]): int(row[1]) for row in rows}
