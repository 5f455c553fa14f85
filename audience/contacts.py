"""Contacts: added by hand, changed, tagged, subscribed and unsubscribed; each change with its line in the timeline."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from audience.arrivals import Arrival, add_contact_arrival
from audience.consent import address_sha256, find_suppression, grant_consent, withdraw_consent
from audience.merges import find_kept_emails
from audience.segments import add_members, delete_members
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from lib.clean_text import one_line
from lib.email_addresses import AddressInvalid, canonical_address
from lib.field_names import is_secret
from lib.phone import read_phone
from models import ConsentEntry, Contact, ContactEvent, OtherAddress

BY_HAND = "Added by hand"
LONGEST_NAME = 200
LONGEST_SOURCE = 300
LONGEST_TAG = 50
MOST_TAGS = 50
LONGEST_KEY = 100
LONGEST_VALUE = 1_000
MOST_ATTRIBUTES = 100
TAGS = "tags"


@dataclass(frozen=True)
class ContactInput:
    """What a person typed about a contact, as text."""

    email: str
    name: str = ""
    phone: str = ""
    source: str = ""
    tags: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Checked:
    email: str
    name: str | None
    phone: str | None
    phone_raw: str | None
    source: str | None
    tags: list[str]
    attributes: dict[str, str]


def find_contact(contact_id: int) -> Contact | None:
    """The contact of that id, or None."""
    return db.session.get(Contact, contact_id)


def get_contact(contact_id: int) -> Contact:
    """The contact of that id; raises NotFound."""
    contact = find_contact(contact_id)
    if contact is None:
        raise NotFound("There is no such contact. It may have been erased.")
    return contact


def find_contact_by_email(text: str) -> Contact | None:
    """The contact of that address, however it is written; of a merged contact's address, whoever was kept."""
    try:
        address = canonical_address(text)
    except AddressInvalid:
        return None
    return db.session.scalar(select(Contact).where(Contact.email == find_kept_emails([address]).get(address, address)))


def list_other_addresses(contact_id: int) -> list[str]:
    """Further addresses that came with a contact; nothing is sent to them."""
    query = select(OtherAddress.address).where(OtherAddress.contact_id == contact_id).order_by(OtherAddress.id)
    return list(db.session.scalars(query))


def tags_of(contact: Contact) -> list[str]:
    """The contact's tags as text."""
    tags = contact.attributes.get(TAGS)
    return [str(tag) for tag in tags] if isinstance(tags, list) else [str(tags)] if tags else []


