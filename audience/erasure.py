"""Erasing people: everything that names them goes, a fingerprint of the address stays so that they stay left alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import LargeBinary, Text, cast, delete, func, or_, select, update

from accounts.audit import add_audit_entry
from audience.consent import REFUSALS, add_suppression
from audience.message_counts import count_moves
from errors import NotFound
from extensions import db
from models import Contact, ContactImportRow, Conversion, IntakeBody, MergedAddress, Message, OtherAddress

ERASED_ADDRESS = "erased@invalid"


def erase_contact(contact_id: int, *, actor: str, user_id: int | None, peer: str | None) -> None:
    """Erases one person at their wish: nothing may be sent to them again, even after another import. Commits.

    Raises NotFound.
    """
    if not _remove([contact_id], reason="erased", is_always_suppressed=True):
        raise NotFound("There is no such contact. It may have been erased already.")
    add_audit_entry("contact_erased", actor=actor, user_id=user_id, subject=f"contact {contact_id}", peer=peer)
    db.session.commit()


def delete_contacts(contact_ids: Iterable[int], *, actor: str, user_id: int | None, peer: str | None) -> int:
    """Deletes contacts that are not wanted any more; those who had refused stay suppressed. Commits.

    Returns how many were deleted.
    """
    count = _remove(sorted(set(contact_ids)), reason="deleted", is_always_suppressed=False)
    if count:
        add_audit_entry("contacts_deleted", actor=actor, user_id=user_id, peer=peer, count=count)
    db.session.commit()
    return count


def remove_contacts(contact_ids: Sequence[int]) -> int:
    """The same within the caller's transaction, for what is undone; those who had refused stay suppressed."""
    return _remove(contact_ids, reason="deleted", is_always_suppressed=False)


def _remove(contact_ids: Sequence[int], *, reason: str, is_always_suppressed: bool) -> int:
    contacts = db.session.scalars(
        select(Contact).where(Contact.id.in_(contact_ids)).order_by(Contact.id).with_for_update()
    ).all()
    for contact in contacts:
        if is_always_suppressed or contact.subscription in REFUSALS:
            state = contact.subscription if contact.subscription in REFUSALS else reason
            for address in (contact.email, *_merged_addresses(contact.id)):
                add_suppression(address, state, "The contact is gone.", keep_address=False)
    ids = [contact.id for contact in contacts]
    if not ids:
        return 0
    addresses = [contact.email for contact in contacts]
    if is_always_suppressed:
        addresses += db.session.scalars(select(OtherAddress.address).where(OtherAddress.contact_id.in_(ids))).all()
    _forget_bodies(ids, addresses if is_always_suppressed else [])
    _forget_import_rows(ids, addresses)
    _anonymise_messages(ids, reason)
    _anonymise_conversions(ids)
    for contact in contacts:
        db.session.expunge(contact)
    db.session.execute(delete(Contact).where(Contact.id.in_(ids)))
    return len(ids)


def _merged_addresses(contact_id: int) -> Sequence[str]:
    """The addresses of contacts that were merged into this one: what they refused goes on for each of them."""
    return db.session.scalars(select(MergedAddress.address).where(MergedAddress.contact_id == contact_id)).all()


def _forget_bodies(contact_ids: Sequence[int], addresses: Sequence[str]) -> None:
    """Bodies that became the contact, and any other that holds one of the addresses in plain letters."""
    naming: list[Any] = [
        func.position(cast(address.encode(), LargeBinary).op("IN")(IntakeBody.body)) > 0 for address in addresses
    ]
    db.session.execute(
        delete(IntakeBody)
        .where(or_(IntakeBody.contact_id.in_(contact_ids), *naming))
        .execution_options(synchronize_session=False)
    )


def _forget_import_rows(contact_ids: Sequence[int], addresses: Sequence[str]) -> None:
    """What an import kept of the person: values to put back, and refused rows that held the address."""
    held = func.lower(cast(ContactImportRow.before, Text))
    naming = [held.contains(address, autoescape=True) for address in addresses]
    db.session.execute(
        update(ContactImportRow)
        .where(or_(ContactImportRow.contact_id.in_(contact_ids), *naming))
        .values(before=None, complaint=None)
        .execution_options(synchronize_session=False)
    )


def _anonymise_messages(contact_ids: Sequence[int], reason: str) -> None:
    """Sent messages stay in the count without their address; waiting ones are not sent any more."""
    theirs = Message.contact_id.in_(contact_ids)
    waiting = (
        select(Message.id, Message.campaign_id, Message.state)
        .where(theirs, Message.state.in_(("pending", "deferred")))
        .with_for_update()
        .cte()
    )
    stopped = db.session.execute(
        update(Message)
        .where(Message.id == waiting.c.id)
        .values(state="suppressed", reason=reason, finished_at=func.now(), next_try_at=None)
        .returning(waiting.c.campaign_id, waiting.c.state)
        .execution_options(synchronize_session=False)
    )
    count_moves([(campaign_id, state, "suppressed") for campaign_id, state in stopped])
    db.session.execute(
        update(Message)
        .where(theirs)
        .values(address=ERASED_ADDRESS, response=None)
        .execution_options(synchronize_session=False)
    )


def _anonymise_conversions(contact_ids: Sequence[int]) -> None:
    """What was sold stays in the sums; who it was and under which number goes."""
    db.session.execute(
        update(Conversion)
        .where(Conversion.contact_id.in_(contact_ids))
        .values(contact_id=None, link_id=None, reference=None)
        .execution_options(synchronize_session=False)
    )
