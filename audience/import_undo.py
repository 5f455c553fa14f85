"""Taking a CSV import back: what it added goes, what it changed gets back what it had, unless somebody touched it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, exists, select

from audience.consent import address_sha256
from audience.erasure import remove_contacts
from extensions import db
from models import ConsentEntry, Contact, ContactEvent, ContactImport, ContactImportRow, Message, SegmentMembership

BATCH_ROWS = 200
BEFORE_FIELDS = ("name", "phone", "phone_raw", "source", "segment", "attributes", "subscription")


def undo_rows(import_id: int) -> None:
    """Takes an import back in batches that each commit; safe to repeat."""
    while True:
        made = db.session.get(ContactImport, import_id, with_for_update=True, populate_existing=True)
        if made is None:
            return
        rows = db.session.scalars(
            select(ContactImportRow)
            .where(
                ContactImportRow.import_id == import_id,
                ContactImportRow.outcome.in_(("created", "updated", "unchanged")),
            )
            .order_by(ContactImportRow.row_number.desc())
            .limit(BATCH_ROWS)
        ).all()
        if not rows:
            break
        outcomes = _undo_batch(made, rows)
        made.totals = {name: made.totals.get(name, 0) + outcomes[name] for name in ("undone", "kept")} | {
            name: count for name, count in made.totals.items() if name not in ("undone", "kept")
        }
        db.session.commit()
    db.session.execute(delete(SegmentMembership).where(SegmentMembership.source == f"import {import_id}"))
    made.state = "undone"
    made.undone_at = datetime.now(UTC)
    forget_file(made)
    db.session.commit()


def _undo_batch(made: ContactImport, rows: Sequence[ContactImportRow]) -> Counter[str]:
    contacts = {
        contact.id: contact
        for contact in db.session.scalars(
            select(Contact)
            .where(Contact.id.in_([row.contact_id for row in rows if row.contact_id is not None]))
            .order_by(Contact.id)
            .with_for_update()
        )
    }
    written_to = set(
        db.session.scalars(
            select(Contact.id).where(Contact.id.in_(list(contacts)), exists().where(Message.contact_id == Contact.id))
        )
    )
    outcomes: Counter[str] = Counter()
    gone: list[int] = []
    for row in rows:
        contact = contacts.get(row.contact_id or 0)
        is_as_left = contact is not None and contact.updated_at.isoformat() == (row.before or {}).get("left_at")
        is_undone = is_as_left and not (row.outcome == "created" and row.contact_id in written_to)
        if contact is not None and is_undone and row.outcome == "created":
            gone.append(contact.id)
        elif contact is not None and is_undone and row.outcome == "updated":
            _put_back(made, contact, row.before or {})
        row.outcome = "undone" if is_undone else "kept"
        outcomes[row.outcome] += 1
    db.session.flush()
    if gone:
        remove_contacts(gone)
    return outcomes


def _put_back(made: ContactImport, contact: Contact, before: Mapping[str, Any]) -> None:
    after = contact.subscription
    for name in BEFORE_FIELDS:
        if name in before:
            setattr(contact, name, before[name])
    contact.updated_at = datetime.now(UTC)
    db.session.add(
        ContactEvent(contact_id=contact.id, kind="import_undone", source="import", detail={"file": made.file_name})
    )
    if contact.subscription != after:
        db.session.add(
            ConsentEntry(
                contact_id=contact.id,
                address_sha256=address_sha256(contact.email),
                state=contact.subscription,
                method="import_undone",
                source=made.file_name,
                receipt=f"import {made.id}",
            )
        )


def forget_file(made: ContactImport) -> None:
    """Lets go of an import's file and of the cells shown from it, in the caller's transaction."""
    made.content = None
    made.options = {**made.options, "samples": []}