def shown_attributes(contact: Contact) -> dict[str, str]:
    """The contact's attributes but for its tags, as text."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in sorted(contact.attributes.items())
        if key != TAGS
    }


def add_contact(
    given: ContactInput, *, wording: str | None, segment_ids: Sequence[int] = (), actor: str, region: str
) -> Contact:
    """Adds a contact by hand. With `wording`, how the person agreed, it is subscribed. Commits.

    Raises InputInvalid naming the field; a known address is one of the reasons.
    """
    wrong: dict[str, str] = {}
    checked = _checked(given, region, wrong)
    if wording is not None and not one_line(wording):
        wrong["wording"] = "Say how and when this person agreed to get e-mail."
    if checked.email and _find_id(checked.email) is not None:
        wrong["email"] = "There is already a contact with this address."
    if wrong:
        raise InputInvalid(wrong)
    attributes: dict[str, Any] = dict(checked.attributes)
    if checked.tags:
        attributes[TAGS] = checked.tags
    outcome = add_contact_arrival(
        db.session(),
        Arrival(
            email=checked.email,
            method="form",
            name=checked.name,
            phone=checked.phone,
            phone_raw=checked.phone_raw,
            source=checked.source or BY_HAND,
            attributes=attributes,
            consent="none" if wording is None else "subscribed",
            wording=None if wording is None else one_line(wording)[:LONGEST_VALUE],
            actor=actor,
            segment_ids=list(segment_ids),
        ),
    )
    db.session.commit()
    return get_contact(outcome.contact_id)


def change_contact(contact_id: int, given: ContactInput, *, seen_at: str, actor: str, region: str) -> Contact:
    """Changes a contact to what a person typed. Commits.

    `seen_at` is the contact's updated_at as the form showed it. Raises NotFound, InputInvalid, or Conflict when
    somebody changed the contact meanwhile.
    """
    contact = _locked(contact_id)
    wrong: dict[str, str] = {}
    checked = _checked(given, region, wrong)
    holder = _find_id(checked.email) if checked.email else None
    if holder not in (None, contact_id):
        wrong["email"] = "Another contact has this address."
    if wrong:
        raise InputInvalid(wrong)
    if contact.updated_at.isoformat() != seen_at:
        raise Conflict("Somebody changed this contact while you were typing. Look at it again, then save.")
    changes = _apply(contact, checked)
    if changes:
        contact.updated_at = datetime.now(UTC)
        detail = {"by": actor, "changes": changes}
        db.session.add(ContactEvent(contact_id=contact_id, kind="changed", source="by hand", detail=detail))
        if "email" in changes:
            _carry_consent(contact, changes["email"][0], actor)
    db.session.commit()
    return contact


def change_tags(contact_ids: Iterable[int], tag: str, *, actor: str, is_added: bool = True) -> int:
    """Adds a tag to contacts or takes it off; returns how many changed. Commits. Raises InputInvalid."""
    wanted = read_tags(tag)
    if not wanted:
        raise InputInvalid({"tag": "Enter a tag."})

    def change(contact: Contact) -> bool:
        tags = tags_of(contact)
        known = {one.lower() for one in tags}
        chosen = {one.lower() for one in wanted}
        kept = (
            tags + [one for one in wanted if one.lower() not in known]
            if is_added
            else [one for one in tags if one.lower() not in chosen]
        )[:MOST_TAGS]
        if kept == tags:
            return False
        contact.attributes = {**contact.attributes, TAGS: kept}
        contact.updated_at = datetime.now(UTC)
        kind = "tagged" if is_added else "untagged"
        detail = {"by": actor, "tags": wanted}
        db.session.add(ContactEvent(contact_id=contact.id, kind=kind, source="by hand", detail=detail))
        return True

    return _change_each(contact_ids, change)


def unsubscribe_contacts(contact_ids: Iterable[int], *, wording: str, actor: str) -> int:
    """Unsubscribes contacts at somebody's wish that reached the house; returns how many changed. Commits."""

    def change(contact: Contact) -> bool:
        return withdraw_consent(
            contact.id, method="by_hand", source="by hand", actor=actor, wording=one_line(wording) or None
        )

    return _change_each(contact_ids, change)


def subscribe_contact(contact_id: int, *, wording: str, actor: str) -> None:
    """Subscribes a contact for the reason that `wording` states. Commits. Raises as grant_consent() does."""
    grant_consent(
        contact_id, method="by_hand", source="by hand", actor=actor, wording=one_line(wording)[:LONGEST_VALUE]
    )
    db.session.commit()


def add_to_segment(segment_id: int, contact_ids: Iterable[int], *, actor: str) -> int:
    """Adds contacts to a segment by hand; returns how many are new in it. Commits. Raises NotFound."""
    added = add_members(segment_id, contact_ids, source="by hand", by=actor)
    db.session.commit()
    return added


def remove_from_segment(segment_id: int, contact_ids: Iterable[int], *, actor: str) -> int:
    """Takes contacts out of a segment to which they were added; returns how many. Commits. Raises NotFound."""
    gone = delete_members(segment_id, contact_ids, by=actor)
    db.session.commit()
    return gone


def read_tags(text: str) -> list[str]:
    """Tags out of text with commas: trimmed, cut, each once whatever its case."""
    tags: dict[str, str] = {}
    for part in text.split(","):
        tag = one_line(part)[:LONGEST_TAG].strip()
        if tag:
            tags.setdefault(tag.lower(), tag)
    return list(tags.values())[:MOST_TAGS]


