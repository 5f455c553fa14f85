"""CSV imports: guessed, checked, written, stopped, undone; an opt-out is never wiped."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from audience import import_runs
from audience.consent import list_consents
from audience.contacts import change_tags, find_contact_by_email, get_contact, tags_of
from audience.import_runs import forget_old_files, run_import
from audience.imports import (
    AT_ONCE_ROWS,
    ImportOptions,
    add_import,
    check_import,
    get_import,
    list_columns,
    list_rows,
    start_import,
    stop_import,
    stream_refused_rows,
    undo_import,
)
from audience.segments import count_segment, list_segments
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import Contact, ContactImport, Message
from tests import makers

FILE = (
    "E-Mail;Vorname;Nachname;Telefon;Plan;Labels;Passwort Secret\n"
    "Ann.Lee@example.com;Ann;Lee;+1 202 555 0143;pro;vip, tea;hunter2\n"
    "bob@example.com;Bob;;;;;\n"
    "ANN.lee@example.com;Again;;;;;\n"
    "not an address;Carl;;;;;\n"
    ";Dora;;;;;\n"
)


def uploaded(text: str = FILE, **chosen: Any) -> ContactImport:
    made = add_import("people.csv", text.encode(), actor="Ada")
    columns = {column.number: column.field for column in list_columns(made)}
    return check_import(made.id, ImportOptions(**{"columns": columns, **chosen}))


def imported(text: str = FILE, **chosen: Any) -> ContactImport:
    return start_import(uploaded(text, **chosen).id)


def count_contacts() -> int:
    return db.session.scalar(select(func.count(Contact.id))) or 0


def test_columns_are_guessed_by_heading_and_secrets_are_left_out(app: Flask) -> None:
    made = add_import("C:\\people.csv", FILE.encode("cp1252"), actor="Ada")
    assert [column.field for column in list_columns(made)] == [
        "email", "first_name", "last_name", "phone", "attribute", "tags", "ignore",
    ]  # fmt: skip
    assert (made.file_name, made.totals, made.options["encoding"]) == ("people.csv", {"rows": 5}, "UTF-8")


def test_a_file_without_headings_is_understood_by_its_addresses(app: Flask) -> None:
    made = add_import("x.csv", b"Ann,ann@example.com\nBob,bob@example.com\n", actor="Ada")
    assert [(column.heading, column.field) for column in list_columns(made)] == [
        ("Column 1", "attribute"), ("Column 2", "email"),
    ]  # fmt: skip
    assert made.totals == {"rows": 2}


@pytest.mark.parametrize("raw", [b"", b"email\n", b"PK\x03\x04zip", b'email\n"never closed' + b"x" * 200_000])
def test_a_file_that_cannot_be_used_is_refused_by_name(app: Flask, raw: bytes) -> None:
    with pytest.raises(InputInvalid) as error:
        add_import("x.csv", raw, actor="Ada")
    assert set(error.value.fields) == {"file"}


def test_the_dry_run_writes_no_contact_and_says_what_would_happen(app: Flask) -> None:
    makers.make_contact(email="bob@example.com")
    made = uploaded()
    assert made.state == "checked"
    assert made.totals == {"rows": 5, "read": 5, "create": 1, "skip": 1, "repeated": 1, "refused": 2}
    assert [(row.row_number, row.outcome) for row, _ in list_rows(made.id)] == [
        (2, "create"), (3, "skip"), (4, "repeated"), (5, "refused"), (6, "refused"),
    ]  # fmt: skip
    assert count_contacts() == 1


def test_an_import_does_what_its_dry_run_said(app: Flask) -> None:
    made = imported(
        is_subscribing=True,
        statement="Fair, May 2026",
        tags="fair",
        segment_id="new",
        new_segment="Fair",
        source="Fair",
    )
    assert made.state == "done"
    assert made.totals == {"rows": 5, "read": 5, "created": 2, "repeated": 1, "refused": 2}
    ann = find_contact_by_email("ann.lee@example.com")
    assert ann is not None
    assert (ann.name, ann.phone, ann.source, ann.subscription) == ("Ann Lee", "+12025550143", "Fair", "subscribed")
    assert ann.attributes == {"Plan": "pro", "tags": ["vip", "tea", "fair"]}
    entry = list_consents(ann.id)[0]
    assert (entry.method, entry.wording, entry.actor, entry.receipt) == (
        "import", "Fair, May 2026", "Ada", f"import {made.id}, line 2",
    )  # fmt: skip
    assert [(one.name, count_segment(one.id)) for one in list_segments("fair")] == [("Fair", 2)]
    assert made.content is None
    assert made.options["samples"] == []


def test_nobody_is_subscribed_without_a_statement(app: Flask) -> None:
    with pytest.raises(InputInvalid) as error:
        uploaded(is_subscribing=True)
    assert set(error.value.fields) == {"statement"}
    db.session.rollback()
    imported()
    assert set(db.session.scalars(select(Contact.subscription))) == {"none"}


def test_an_import_never_wipes_an_opt_out(app: Flask) -> None:
    states = ("unsubscribed", "bounced", "complained")
    for state in states:
        makers.make_contact(email=f"{state}@example.com", subscription=state)
    text = "email,name\n" + "".join(f"{state}@example.com,New\n" for state in states)
    for duplicates in ("skip", "update"):
        imported(text, duplicates=duplicates, is_subscribing=True, statement="They all agreed!")
        for state in states:
            contact = find_contact_by_email(f"{state}@example.com")
            assert contact is not None
            db.session.refresh(contact)
            assert contact.subscription == state


def test_known_contacts_are_left_as_they_are_unless_asked(app: Flask) -> None:
    known = makers.make_contact(
        email="ann.lee@example.com", name="Annie", tags="old", attributes={"Plan": "free", "City": "Leeds"}
    )
    imported(tags="new")
    db.session.refresh(known)
    assert (known.name, known.attributes["Plan"]) == ("Annie", "free")
    made = imported(tags="new", duplicates="update")
    db.session.refresh(known)
    assert (made.totals["updated"], made.totals["unchanged"]) == (1, 1)
    assert (known.name, known.phone) == ("Ann Lee", "+12025550143")
    assert (known.attributes["Plan"], known.attributes["City"]) == ("pro", "Leeds")
    assert tags_of(known) == ["old", "vip", "tea", "new"]


def test_wrong_choices_are_named_and_nothing_is_lost(app: Flask) -> None:
    made = add_import("people.csv", FILE.encode(), actor="Ada")
    with pytest.raises(InputInvalid) as error:
        check_import(
            made.id,
            ImportOptions(
                columns={0: "email", 1: "email", 2: "x"}, duplicates="wipe", segment_id="4711", is_subscribing=True
            ),
        )
    assert set(error.value.fields) == {"column-1", "column-2", "duplicates", "segment_id", "statement"}
    db.session.rollback()
    with pytest.raises(InputInvalid) as without:
        check_import(made.id, ImportOptions(columns={0: "ignore"}))
    assert "e-mail" in without.value.fields["column-0"]
    db.session.rollback()
    assert get_import(made.id).state == "mapping"


def test_the_refused_rows_come_back_as_a_file_with_reasons_and_no_formulas(app: Flask) -> None:
    made = imported("email,note\n=HYPERLINK(1),+SUM(1)\nok@example.com,fine\n")
    rows = list(csv.reader(io.StringIO("".join(stream_refused_rows(made)).lstrip("\ufeff"), newline="")))
    assert rows[0] == ["email", "note", "LUX line", "LUX reason"]
    assert rows[1][:3] == ["'=HYPERLINK(1)", "'+SUM(1)", "2"]
    assert "not an e-mail address" in rows[1][3]
    assert len(rows) == 2


def test_undo_removes_what_was_added_and_puts_back_what_was_changed(app: Flask) -> None:
    known = makers.make_contact(
        email="bob@example.com", name="Robert", attributes={"Plan": "free"}, subscription="none"
    )
    text = "email,name,Plan\nann@example.com,Ann,pro\nbob@example.com,Bob,pro\n"
    made = imported(
        text, duplicates="update", is_subscribing=True, statement="Fair", segment_id="new", new_segment="Fair"
    )
    db.session.refresh(known)
    assert (known.name, known.subscription) == ("Bob", "subscribed")
    undone = undo_import(made.id)
    db.session.refresh(known)
    assert (undone.state, undone.totals["undone"], undone.totals["kept"]) == ("undone", 2, 0)
    assert (known.name, known.attributes, known.subscription) == ("Robert", {"Plan": "free"}, "none")
    assert [entry.state for entry in list_consents(known.id)] == ["none", "subscribed"]
    assert count_contacts() == 1
    assert count_segment(list_segments("fair")[0].id) == 0
    with pytest.raises(Conflict):
        undo_import(made.id)


def test_undo_leaves_alone_who_was_changed_or_written_to_since(app: Flask) -> None:
    made = imported("email\na@example.com\nb@example.com\nc@example.com\n")
    changed, written, untouched = (find_contact_by_email(f"{one}@example.com") for one in "abc")
    assert changed is not None and written is not None and untouched is not None
    change_tags([changed.id], "vip", actor="Ada")
    campaign = makers.make_campaign()
    db.session.add(Message(campaign_id=campaign.id, contact_id=written.id, address=written.email, state="sent"))
    db.session.commit()
    undone = undo_import(made.id)
    assert (undone.totals["undone"], undone.totals["kept"]) == (1, 2)
    assert set(db.session.scalars(select(Contact.email))) == {"a@example.com", "b@example.com"}


def many(count: int) -> str:
    return "email,name\n" + "".join(f"person{number}@example.com,Person {number}\n" for number in range(count))


def waiting_tasks(app: Flask) -> list[Any]:
    query = "SELECT task_name, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id"
    return [(row[0], row[1]) for row in db.session.connection().exec_driver_sql(query)]


def test_a_large_file_waits_for_the_worker(app: Flask) -> None:
    made = uploaded(many(AT_ONCE_ROWS + 1))
    assert made.state == "checking"
    assert waiting_tasks(app) == [("import_contacts", {"import_id": made.id})]
    run_import(made.id)
    db.session.refresh(made)
    assert (made.state, made.totals["create"]) == ("checked", AT_ONCE_ROWS + 1)


class Lightning(BaseException):
    """What a worker that is killed does: nothing more."""


def test_an_import_whose_worker_dies_goes_on_after_its_last_row(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    made = uploaded(many(700))
    run_import(made.id)
    start_import(made.id)
    batches = iter(range(10))
    real = import_runs._note_progress

    def dies_in_the_third_batch(*arguments: Any) -> None:
        if next(batches) == 2:
            raise Lightning
        real(*arguments)

    monkeypatch.setattr(import_runs, "_note_progress", dies_in_the_third_batch)
    with pytest.raises(Lightning):
        run_import(made.id)
    db.session.rollback()
    monkeypatch.undo()
    assert count_contacts() == 400
    run_import(made.id)
    db.session.refresh(made)
    assert (made.state, made.totals["created"], made.totals["read"]) == ("done", 700, 700)
    assert len(list_rows(made.id, limit=1000)) == 700


def test_a_stopped_import_can_go_on(app: Flask) -> None:
    made = uploaded(many(500))
    run_import(made.id)
    start_import(made.id)
    stop_import(made.id)
    run_import(made.id)
    db.session.refresh(made)
    assert made.state == "stopped"
    assert start_import(made.id).state == "running"
    run_import(made.id)
    db.session.refresh(made)
    assert (made.state, count_contacts()) == ("done", 500)
    with pytest.raises(Conflict):
        stop_import(made.id)


def test_a_broken_end_of_the_file_is_told_and_what_came_before_can_be_undone(app: Flask) -> None:
    made = uploaded(many(400))
    run_import(made.id)
    raw = many(300).encode() + b'"' + b"x" * 200_000
    db.session.execute(update(ContactImport).where(ContactImport.id == made.id).values(content=raw))
    db.session.commit()
    start_import(made.id)
    run_import(made.id)
    db.session.refresh(made)
    assert made.state == "failed"
    assert made.error is not None
    assert "can be undone" in made.error
    undo_import(made.id)
    run_import(made.id)
    assert count_contacts() == 0


def test_files_that_wait_for_a_month_are_forgotten(app: Flask) -> None:
    made = uploaded()
    assert forget_old_files() == 0
    db.session.execute(update(ContactImport).values(created_at=datetime.now(UTC) - timedelta(days=31)))
    db.session.commit()
    assert forget_old_files() == 1
    with pytest.raises(Conflict):
        start_import(made.id)


def test_an_unknown_import_is_not_found(app: Flask) -> None:
    with pytest.raises(NotFound):
        get_import(4711)
    run_import(4711)
    with pytest.raises(NotFound):
        get_contact(4711)
