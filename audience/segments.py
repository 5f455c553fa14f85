"""Segments: named parts of the audience, by rules, by hand or by source; each change written and committed here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Text, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from audience.rules import Condition, SegmentRules, describe_rules, list_segment_ids, validate_rules
from audience.segment_queries import count_segment, segment_query
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from lib.clean_text import clean_text, one_line
from models import Campaign, Contact, ContactEvent, Segment, SegmentMembership, SourceRule

__all__ = ["count_segment", "segment_query"]

LONGEST_NAME = 120
LONGEST_DESCRIPTION = 500
LONGEST_KEY = 60


@dataclass(frozen=True)
class Recipe:
    """Rules to begin with, for somebody who has no segment yet."""

    name: str
    text: str
    rules: SegmentRules


def _recipe(name: str, text: str, *conditions: tuple[str, str, Any]) -> Recipe:
    rules = [Condition(field=field, operator=operator, value=value) for field, operator, value in conditions]
    return Recipe(name, text, SegmentRules(match="all", rules=list(rules)))


RECIPES: list[Recipe] = [
    _recipe("Everybody who agreed", "All who may get your e-mail.", ("subscription", "is", "subscribed")),
    _recipe(
        "New this month",
        "Subscribed and added in the last 30 days: a welcome fits.",
        ("subscription", "is", "subscribed"),
        ("created_at", "within_days", 30),
    ),
    _recipe(
        "Engaged readers",
        "Opened or clicked lately: your best audience for an offer.",
        ("subscription", "is", "subscribed"),
        ("opened", "within_days", 60),
    ),
    _recipe(
        "Gone quiet",
        "Got messages, opened none for 90 days: win them back or let them go.",
        ("subscription", "is", "subscribed"),
        ("received", "within_days", 90),
        ("opened", "not_within_days", 90),
    ),
    _recipe(
        "Newsletter readers by source",
        "Came through a form or source with “newsletter” in its name.",
        ("source", "contains", "newsletter"),
    ),
]


def find_segment(segment_id: int) -> Segment | None:
    """The segment of that id, archived or not, or None."""
    return db.session.get(Segment, segment_id)


def get_segment(segment_id: int) -> Segment:
    """The segment of that id; raises NotFound."""
    segment = find_segment(segment_id)
    if segment is None:
        raise NotFound("There is no such segment.")
    return segment


def list_segments(q: str = "") -> list[Segment]:
    """The segments in use by name, those only whose name or description contains the words."""
    query = select(Segment).where(Segment.archived_at.is_(None)).order_by(func.lower(Segment.name), Segment.id)
    for word in one_line(q).lower().split():
        query = query.where(func.lower(Segment.name + " " + Segment.description).contains(word, autoescape=True))
    return list(db.session.scalars(query))


def list_segments_of(contact_id: int) -> list[tuple[Segment, SegmentMembership | None]]:
    """The segments that a contact is in, each with the membership where that is why."""
    memberships = {
        one.segment_id: one
        for one in db.session.scalars(select(SegmentMembership).where(SegmentMembership.contact_id == contact_id))
    }
    found: list[tuple[Segment, SegmentMembership | None]] = []
    for segment in list_segments():
        if segment.id in memberships:
            found.append((segment, memberships[segment.id]))
        elif segment.rules is not None:
            ids = segment_query(segment.id).subquery()
            if db.session.scalar(select(ids.c.id).where(ids.c.id == contact_id)) is not None:
                found.append((segment, None))
    return found


def describe_segment(segment: Segment) -> str:
    """The segment read back in words."""
    if segment.rules is None:
        return "Contacts that were added by hand, by an import or by their source."
    return describe_rules(SegmentRules.model_validate(segment.rules))


def add_segment(name: str, *, rules: Any = None, description: str = "", made_by: str = "") -> Segment:
    """Adds a segment; without rules its contacts are added by hand, import or source. Commits.

    Raises InputInvalid naming the field: name, description, or a path such as `rules.0.value`.
    """
    segment = Segment(
        key="", name="", made_by=made_by, rules=None if rules is None else validate_rules(rules).model_dump()
    )
    _describe(segment, name, description)
    segment.key = _free_key(segment.name)
    db.session.add(segment)
    db.session.commit()
    return segment


def change_segment(segment_id: int, *, name: str, description: str = "", rules: Any = None) -> Segment:
    """Changes a segment's name, description and rules. Commits. Raises NotFound or InputInvalid."""
    segment = get_segment(segment_id)
    checked = None if rules is None else validate_rules(rules, segment_id=segment_id).model_dump()
    _describe(segment, name, description)
    segment.rules = checked
    segment.updated_at = datetime.now(UTC)
    db.session.commit()
    return segment


