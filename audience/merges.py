"""Merging two contacts into one, in one transaction that keeps all of both; undone, each is again as it was.

A no of either one holds for both from then on, and no undo makes it a yes again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import exists, func, select, text
from sqlalchemy.orm import aliased

from accounts.audit import add_audit_entry
from audience.consent import REFUSALS, address_sha256, withdraw_consent
from audience.merge_plans import TAGS, MergePlan, plan_merge, strongest
from audience.merge_rows import move_rows, move_rows_back
from audience.scores import score_some
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import ConsentEntry, Contact, ContactEvent, ContactMerge, MergedAddress, Message, OtherAddress

METHOD, UNDO_METHOD = "merge", "merge_undone"
PLAIN_FIELDS = ("name", "phone", "phone_raw", "source", "segment", "created_at", "opened_at", "clicked_at")
TIMES = ("created_at", "opened_at", "clicked_at", "updated_at")
NO_CONTACT = "One of the two contacts is not there any more."
_ROW = "SELECT to_jsonb(c) - 'words' - 'address_sha256' FROM contacts AS c WHERE id = :id"


def preview_merge(kept_id: int, gone_id: int, choices: Mapping[str, str] | None = None) -> MergePlan:
    """What a merge would make; changes nothing. Raises NotFound, InputInvalid."""
    kept, gone = _both(kept_id, gone_id)
    return plan_merge(kept, gone, choices)


def merge_contacts(
    kept_id: int, gone_id: int, *, choices: Mapping[str, str] | None = None, actor: str, user_id: int | None
) -> ContactMerge:
    """Makes two contacts one, in the caller's transaction: all of the other moves to the kept one.

    Raises NotFound or InputInvalid.
    """
    _lock([kept_id, gone_id])
    kept, gone = _both(kept_id, gone_id)
    plan = plan_merge(kept, gone, choices)
    before, gone_row = _row_of(kept_id), _row_of(gone_id)
    gone_email, gone_state = gone.email, gone.subscription
    _write_values(kept, plan)
    if plan.subscription != kept.subscription:
        wording = (
            f"Merged with contact {gone_id}, who is {gone_state}; the fingerprint is {address_sha256(gone_email)[:12]}."
        )
        withdraw_consent(kept_id, method=METHOD, source="merge", actor=actor, state=plan.subscription, wording=wording)
    merge = ContactMerge(
        contact_id=kept_id, survivor_id=kept_id, gone_id=gone_id, kept={}, actor=actor, user_id=user_id
    )
    db.session.flush()
    rows = move_rows(gone_id, kept_id, kept.email)
    db.session.expunge(gone)
    db.session.execute(text("DELETE FROM contacts WHERE id = :id"), {"id": gone_id})
    db.session.add(merge)
    db.session.flush()
    rows["address"] = _keep_address(gone_email, kept, merge)
    db.session.add(ContactEvent(contact_id=kept_id, kind="merged", source="merge", detail={"by": actor}))
    kept.updated_at = datetime.now(UTC)
    db.session.flush()
    merge.kept = {
        "gone": gone_row,
        "before": before,
        "after": _row_of(kept_id),
        "rows": rows,
        "ledger_at": db.session.scalar(select(func.max(ConsentEntry.id))) or 0,
    }
    add_audit_entry(
        "contacts_merged", actor=actor, user_id=user_id, subject=f"contact {kept_id}", gone=gone_id, merge=merge.id
    )
    score_some([kept_id])
    db.session.flush()
    return merge


def undo_merge(merge_id: int, *, actor: str, user_id: int | None) -> ContactMerge:
    """Makes the two contacts again what they were, in the caller's transaction; what arrived since stays.

    Raises NotFound, and Conflict where a later merge stands before it or the other address is taken.
    """
    merge = db.session.get(ContactMerge, merge_id, with_for_update=True, populate_existing=True)
    if merge is None:
        raise NotFound("There is no such merge. The contact may have been erased.")
    if merge.undone_at is not None:
        raise Conflict("This merge is undone already.")
    _expect_last(merge)
    kept_id, gone_id, record = merge.survivor_id, merge.gone_id, merge.kept
    _lock([kept_id])
    kept = db.session.get_one(Contact, kept_id, populate_existing=True)
    gone_row, rows = record["gone"], record["rows"]
    if db.session.scalar(select(Contact.id).where(Contact.email == gone_row["email"])) is not None:
        raise Conflict(f"Another contact has the address {gone_row['email']} now. Change that first.")
    said_no = _refused_since(merge)
    db.session.execute(text("DELETE FROM merged_addresses WHERE merge_id = :id"), {"id": merge_id})
    db.session.execute(_INSERT, {"row": json.dumps(gone_row)})
    move_rows_back(gone_id, kept_id, record["after"]["email"], rows)
    _take_address_back(rows["address"])
    is_untouched = _is_as_left(kept, record["after"])
    _restore_values(kept, record["before"], record["after"])
    _restore_consent(kept, record, said_no, actor)
    if said_no is not None:
        gone_says = said_no if said_no != "bounced" else None
        if gone_says is not None and strongest(gone_says, gone_row["subscription"]) != gone_row["subscription"]:
            withdraw_consent(gone_id, method=UNDO_METHOD, source="merge", actor=actor, state=gone_says, wording=SINCE)
    db.session.flush()
    for contact_id in (kept_id, gone_id):
        db.session.add(ContactEvent(contact_id=contact_id, kind="merge_undone", source="merge", detail={"by": actor}))
    kept.updated_at = datetime.fromisoformat(record["before"]["updated_at"]) if is_untouched else datetime.now(UTC)
    merge.kept, merge.undone_at, merge.undone_by = {}, datetime.now(UTC), actor
    add_audit_entry(
        "merge_undone", actor=actor, user_id=user_id, subject=f"contact {kept_id}", gone=gone_id, merge=merge_id
    )
    db.session.flush()
    score_some([kept_id, gone_id])
    return merge


def merge_now(
    kept_id: int, gone_id: int, *, choices: Mapping[str, str] | None = None, actor: str, user_id: int | None
) -> ContactMerge:
    """merge_contacts() for pages; commits."""
    merge = merge_contacts(kept_id, gone_id, choices=choices, actor=actor, user_id=user_id)
    db.session.commit()
    return merge


def undo_now(merge_id: int, *, actor: str, user_id: int | None) -> ContactMerge:
    """undo_merge() for pages; commits."""
    merge = undo_merge(merge_id, actor=actor, user_id=user_id)
    db.session.commit()
    return merge


def list_merges(*, before: int | None = None, limit: int = 50) -> list[ContactMerge]:
    """Merges, the newest first, those before an id."""
    query = select(ContactMerge).order_by(ContactMerge.id.desc()).limit(limit)
    return list(db.session.scalars(query if before is None else query.where(ContactMerge.id < before)))


def list_merges_of(contact_id: int) -> list[ContactMerge]:
    """The merges that a contact is made of, the newest first."""
    query = select(ContactMerge).where(ContactMerge.contact_id == contact_id, ContactMerge.undone_at.is_(None))
    return list(db.session.scalars(query.order_by(ContactMerge.id.desc())))


def find_survivor_id(gone_id: int) -> int | None:
    """Whom a merged contact has become, or None."""
    return db.session.scalar(
        select(ContactMerge.contact_id)
        .where(ContactMerge.gone_id == gone_id, ContactMerge.undone_at.is_(None))
        .order_by(ContactMerge.id.desc())
        .limit(1)
    )


def find_kept_emails(addresses: Iterable[str]) -> dict[str, str]:
    """Of canonical addresses those that belonged to merged contacts, each with the address of whoever was kept."""
    own = exists().where(Contact.email == MergedAddress.address).correlate(MergedAddress)
    kept = aliased(Contact)
    query = select(MergedAddress.address, kept.email).join(kept, kept.id == MergedAddress.contact_id)
    rows = db.session.execute(query.where(MergedAddress.address.in_(list(addresses)), ~own))
    return {row.address: row.email for row in rows}


SINCE = "They refused while the two contacts were one, so the no holds for both."
_COLUMNS = ", ".join(column.name for column in Contact.__table__.columns if column.computed is None)
_INSERT = text(
    f"INSERT INTO contacts ({_COLUMNS}) SELECT {_COLUMNS} "  # noqa: S608 - names of our own columns
    "FROM jsonb_populate_record(NULL::contacts, CAST(:row AS jsonb))"
)


def _both(kept_id: int, gone_id: int) -> tuple[Contact, Contact]:
    if kept_id == gone_id:
        raise InputInvalid({"gone_id": "Choose two different contacts."})
    kept, gone = (db.session.get(Contact, one, populate_existing=True) for one in (kept_id, gone_id))
    if kept is None or gone is None:
        raise NotFound(NO_CONTACT)
    return kept, gone


def _lock(contact_ids: Sequence[int]) -> None:
    """Messages first and contacts by their address, as sending and arrivals do: nobody waits in a circle."""
    db.session.execute(
        select(Message.id).where(Message.contact_id.in_(contact_ids)).order_by(Message.id).with_for_update()
    )
    db.session.execute(select(Contact.id).where(Contact.id.in_(contact_ids)).order_by(Contact.email).with_for_update())


def _row_of(contact_id: int) -> dict[str, Any]:
    row: dict[str, Any] = db.session.execute(text(_ROW), {"id": contact_id}).scalar_one()
    return row


def _write_values(kept: Contact, plan: MergePlan) -> None:
    for name, value in plan.values.items():
        if getattr(kept, name) != value:
            setattr(kept, name, value)


def _keep_address(address: str, kept: Contact, merge: ContactMerge) -> dict[str, Any]:
    """The other address leads to the kept contact from now on; gives what undo has to take away again."""
    known = db.session.scalar(
        select(OtherAddress.id).where(OtherAddress.contact_id == kept.id, OtherAddress.address == address)
    )
    added = None
    if known is None:
        further = OtherAddress(contact_id=kept.id, address=address)
        db.session.add(further)
        db.session.flush()
        added = further.id
    earlier = db.session.get(MergedAddress, address)
    if earlier is not None:
        db.session.delete(earlier)
        db.session.flush()
    db.session.add(MergedAddress(address=address, contact_id=kept.id, merge_id=merge.id))
    return {"added": added}


def _take_address_back(kept: Mapping[str, Any]) -> None:
    if kept["added"] is not None:
        db.session.execute(text("DELETE FROM other_addresses WHERE id = :id"), {"id": kept["added"]})


def _expect_last(merge: ContactMerge) -> None:
    later = db.session.scalar(
        select(ContactMerge.id)
        .where(
            ContactMerge.contact_id == merge.contact_id, ContactMerge.undone_at.is_(None), ContactMerge.id > merge.id
        )
        .limit(1)
    )
    if later is not None or merge.contact_id != merge.survivor_id:
        raise Conflict("This contact was merged once more since. Undo the later merge first.")


def _refused_since(merge: ContactMerge) -> str | None:
    """The strongest no that reached the contact while the two were one."""
    states = db.session.scalars(
        select(ConsentEntry.state).where(
            ConsentEntry.contact_id == merge.survivor_id,
            ConsentEntry.id > merge.kept["ledger_at"],
            ConsentEntry.state.in_(REFUSALS),
        )
    )
    return strongest(*states)


def _restore_values(kept: Contact, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Each value that the merge wrote goes back, unless somebody has changed it since."""
    for name in PLAIN_FIELDS:
        then, now = (_time(row[name]) if name in TIMES else row[name] for row in (before, after))
        if then != now and getattr(kept, name) == now:
            setattr(kept, name, then)
    attributes = dict(kept.attributes)
    for key in {*before["attributes"], *after["attributes"]}:
        then, now = before["attributes"].get(key), after["attributes"].get(key)
        if then == now:
            continue
        if attributes.get(key) == now:
            attributes[key] = then
        elif key == TAGS and isinstance(attributes.get(key), list):
            attributes[key] = [tag for tag in attributes[key] if tag in (then or []) or tag not in (now or [])]
        if attributes.get(key) is None:
            attributes.pop(key, None)
    if attributes != kept.attributes:
        kept.attributes = attributes


def _restore_consent(kept: Contact, record: Mapping[str, Any], said_no: str | None, actor: str) -> None:
    before, after = record["before"]["subscription"], record["after"]["subscription"]
    if before == after or kept.subscription != after or said_no is not None:
        return
    kept.subscription = before
    db.session.add(
        ConsentEntry(
            contact_id=kept.id,
            address_sha256=address_sha256(kept.email),
            state=before,
            method=UNDO_METHOD,
            source="merge",
            actor=actor,
            wording="As it was before the merge: the no was the other contact's.",
        )
    )


def _is_as_left(kept: Contact, after: Mapping[str, Any]) -> bool:
    return kept.updated_at == _time(after["updated_at"])


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value is not None else None
