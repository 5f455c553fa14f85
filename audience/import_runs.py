"""The work of a CSV import, in batches that each commit: the dry run, the import itself, and taking it back.

A run that is interrupted goes on after the last row that was written; nothing is done twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from flask import current_app
from sqlalchemy import BigInteger, Text, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from audience.arrivals import Arrival, add_arrivals
from audience.contacts import TAGS, read_tags, tags_of
from audience.import_undo import BATCH_ROWS, BEFORE_FIELDS, forget_file, undo_rows
from audience.merges import find_kept_emails
from audience.source_rules import IntakeRules, list_segment_ids, load_rules
from config import Settings
from extensions import db
from lib.clean_text import cut, present
from lib.csv_rows import CsvUnreadable, read_table, unguarded
from lib.email_addresses import read_addresses
from lib.phone import read_phone
from models import Contact, ContactImport, ContactImportRow, SegmentMembership

IMPORT_TASK = "import_contacts"
KEPT_DAYS = 30

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


# A contact's row, what became of it, and what the contact was before.
_Written = tuple[_Row, str, dict[str, Any]]


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
                undo_rows(import_id)
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
        forget_file(made)
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
                forget_file(made)
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
    batch = _follow_merges(batch)
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
    batch = _follow_merges(batch)
    known = _known_contacts(batch)
    done_before = _done_contacts(made.id, [contact.id for contact in known.values()])
    outcomes: Counter[str] = Counter()
    to_write: dict[str, _Row] = {}
    for row in batch:
        contact = known.get(row.email)
        is_repeated = row.email in to_write or (contact is not None and contact.id in done_before)
        if row.complaint:
            outcome = "refused"
        elif is_repeated:
            outcome = "repeated"
        elif contact is not None and made.options["duplicates"] == "skip":
            outcome = "skipped"
        else:
            to_write[row.email] = row
            continue
        cells = {"cells": row.cells} if row.complaint else None
        _add_row(made.id, row.number, outcome, contact.id if contact else None, row.complaint, cells)
        outcomes[outcome] += 1
    written = _write(made, list(to_write.values()), known)
    _join_segment(made, list(written))
    _note_written(made.id, written)
    outcomes.update(outcome for _, outcome, _ in written.values())
    return outcomes


def _write(made: ContactImport, rows: Sequence[_Row], known: Mapping[str, Contact]) -> dict[int, _Written]:
    """Lets the rows' people arrive; each contact's id with its row, what it became, and what it was before."""
    before = {email: {name: getattr(contact, name) for name in BEFORE_FIELDS} for email, contact in known.items()}
    db.session.flush()
    driver: Any = db.session.connection().connection.driver_connection
    with driver.cursor() as cursor:
        rules = load_rules(cursor)
        found = add_arrivals(cursor, [_arrival(made, row, known.get(row.email), rules) for row in rows])
    written: dict[int, _Written] = {}
    for row, outcome in zip(rows, found, strict=True):
        if outcome is None:
            raise RuntimeError("An arrival without an inbox row is always written.")
        status = outcome.status
        old_name = before.get(row.email, {}).get("name")
        if old_name and row.name and row.name != old_name:
            # Who asks to update wants the file's spelling; a program's later name only goes to the timeline.
            changed = update(Contact).where(Contact.id == outcome.contact_id)
            db.session.execute(changed.values(name=row.name, updated_at=func.now()))
            status = "updated"
        written[outcome.contact_id] = (row, status, before.get(row.email, {}))
    return written


def _arrival(made: ContactImport, row: _Row, known: Contact | None, rules: IntakeRules) -> Arrival:
    options = made.options
    source = row.source or options["source"] or None
    attributes: dict[str, Any] = dict(row.attributes or {})
    tags = list(dict.fromkeys([*(tags_of(known) if known else []), *row.tags, *options["tags"]]))
    if tags:
        attributes[TAGS] = tags
    return Arrival(
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


def _note_written(import_id: int, written: Mapping[int, _Written]) -> None:
    """Each written row with what undo needs: the values before, and when the import left the contact."""
    query = select(Contact.id, Contact.updated_at).where(Contact.id.in_(list(written)))
    left = {contact_id: updated_at.isoformat() for contact_id, updated_at in db.session.execute(query)}
    for contact_id, (row, outcome, before) in written.items():
        kept = {**before, "left_at": left[contact_id]}
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


def _follow_merges(batch: Sequence[_Row]) -> list[_Row]:
    """Rows with the address of a merged contact are rows of whoever was kept."""
    kept = find_kept_emails(row.email for row in batch)
    return [replace(row, email=kept[row.email]) if row.email in kept else row for row in batch]


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