def archive_segment(segment_id: int) -> None:
    """Takes a segment out of use; what it was stays readable. Commits. Raises Conflict while something needs it."""
    segment = get_segment(segment_id)
    waiting = db.session.scalar(
        select(Campaign.name).where(
            Campaign.segment_id == segment_id,
            Campaign.state.in_(("draft", "scheduled")),
            Campaign.archived_at.is_(None),
        )
    )
    if waiting is not None:
        raise Conflict(f"The campaign “{waiting}” is meant for this segment. Choose another one for it first.")
    for other in list_segments():
        inner = list_segment_ids(SegmentRules.model_validate(other.rules)) if other.rules else set()
        if segment_id in inner:
            raise Conflict(f"The rules of “{other.name}” speak of this segment. Change them first.")
    db.session.execute(delete(SourceRule).where(SourceRule.segment_id == segment_id))
    segment.archived_at = datetime.now(UTC)
    db.session.commit()


def add_members(segment_id: int, contact_ids: Iterable[int], *, source: str, by: str) -> int:
    """Adds contacts to a segment by hand, in the caller's transaction; returns how many are new in it."""
    segment = get_segment(segment_id)
    rows = select(literal(segment_id, BigInteger), Contact.id, literal(source, Text)).where(
        Contact.id.in_(list(contact_ids))
    )
    added: Sequence[int] = db.session.scalars(
        insert(SegmentMembership)
        .from_select(["segment_id", "contact_id", "source"], rows)
        .on_conflict_do_nothing()
        .returning(SegmentMembership.contact_id)
    ).all()
    detail = {"segment": segment.name, "by": by}
    db.session.add_all(
        ContactEvent(contact_id=contact_id, kind="joined", source=source, detail=detail) for contact_id in added
    )
    return len(added)


def delete_members(segment_id: int, contact_ids: Iterable[int], *, by: str) -> int:
    """Takes contacts out of a segment to which they were added, in the caller's transaction; rules are not touched."""
    segment = get_segment(segment_id)
    gone = db.session.scalars(
        delete(SegmentMembership)
        .where(SegmentMembership.segment_id == segment_id, SegmentMembership.contact_id.in_(list(contact_ids)))
        .returning(SegmentMembership.contact_id)
    ).all()
    detail = {"segment": segment.name, "by": by}
    db.session.add_all(
        ContactEvent(contact_id=one, kind="left_segment", source="by hand", detail=detail) for one in gone
    )
    return len(gone)


def _describe(segment: Segment, name: str, description: str) -> None:
    wrong = {}
    name = one_line(name)
    description = clean_text(description).strip()
    if not name:
        wrong["name"] = "Give the segment a name."
    elif len(name) > LONGEST_NAME:
        wrong["name"] = f"The name is longer than {LONGEST_NAME} characters."
    elif _is_taken(name, segment.id):
        wrong["name"] = "There is a segment of this name already."
    if len(description) > LONGEST_DESCRIPTION:
        wrong["description"] = f"The description is longer than {LONGEST_DESCRIPTION} characters."
    if wrong:
        raise InputInvalid(wrong)
    segment.name = name
    segment.description = description


def _is_taken(name: str, but_id: int | None) -> bool:
    query = select(Segment.id).where(func.lower(Segment.name) == name.lower(), Segment.archived_at.is_(None))
    return db.session.scalar(query.where(Segment.id != but_id) if but_id is not None else query) is not None


def _free_key(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    wanted = "-".join(re.findall(r"[a-z0-9]+", plain))[:LONGEST_KEY] or "segment"
    taken = set(db.session.scalars(select(Segment.key).where(Segment.key.startswith(wanted, autoescape=True))))
    number = 2
    key = wanted
    while key in taken:
        key, number = f"{wanted}-{number}", number + 1
    return key
