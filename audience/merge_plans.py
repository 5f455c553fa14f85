"""What a merge of two contacts would make: field by field, whose value wins and why. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from audience.consent import REFUSALS, can_be_written_to, find_suppression
from extensions import db
from models import Contact

KEPT, GONE, BOTH = "kept", "gone", "both"
SIDES = (KEPT, GONE)
ATTRIBUTE = "attribute."
TAGS = "tags"
MOST_TAGS = 50


@dataclass(frozen=True)
class MergedField:
    """One field of both contacts, what it becomes, whose value that is (kept, gone, both) and why."""

    key: str
    label: str
    kept: str
    gone: str
    result: str
    wins: str
    why: str
    has_choice: bool = False


@dataclass(frozen=True)
class MergePlan:
    """The whole: `values` is what is written to the kept contact, `subscription` what it may be written to as."""

    kept: Contact
    gone: Contact
    fields: list[MergedField]
    values: dict[str, Any]
    subscription: str
    why_subscription: str
    notes: list[str]


def suggest_kept(one: Contact, other: Contact) -> Contact:
    """Which of two to keep: who may be written to, then who did something last, then who was there first."""
    writable = set(
        db.session.scalars(select(Contact.id).where(Contact.id.in_([one.id, other.id]), can_be_written_to()))
    )

    def merit(contact: Contact) -> tuple[bool, float, int]:
        seen = contact.clicked_at or contact.opened_at
        return contact.id in writable, seen.timestamp() if seen else 0.0, -contact.id

    return max(one, other, key=merit)


def plan_merge(kept: Contact, gone: Contact, choices: Mapping[str, str] | None = None) -> MergePlan:
    """What becomes of two contacts when one is kept; `choices` says for a field that the other's value wins."""
    chosen = {key: side for key, side in (choices or {}).items() if side in SIDES}
    first = min(kept, gone, key=lambda one: (one.created_at, one.id))
    fields: list[MergedField] = [_email(kept, gone)]
    values: dict[str, Any] = {}
    for key, label in (("name", "Name"), ("phone", "Phone")):
        field, value = _own_or_other(key, label, getattr(kept, key), getattr(gone, key), chosen)
        fields.append(field)
        values[key] = value
    is_others = values["phone"] != kept.phone or (kept.phone is None and not kept.phone_raw)
    values["phone_raw"] = gone.phone_raw if is_others else kept.phone_raw
    for key, label in (("source", "Source"), ("segment", "First segment")):
        field, value = _first_touch(key, label, kept, gone, first, chosen)
        fields.append(field)
        values[key] = value
    attributes, of_attributes = _attributes(kept, gone, chosen)
    fields += of_attributes
    values["attributes"] = attributes
    values |= {
        "created_at": first.created_at,
        "opened_at": _latest(kept.opened_at, gone.opened_at),
        "clicked_at": _latest(kept.clicked_at, gone.clicked_at),
    }
    subscription, why = _subscription(kept, gone)
    return MergePlan(kept, gone, fields, values, subscription, why, _notes(kept, gone, subscription))


def refusal_of(contact: Contact) -> str | None:
    """How a contact refuses, by their state or because the address is suppressed; None for who does not."""
    said = contact.subscription if contact.subscription in REFUSALS else None
    suppression = find_suppression(contact.email)
    if suppression is None:
        return said
    word = suppression.reason
    held = "complained" if word.startswith("complain") else "bounced" if word.startswith("bounce") else "unsubscribed"
    return strongest(said, held)


def strongest(*refusals: str | None) -> str | None:
    """The strongest no of several."""
    return max((one for one in refusals if one in REFUSALS), key=REFUSALS.index, default=None)


def _subscription(kept: Contact, gone: Contact) -> tuple[str, str]:
    """The strictest wins: a no of either one holds for both, a yes never travels to another address."""
    own, other = refusal_of(kept), refusal_of(gone)
    # That an address bounces says something of that address, not of the person.
    refusal = strongest(own, other if other != "bounced" else None)
    if refusal is None:
        if gone.subscription == "subscribed" and kept.subscription != "subscribed":
            return kept.subscription, "They agreed with the other address only, and that does not carry over."
        return kept.subscription, "As the kept address agreed."
    if own == refusal:
        return refusal, "As it is: the kept contact has refused."
    return refusal, "The other contact has refused, and a no of either one holds for both."


def _notes(kept: Contact, gone: Contact, subscription: str) -> list[str]:
    notes = []
    if kept.subscription == "subscribed" and subscription != "subscribed":
        notes.append(f"{kept.email} will not be written to any more, for the other contact has refused.")
    if gone.subscription == "subscribed" and kept.subscription in ("none", "pending"):
        notes.append(f"To go on writing to this person, keep {gone.email} instead: that address agreed.")
    return notes


def _email(kept: Contact, gone: Contact) -> MergedField:
    why = "The kept contact's. The other one is never written to, and whoever arrives with it is this contact."
    return MergedField("email", "E-mail", kept.email, gone.email, kept.email, KEPT, why)


def _own_or_other(
    key: str, label: str, own: str | None, other: str | None, chosen: Mapping[str, str]
) -> tuple[MergedField, str | None]:
    has_choice = bool(own and other and own != other)
    if has_choice:
        wins = chosen.get(key, KEPT)
        why = "Chosen by you." if key in chosen else "Both have one: the kept contact's stays."
    elif other and not own:
        wins, why = GONE, "Only the other contact has one."
    else:
        wins, why = (
            (BOTH, "The same.") if own and own == other else (KEPT, "Only the kept contact has one." if own else "")
        )
    value = other if wins == GONE else own
    return MergedField(key, label, own or "", other or "", value or "", wins, why, has_choice), value


def _first_touch(
    key: str, label: str, kept: Contact, gone: Contact, first: Contact, chosen: Mapping[str, str]
) -> tuple[MergedField, str | None]:
    own, other = getattr(kept, key), getattr(gone, key)
    if own and other and own != other and key not in chosen:
        wins = KEPT if first is kept else GONE
        value = own if first is kept else other
        return MergedField(key, label, own, other, value, wins, "Of the contact that was there first.", True), value
    return _own_or_other(key, label, own, other, chosen)


def _attributes(kept: Contact, gone: Contact, chosen: Mapping[str, str]) -> tuple[dict[str, Any], list[MergedField]]:
    merged: dict[str, Any] = {}
    fields = []
    for key in sorted({*kept.attributes, *gone.attributes} - {TAGS}):
        own, other = kept.attributes.get(key), gone.attributes.get(key)
        name = f"{ATTRIBUTE}{key}"
        field, _ = _own_or_other(name, key, _shown(own), _shown(other), chosen)
        merged[key] = other if field.wins == GONE else own
        fields.append(field)
    own_tags, other_tags = _tags(kept), _tags(gone)
    if own_tags or other_tags:
        known = {tag.lower() for tag in own_tags}
        both = [*own_tags, *(tag for tag in other_tags if tag.lower() not in known)][:MOST_TAGS]
        merged[TAGS] = both
        own, other, union = (", ".join(tags) for tags in (own_tags, other_tags, both))
        fields.append(MergedField(TAGS, "Tags", own, other, union, BOTH, "All of both."))
    return merged, fields


def _tags(contact: Contact) -> list[str]:
    tags = contact.attributes.get(TAGS)
    return [str(tag) for tag in tags] if isinstance(tags, list) else [str(tags)] if tags else []


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
