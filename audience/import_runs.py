"""The work of a CSV import, in batches that each commit: the dry run, the import itself, and taking it back.

A run that is interrupted goes on after the last row that was written; nothing is done twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from flask import current_app
from psycopg import Cursor
from sqlalchemy import BigInteger, Text, delete, exists, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from audience.arrivals import Arrival, add_arrival
from audience.consent import address_sha256
from audience.contacts import TAGS, read_tags, tags_of
from audience.erasure import remove_contacts
from audience.source_rules import IntakeRules, list_segment_ids, load_rules
from config import Settings
from extensions import db
from lib.clean_text import cut, present
from lib.csv_rows import CsvUnreadable, read_table, unguarded
from lib.email_addresses import read_addresses
from lib.phone import read_phone
from models import ConsentEntry, Contact, ContactEvent, ContactImport, ContactImportRow, Message, SegmentMembership

IMPORT_TASK = "import_contacts"
BATCH_ROWS = 200
KEPT_DAYS = 30
BEFORE_FIELDS = ("name", "phone", "phone_raw", "source", "segment", "attributes", "subscription")

log = logging.getLogger("lux.imports")


@dataclass(frozen=True)
class _Row:
    """A row of the file, read: the person, or the complaint for want of one."""

    number: int
    cells: list[str]
    email: str
    complaint: str | None
    name: str | None = None
    phone: str | None = None
    phone_raw: str | None = None
    source: str | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] | None = None


def run_import(import_id: int) -> None:
    """Does what the import waits for: its dry run, its rows, or its undoing. Commits as it goes; safe to repeat."""
    made = db.session.get(ContactImport, import_id)
    if made is None:
        return
    try:
        match made.state:
            case "checking":
                _run(import_id, is_dry=True)
            case "running" | "stopping":
                _run(import_id, is_dry=made.started_at is None)
            case "undoing":
                _undo(import_id)
    except OperationalError:
        raise
    except Exception as error:
        db.session.rollback()
        log.exception("The import %s failed.", import_id)
        sentence = str(error) if isinstance(error, CsvUnreadable) else "LUX made a mistake in this import."
        _fail(import_id, sentence)


def forget_old_files() -> int:
    """Lets go of files that waited for a month; what they became stays. Commits."""
    old = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
    found = db.session.scalars(
        select(ContactImport).where(ContactImport.content.is_not(None), ContactImport.created_at < old)
    ).all()
    for made in found:
        _forget_file(made)
    db.session.commit()
    return len(found)


def _run(import_id: int, *, is_dry: bool) -> None:
    rows = _unread_rows(import_id)
    seen = _emails_of_rows(import_id) if is_dry else set()
    while True:
        batch = list(islice(rows, BATCH_ROWS))
        made = db.session.get(ContactImport, import_id, with_for_update=True, populate_existing=True)
        if made is None:
            return
        if made.state == "stopping":
            made.state = "mapping" if is_dry else "stopped"
            db.session.commit()
            return
        if not batch:
            made.state = "checked" if is_dry else "done"
            if not is_dry:
                made.finished_at = datetime.now(UTC)
                _forget_file(made)
            db.session.commit()
            return
        outcomes = _check_batch(made, batch, seen) if is_dry else _import_batch(made, batch)
        _note_progress(made, outcomes)
        db.session.commit()


def _unread_rows(import_id: int) -> Iterator[_Row]:
    made = db.session.get_one(ContactImport, import_id)
    raw = made.content or b""
    mapping = {int(number): chosen for number, chosen in made.mapping.items()}
    headings: list[str] = made.options["headings"]
    first = 2 if made.options["has_header"] else 1
    last = db.session.scalar(
        select(func.max(ContactImportRow.row_number)).where(ContactImportRow.import_id == import_id)
    )
    settings: Settings = current_app.config["LUX"]
    for number, cells in enumerate(read_table(raw).rows(), 1):
        if number >= first and number > (last or 0):
            yield _read_row(number, cells, mapping, headings, settings.default_phone_region)


def _read_row(number: int, cells: list[str], mapping: Mapping[int, str], headings: Sequence[str], region: str) -> _Row:
    found: dict[str, str] = {}
    attributes: dict[str, str] = {}
    cells = [unguarded(cell) for cell in cells]
    for column, cell in enumerate(cells):
        value = present(cell)
        chosen = mapping.get(column, "ignore")
        if not value or chosen == "ignore":
            continue
        if chosen == "attribute":
            attributes[headings[column]] = cut(value, 1_000)
        else:
            found[chosen] = value
    addresses = read_addresses(found.get("email", ""))
    complaint = None
    if "email" not in found:
        complaint = "There is no e-mail address in this row."
    elif not addresses:
        complaint = f"“{cut(found['email'], 80)}” is not an e-mail address."
    name = found.get("name") or " ".join(filter(None, (found.get("first_name"), found.get("last_name"))))
    phone = read_phone(found.get("phone", ""), region)
    return _Row(
        number=number,
        cells=[cut(cell, 500) for cell in cells],
        email=addresses[0] if addresses else "",
        complaint=complaint,
        name=cut(name, 200) or None,
        phone=phone.e164 if phone else None,
        phone_raw=phone.raw if phone else None,
        source=cut(found["source"], 300) if "source" in found else None,
        tags=tuple(read_tags(found.get("tags", ""))),
        attributes=attributes,
    )


def _check_batch(made: ContactImport, batch: Sequence[_Row], seen: set[str]) -> Counter[str]:
    known = _known_contacts(batch)
    outcomes: Counter[str] = Counter()
    for row in batch:
        contact = known.get(row.email)
        outcome = "create"
        if row.complaint:
            outcome = "refused"
        elif row.email in seen:
            outcome = "repeated"
        elif contact is not None:
            outcome = "skip" if made.options["duplicates"] == "skip" else "update"
        seen.add(row.email)
        before = {"email": row.email, "name": row.name, "cells": row.cells if row.complaint else []}
        _add_row(made.id, row.number, outcome, contact.id if contact else None, row.complaint, before)
        outcomes[outcome] += 1
    return outcomes


def _import_batch(made: ContactImport, batch: Sequence[_Row]) -> Counter[str]:
    known = _known_contacts(batch)
    done_before = _done_contacts(made.id, [contact.id for contact in known.values()])
    seen: set[str] = set()
    written: dict[int, tuple[_Row, str, dict[str, Any]]] = {}
    outcomes: Counter[str] = Counter()
    db.session.flush()
    driver: Any = db.session.connection().connection.driver_connection
    with driver.cursor() as cursor:
        rules = load_rules(cursor)
        for row in batch:
            contact = known.get(row.email)
            if row.complaint:
                outcome = "refused"
                _add_row(made.id, row.number, outcome, None, row.complaint, {"cells": row.cells})
            elif row.email in seen or (contact is not None and contact.id in done_before):
                outcome = "repeated"
                _add_row(made.id, row.number, outcome, contact.id if contact else None, None, None)
            elif contact is not None and made.options["duplicates"] == "skip":
                outcome = "skipped"
                _add_row(made.id, row.number, outcome, contact.id, None, None)
            else:
                before = {name: getattr(contact, name) for name in BEFORE_FIELDS} if contact else {}
                contact_id, outcome = _arrive(cursor, made, row, contact, rules)
                written[contact_id] = (row, outcome, before)
            if not row.complaint:
                seen.add(row.email)
            outcomes[outcome] += 1
    _join_segment(made, list(written))
    _note_written(made.id, written)
    return outcomes


def _arrive(
    cursor: Cursor[Any], made: ContactImport, row: _Row, known: Contact | None, rules: IntakeRules
) -> tuple[int, str]:
    options = made.options
    source = row.source or options["source"] or None
    attributes: dict[str, Any] = dict(row.attributes or {})
    tags = list(dict.fromkeys([*(tags_of(known) if known else []), *row.tags, *options["tags"]]))
    if tags:
        attributes[TAGS] = tags
    arrival = Arrival(
        email=row.email,
        method="import",
        name=row.name,
        phone=row.phone,
        phone_raw=row.phone_raw,
        source=source,
        attributes=attributes,
        consent="subscribed" if options["is_subscribing"] else "none",
        wording=options["statement"] or None,
        actor=options.get("by"),
        receipt=f"import {made.id}, line {row.number}",
        segment_ids=list_segment_ids(rules.rules, source=source, form=None),
    )
    outcome = add_arrival(cursor, arrival)
    if outcome is None:
        raise RuntimeError("An arrival without an inbox row is always written.")
    status = outcome.status
    if known is not None and row.name and known.name and row.name != known.name:
        # A person who asks to update wants the file's spelling; a program's later name only goes to the timeline.
        cursor.execute(
            "UPDATE contacts SET name = %s, updated_at = now() WHERE id = %s", (row.name, outcome.contact_id)
        )
        status = "updated"
    return outcome.contact_id, status


def _join_segment(made: ContactImport, contact_ids: Sequence[int]) -> None:
    segment_id = made.options.get("segment_id")
    if not segment_id or not contact_ids:
        return
    rows = select(literal(segment_id, BigInteger), Contact.id, literal(f"import {made.id}", Text)).where(
        Contact.id.in_(contact_ids)
    )
    db.session.execute(
        insert(SegmentMembership).from_select(["segment_id", "contact_id", "source"], rows).on_conflict_do_nothing()
    )


def _note_written(import_id: int, written: Mapping[int, tuple[_Row, str, dict[str, Any]]]) -> None:
    """Each written row with what undo needs: the values before, and when the import left the contact."""
    left = dict(
        db.session.execute(select(Contact.id, Contact.updated_at).where(Contact.id.in_(list(written)))).tuples().all()
    )
    for contact_id, (row, outcome, before) in written.items():
        kept = {**before, "left_at": left[contact_id].isoformat()}
        _add_row(import_id, row.number, outcome, contact_id, None, kept)


def _add_row(
    import_id: int,
    number: int,
    outcome: str,
    contact_id: int | None,
    complaint: str | None,
    before: dict[str, Any] | None,
) -> None:
    db.session.add(
        ContactImportRow(
            import_id=import_id,
            row_number=number,
            outcome=outcome,
            contact_id=contact_id,
            complaint=complaint,
            before=before,
        )
    )


def _note_progress(made: ContactImport, outcomes: Mapping[str, int]) -> None:
    totals = dict(made.totals)
    for outcome, count in outcomes.items():
        totals[outcome] = totals.get(outcome, 0) + count
    totals["read"] = totals.get("read", 0) + sum(outcomes.values())
    made.totals = totals


def _known_contacts(batch: Iterable[_Row]) -> dict[str, Contact]:
    emails = [row.email for row in batch if row.email]
    query = select(Contact).where(Contact.email.in_(emails)).execution_options(populate_existing=True)
    return {contact.email: contact for contact in db.session.scalars(query)}


def _done_contacts(import_id: int, contact_ids: Sequence[int]) -> set[int]:
    query = select(ContactImportRow.contact_id).where(
        ContactImportRow.import_id == import_id,
        ContactImportRow.contact_id.in_(contact_ids),
        ContactImportRow.outcome.in_(("created", "updated", "unchanged")),
    )
    return {one for one in db.session.scalars(query) if one is not None}


def _emails_of_rows(import_id: int) -> set[str]:
    """The addresses that a dry run has met before it was interrupted."""
    query = select(ContactImportRow.before["email"].astext).where(ContactImportRow.import_id == import_id)
    return set(db.session.scalars(query))


def _undo(import_id: int) -> None:
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
        db.session.expunge_all()
    db.session.execute(delete(SegmentMembership).where(SegmentMembership.source == f"import {import_id}"))
    made.state = "undone"
    made.undone_at = datetime.now(UTC)
    _forget_file(made)
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


def _forget_file(made: ContactImport) -> None:
    made.content = None
    made.options = {**made.options, "samples": []}


def _fail(import_id: int, sentence: str) -> None:
    made = db.session.get(ContactImport, import_id, with_for_update=True, populate_existing=True)
    if made is None:
        return
    if made.started_at is None:
        made.state, made.error = "mapping", sentence
    else:
        made.state, made.error = "failed", f"{sentence} What was imported until then stays, and can be undone."
        made.finished_at = datetime.now(UTC)
    db.session.commit()
