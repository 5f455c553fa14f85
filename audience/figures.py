"""The audience in numbers for the dashboard, and contacts and segments by name for the command palette."""

from __future__ import annotations

import re
from datetime import datetime

from sqlalchemy import func, select

from extensions import db
from models import Contact, IntakeBody, Segment

SHORTEST_PREFIX = 2


def count_contacts() -> int:
    """All contacts."""
    return db.session.scalar(select(func.count()).select_from(Contact)) or 0


def count_contacts_since(moment: datetime) -> int:
    """The contacts that arrived since then."""
    return db.session.scalar(select(func.count()).where(Contact.created_at >= moment)) or 0


def count_dead_bodies() -> int:
    """Bodies in the webhook inbox that became nothing."""
    return db.session.scalar(select(func.count()).where(IntakeBody.state == "dead")) or 0


def list_contacts_named(words: str, most: int) -> list[Contact]:
    """Contacts whose name, address, phone or company has words that begin so; none for a single letter."""
    prefixes = re.findall(r"\w+", words.lower())
    if not prefixes or max(map(len, prefixes)) < SHORTEST_PREFIX:
        return []
    query = func.to_tsquery("simple", " & ".join(f"{prefix}:*" for prefix in prefixes))
    return list(db.session.scalars(select(Contact).where(Contact.words.op("@@")(query)).limit(most)))


def list_segments_named(words: str, most: int) -> list[Segment]:
    """Segments in use whose name holds the words."""
    found = select(Segment).where(Segment.name.icontains(words, autoescape=True), Segment.archived_at.is_(None))
    return list(db.session.scalars(found.order_by(Segment.name).limit(most)))
