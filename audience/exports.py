"""Contacts as CSV, streamed row by row so that their number does not matter; every cell is guarded against formulas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from accounts.audit import add_audit_entry
from audience.contacts import shown_attributes, tags_of
from audience.search import ContactFilter, matching_ids
from extensions import db
from lib.csv_rows import write_rows
from models import Contact

Row = TypeVar("Row")

COLUMNS = ("email", "name", "phone", "source", "subscription", "tags", "created_at", "updated_at")
MOST_ATTRIBUTE_COLUMNS = 100
ROWS_AT_ONCE = 1000


def note_export(*, actor: str, user_id: int | None, peer: str | None, what: str) -> None:
    """Writes down that somebody took contacts out of the house. Commits."""
    add_audit_entry("contacts_exported", actor=actor, user_id=user_id, peer=peer, what=what)
    db.session.commit()


def stream_contacts(wanted: ContactFilter, contact_ids: Sequence[int] = ()) -> Iterator[str]:
    """The contacts that a filter means, or those of the ids, as pieces of CSV; attributes get columns of their own."""
    ids = select(Contact.id).where(Contact.id.in_(contact_ids)) if contact_ids else matching_ids(wanted)
    keys = _attribute_keys(ids)
    query = select(Contact).where(Contact.id.in_(ids)).order_by(Contact.id)
    return write_rows([*COLUMNS, *keys], (_row(contact, keys) for contact in stream_rows(query)))


def stream_rows(query: Select[Row]) -> Iterator[Row]:
    """A query's objects, a thousand at a time, in a session of its own: a download outlives its request."""
    engine = db.engine

    def rows() -> Iterator[Row]:
        with Session(engine) as session:
            for row in session.scalars(query.execution_options(yield_per=ROWS_AT_ONCE)):
                session.expunge(row)
                yield row

    return rows()


def contact_document(contact: Contact) -> str:
    """One person's data as CSV in two columns, for the person who asks what is known of them."""
    facts = {
        "email": contact.email,
        "name": contact.name,
        "phone": contact.phone or contact.phone_raw,
        "source": contact.source,
        "subscription": contact.subscription,
        "added": contact.created_at.isoformat(),
        "tags": ", ".join(tags_of(contact)),
        **{f"attribute: {key}": value for key, value in shown_attributes(contact).items()},
    }
    return "".join(write_rows(["field", "value"], [[name, value] for name, value in facts.items()]))


def _attribute_keys(ids: Select[int]) -> list[str]:
    pairs = select(func.jsonb_object_keys(Contact.attributes).label("key")).where(Contact.id.in_(ids)).subquery()
    query = select(pairs.c.key).distinct().order_by(pairs.c.key).limit(MOST_ATTRIBUTE_COLUMNS + 1)
    return [key for key in db.session.scalars(query) if key != "tags"][:MOST_ATTRIBUTE_COLUMNS]


def _row(contact: Contact, keys: Sequence[str]) -> list[str | None]:
    values = contact.attributes
    return [
        contact.email,
        contact.name,
        contact.phone or contact.phone_raw,
        contact.source,
        contact.subscription,
        ", ".join(tags_of(contact)),
        contact.created_at.isoformat(timespec="seconds"),
        contact.updated_at.isoformat(timespec="seconds"),
        *(_cell(values.get(key)) for key in keys),
    ]


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
