"""Consent: who agreed or left, by an append-only ledger, and the addresses that are never written to again."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, delete, exists, select
from sqlalchemy.dialects.postgresql import insert

from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import ConsentEntry, Contact, ContactEvent, Suppression

# The later in this row, the stronger the no: a state is never replaced by one before it except by grant_consent().
REFUSALS = ("bounced", "unsubscribed", "complained")
BY_THE_PERSON = "the person"


def address_sha256(address: str) -> str:
    """The name under which a canonical address outlives its contact."""
    return hashlib.sha256(address.encode()).hexdigest()


def can_be_written_to(channel: str = "email") -> ColumnElement[bool]:
    """The condition on contacts for everybody who agreed and is not suppressed."""
    return and_(Contact.subscription == "subscribed", ~is_suppressed_contact(channel))


def is_suppressed_contact(channel: str = "email") -> ColumnElement[bool]:
    """The condition on contacts whose address is suppressed."""
    return exists().where(Suppression.channel == channel, Suppression.address_sha256 == Contact.address_sha256)


def withdraw_consent(
    contact_id: int,
    *,
    channel: str = "email",
    method: str,
    source: str | None = None,
    actor: str | None = None,
    wording: str | None = None,
    state: str = "unsubscribed",
    at: datetime | None = None,
) -> bool:
    """Notes that a contact no longer agrees, at once and in the caller's transaction; says whether anything changed.

    `state` is unsubscribed, bounced or complained. The ledger gets a row in any case. Raises NotFound.
    """
    contact = _locked(contact_id)
    before = contact.subscription
    is_stronger = before not in REFUSALS or REFUSALS.index(state) > REFUSALS.index(before)
    if is_stronger:
        contact.subscription = state
        contact.updated_at = datetime.now(UTC)
    _note(contact, state, channel=channel, method=method, source=source, actor=actor, wording=wording, at=at)
    if is_stronger:
        _tell(contact, state, source or method, at, method=method, before=before, by=actor)
    db.session.flush()
    return is_stronger


def grant_consent(
    contact_id: int,
    *,
    channel: str = "email",
    method: str,
    source: str | None = None,
    actor: str,
    wording: str,
    at: datetime | None = None,
) -> None:
    """Subscribes a contact on purpose, also one who had left, in the caller's transaction.

    Only the person (`actor=BY_THE_PERSON`) or somebody of the house who states why (`wording`) may; nobody but the
    person comes back after a complaint. Raises NotFound, InputInvalid or Conflict.
    """
    contact = _locked(contact_id)
    if not wording.strip():
        raise InputInvalid({"wording": "Say how and when this person agreed."})
    if contact.subscription == "complained" and actor != BY_THE_PERSON:
        raise Conflict("This person complained about a message. Only they themselves can subscribe again.")
    before = contact.subscription
    contact.subscription = "subscribed"
    contact.bounce_count = 0
    contact.updated_at = datetime.now(UTC)
    db.session.execute(
        delete(Suppression).where(
            Suppression.channel == channel, Suppression.address_sha256 == address_sha256(contact.email)
        )
    )
    _note(contact, "subscribed", channel=channel, method=method, source=source, actor=actor, wording=wording, at=at)
    if before != "subscribed":
        _tell(contact, "subscribed", source or method, at, method=method, before=before, by=actor)
    db.session.flush()


def add_suppression(
    address: str, reason: str, detail: str | None = None, *, channel: str = "email", keep_address: bool = True
) -> None:
    """Suppresses a canonical address in the caller's transaction; a second time changes nothing."""
    db.session.execute(
        insert(Suppression)
        .values(
            channel=channel,
            address_sha256=address_sha256(address),
            address=address if keep_address else None,
            reason=reason,
            detail=detail,
        )
        .on_conflict_do_nothing()
    )


def find_suppression(address: str, channel: str = "email") -> Suppression | None:
    """Why a canonical address is suppressed, or None."""
    return db.session.scalar(
        select(Suppression).where(Suppression.channel == channel, Suppression.address_sha256 == address_sha256(address))
    )


def is_suppressed(address: str, channel: str = "email") -> bool:
    """Whether nothing may be sent to a canonical address."""
    return find_suppression(address, channel) is not None


def list_consents(contact_id: int) -> list[ConsentEntry]:
    """The contact's ledger, newest first."""
    return list(
        db.session.scalars(
            select(ConsentEntry).where(ConsentEntry.contact_id == contact_id).order_by(ConsentEntry.id.desc())
        )
    )


def _locked(contact_id: int) -> Contact:
    contact = db.session.get(Contact, contact_id, with_for_update=True, populate_existing=True)
    if contact is None:
        raise NotFound("There is no such contact.")
    return contact


def _note(contact: Contact, state: str, *, at: datetime | None, **said: str | None) -> None:
    entry = ConsentEntry(contact_id=contact.id, address_sha256=address_sha256(contact.email), state=state, **said)
    if at is not None:
        entry.at = at
    db.session.add(entry)


def _tell(contact: Contact, kind: str, source: str | None, at: datetime | None, **detail: str | None) -> None:
    event = ContactEvent(contact_id=contact.id, kind=kind, source=source, detail=detail)
    if at is not None:
        event.at = at
    db.session.add(event)
