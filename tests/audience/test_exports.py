"""Exports: whom the filter means, each cell harmless, each export written down."""

from __future__ import annotations

import csv
import io

from flask import Flask
from sqlalchemy import select

from audience.exports import contact_document, note_export, stream_contacts
from audience.search import ContactFilter
from extensions import db
from lib.csv_rows import FORMULA_STARTS
from models import AuditEntry
from tests import makers


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline="")))


def test_attributes_get_columns_of_their_own(app: Flask) -> None:
    first = makers.make_contact(name="Zoë", phone="+1 202 555 0143", tags="a, b", attributes={"plan": "pro"})
    first.attributes = {**first.attributes, "visits": 3, "list": ["x"]}
    db.session.commit()
    makers.make_contact(name="Other", source="Fair")
    rows = rows_of("".join(stream_contacts(ContactFilter())))
    assert [row["name"] for row in rows] == ["Zoë", "Other"]
    assert (rows[0]["plan"], rows[0]["visits"], rows[0]["list"], rows[0]["tags"], rows[0]["phone"]) == (
        "pro", "3", '["x"]', "a, b", "'+12025550143",
    )  # fmt: skip
    assert [row["name"] for row in rows_of("".join(stream_contacts(ContactFilter(source="Fair"))))] == ["Other"]
    assert [row["name"] for row in rows_of("".join(stream_contacts(ContactFilter(), [first.id])))] == ["Zoë"]


def test_no_cell_of_an_export_is_a_formula(app: Flask) -> None:
    for start in FORMULA_STARTS:
        makers.make_contact(
            name=f"{start}cmd|' /C calc'!A0", source=f"{start}1", attributes={f"{start}key": f"{start}2"}
        )
    makers.make_contact().attributes = {"list": ["=1+1"], "＝wide": "＝1", "tags": ["=tag"]}
    db.session.commit()
    text = "".join(stream_contacts(ContactFilter())) + "".join(
        contact_document(contact) for contact in [makers.make_contact(name="=1", attributes={"x": "@SUM(1)"})]
    )
    for row in csv.reader(io.StringIO(text.lstrip("\ufeff"), newline="")):
        assert not any(cell.lstrip("\ufeff").lstrip().startswith(FORMULA_STARTS) for cell in row)


def test_an_export_is_written_down(app: Flask) -> None:
    note_export(actor="Ada", user_id=None, peer="127.0.0.1", what="all contacts")
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor, entry.detail) == ("contacts_exported", "Ada", {"what": "all contacts"})