def _checked(given: ContactInput, region: str, wrong: dict[str, str]) -> _Checked:
    email = ""
    try:
        email = canonical_address(given.email)
    except AddressInvalid:
        wrong["email"] = "Enter one e-mail address, such as anna@example.com."
    phone = read_phone(given.phone, region)
    if phone is not None and phone.e164 is None:
        wrong["phone"] = "This is not a phone number that can be called. Begin with + and the country's code."
    name, source = one_line(given.name), one_line(given.source)
    if len(name) > LONGEST_NAME:
        wrong["name"] = f"The name is longer than {LONGEST_NAME} characters."
    if len(source) > LONGEST_SOURCE:
        wrong["source"] = f"The source is longer than {LONGEST_SOURCE} characters."
    return _Checked(
        email=email,
        name=name or None,
        phone=phone.e164 if phone else None,
        phone_raw=phone.raw if phone else None,
        source=source or None,
        tags=read_tags(given.tags),
        attributes=_checked_attributes(given.attributes, wrong),
    )


def _checked_attributes(given: Mapping[str, str], wrong: dict[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for key, value in given.items():
        key, value = one_line(key), one_line(value)
        if not key or not value:
            continue
        if len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE:
            wrong["attributes"] = (
                f"An attribute has at most {LONGEST_KEY} characters for its name and {LONGEST_VALUE} for its value."
            )
        elif is_secret(key):
            wrong["attributes"] = f"“{key}” looks like a secret; LUX keeps none with a contact."
        elif key != TAGS:
            kept[key] = value
    if len(kept) > MOST_ATTRIBUTES:
        wrong["attributes"] = f"A contact has at most {MOST_ATTRIBUTES} attributes."
    return kept


def _apply(contact: Contact, checked: _Checked) -> dict[str, list[Any]]:
    """Writes what differs; returns field → [before, after]."""
    before = shown_attributes(contact)
    attributes: dict[str, Any] = {
        key: contact.attributes[key] if before.get(key) == value else value for key, value in checked.attributes.items()
    }
    if checked.tags:
        attributes[TAGS] = checked.tags
    wanted = {
        "email": checked.email,
        "name": checked.name,
        "phone": checked.phone,
        "source": checked.source,
        "attributes": attributes,
    }
    changes = {
        name: [getattr(contact, name), value] for name, value in wanted.items() if getattr(contact, name) != value
    }
    if "phone" in changes:
        contact.phone_raw = checked.phone_raw
    for name in changes:
        setattr(contact, name, wanted[name])
    return changes


def _carry_consent(contact: Contact, before: str, actor: str) -> None:
    """A new address of the same person: what they agreed to stays, unless that address is known to refuse."""
    suppression = find_suppression(contact.email)
    if suppression is not None and contact.subscription in ("none", "pending", "subscribed"):
        contact.subscription = "unsubscribed"
    db.session.add(
        ConsentEntry(
            contact_id=contact.id,
            address_sha256=address_sha256(contact.email),
            state=contact.subscription,
            method="address_changed",
            source="by hand",
            actor=actor,
            wording=f"The address was changed; the one before has the fingerprint {address_sha256(before)[:12]}.",
        )
    )


def _change_each(contact_ids: Iterable[int], change: Callable[[Contact], bool]) -> int:
    ids = sorted(set(contact_ids))
    query = select(Contact).where(Contact.id.in_(ids)).order_by(Contact.id).with_for_update()
    changed = sum(change(contact) for contact in db.session.scalars(query).all())
    db.session.commit()
    return changed


def _find_id(email: str) -> int | None:
    return db.session.scalar(select(Contact.id).where(Contact.email == find_kept_emails([email]).get(email, email)))


def _locked(contact_id: int) -> Contact:
    contact = db.session.get(Contact, contact_id, with_for_update=True, populate_existing=True)
    if contact is None:
        raise NotFound("There is no such contact. It may have been erased.")
    return contact
