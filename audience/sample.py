"""Sample data to try LUX with: invented people on addresses that reach nobody, gone again with one click."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from audience.arrivals import Arrival, add_contact_arrival
from audience.erasure import remove_contacts
from audience.segments import add_segment, archive_segment
from extensions import db
from models import Contact, ContactEvent, Segment

SOURCE = "Sample data"
PEOPLE = 60
MADE_BY = "sample data"
FIRST_NAMES = (
    "Ada", "Ben", "Chiara", "Dmitri", "Elif", "Femi", "Grace", "Hiro", "Ines", "Jonas",
    "Kavya", "Liam", "Maya", "Noor", "Oscar", "Priya", "Quinn", "Rosa", "Samir", "Tess",
)  # fmt: skip
LAST_NAMES = (
    "Achebe", "Berg", "Costa", "Diaz", "Eriksen", "Fischer", "Gomez", "Haas", "Ito", "Jansen", "Kaya", "Lindqvist",
)  # fmt: skip
COMPANIES = ("Harbour Café", "Northwind Books", "Solstice Yoga", "Fern & Fig", "Brightline Studio")
CITIES = ("Lisbon", "Leeds", "Berlin", "Austin", "Nairobi", "Osaka")
PLANS = ("free", "starter", "pro")
TAGS = ("vip", "event 2026", "tea lover", "wholesale")
SEGMENTS = (
    ("Sample: pro customers", {"field": "attribute.plan", "operator": "is", "value": "pro"}),
    ("Sample: tea lovers", {"field": "tag", "operator": "has", "value": "tea lover"}),
)


def add_sample_data(*, actor: str) -> int:
    """Adds sixty invented contacts and two segments; those that are there already stay as they are. Commits.

    Their addresses are of example.com, which takes no mail. Returns how many are new.
    """
    dice = random.Random(2026)  # noqa: S311 - invented people, not secrets
    added = 0
    for number in range(PEOPLE):
        arrival, days = _invented(dice, number, actor), dice.randint(0, 120)
        outcome = add_contact_arrival(db.session(), arrival)
        added += outcome.is_new
        if outcome.is_new:
            _grow_older(outcome.contact_id, days=days)
    db.session.commit()
    for name, rule in SEGMENTS:
        if not _has_segment(name):
            consent = {"field": "subscription", "operator": "is", "value": "subscribed"}
            add_segment(name, rules={"match": "all", "rules": [consent, rule]}, made_by=MADE_BY)
    return added


def count_sample_contacts() -> int:
    """How many invented contacts there are."""
    return db.session.scalar(select(func.count()).where(Contact.source == SOURCE)) or 0


def delete_sample_data() -> int:
    """Removes the invented contacts, and their segments where nothing needs them. Commits. Returns how many went.

    Raises Conflict when a draft is meant for one of the segments.
    """
    count = remove_contacts(list(db.session.scalars(select(Contact.id).where(Contact.source == SOURCE))))
    db.session.commit()
    query = select(Segment.id).where(Segment.made_by == MADE_BY, Segment.archived_at.is_(None))
    for segment_id in list(db.session.scalars(query)):
        archive_segment(segment_id)
    return count


def _invented(dice: random.Random, number: int, actor: str) -> Arrival:
    first, last = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
    tags = dice.sample(TAGS, dice.randint(0, 2))
    attributes: dict[str, object] = {
        "company": dice.choice(COMPANIES),
        "city": dice.choice(CITIES),
        "plan": dice.choice(PLANS),
        "orders": dice.randint(0, 24),
    }
    if tags:
        attributes["tags"] = tags
    return Arrival(
        email=f"{first}.{last}.{number}@example.com".lower(),
        method="sample",
        name=f"{first} {last}",
        phone=f"+1202555{number + 100:04}" if dice.random() < 0.4 else None,
        source=SOURCE,
        attributes=attributes,
        consent="subscribed" if dice.random() < 0.85 else "none",
        wording="Invented for trying LUX; nobody agreed to anything.",
        actor=actor,
    )


def _grow_older(contact_id: int, *, days: int) -> None:
    """An audience that arrived in one second would show nothing of how LUX tells new from old."""
    at = datetime.now(UTC) - timedelta(days=days)
    db.session.execute(update(Contact).where(Contact.id == contact_id).values(created_at=at, updated_at=at))
    db.session.execute(update(ContactEvent).where(ContactEvent.contact_id == contact_id).values(at=at))


def _has_segment(name: str) -> bool:
    query = select(Segment.id).where(Segment.name == name, Segment.archived_at.is_(None))
    return db.session.scalar(query) is not None
