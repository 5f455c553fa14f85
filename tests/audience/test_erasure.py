"""Erasing a person: nothing that names them is left anywhere, and they stay left alone."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, text

from audience.arrivals import Arrival, add_contact_arrival
from audience.consent import address_sha256, find_suppression
from audience.contacts import find_contact, find_contact_by_email
from audience.erasure import ERASED_ADDRESS, delete_contacts, erase_contact
from audience.imports import ImportOptions, add_import, check_import, start_import
from errors import NotFound
from extensions import db
from models import ConsentEntry, Contact, IntakeBody, Message, OtherAddress
from tests import makers

EMAIL = "mallory.zzq@example.com"


def erase(contact_id: int) -> None:
    erase_contact(contact_id, actor="Ada", user_id=None, peer="127.0.0.1")


def a_known_person() -> Contact:
    """Somebody whom every part of LUX has something about."""
    file = f"email,name\n{EMAIL},Mallory\n{EMAIL}?,Broken row of Mallory\nnobody {EMAIL},x\n".encode()
    made = add_import("people.csv", file, actor="Ada")
    options = ImportOptions(columns={0: "email", 1: "name"}, is_subscribing=True, statement="Fair", duplicates="update")
    check_import(made.id, options)
    start_import(made.id)
    contact = find_contact_by_email(EMAIL)
    assert contact is not None
    campaign = makers.make_campaign()
    db.session.add_all(
        [
            OtherAddress(contact_id=contact.id, address="mallory.other@example.org"),
            IntakeBody(receipt="r1", body=b'{"email":"x"}', sha256="1", contact_id=contact.id),
            IntakeBody(receipt="r2", body=f'{{"mail": "{EMAIL}"}}'.encode(), sha256="2", state="dead"),
            IntakeBody(receipt="r3", body=b'{"cc": "mallory.other@example.org"}', sha256="3", state="dead"),
            IntakeBody(receipt="r4", body=b'{"email":"somebody@example.com"}', sha256="4"),
            Message(campaign_id=campaign.id, contact_id=contact.id, address=EMAIL, state="pending"),
            Message(
                campaign_id=makers.make_campaign().id,
                contact_id=contact.id,
                address=EMAIL,
                state="sent",
                response="ok " + EMAIL,
            ),
        ]
    )
    db.session.commit()
    return contact


def test_nothing_that_names_the_person_is_left(app: Flask) -> None:
    contact = a_known_person()
    erase(contact.id)
    tables = db.session.scalars(
        text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate%'")
    ).all()
    for table in tables:
        rows = db.session.scalars(text(f"SELECT CAST(t AS text) FROM {table} AS t")).all()
        for row in rows:
            assert "mallory" not in row.lower(), f"{table}: {row}"
            assert EMAIL.encode().hex() not in row, table
    assert [one.receipt for one in db.session.scalars(select(IntakeBody))] == ["r4"]


def test_sent_mail_stays_in_the_count_and_waiting_mail_is_not_sent(app: Flask) -> None:
    contact = a_known_person()
    erase(contact.id)
    messages = db.session.scalars(select(Message).order_by(Message.id)).all()
    assert [(one.state, one.reason, one.address, one.contact_id) for one in messages] == [
        ("suppressed", "erased", ERASED_ADDRESS, None),
        ("sent", None, ERASED_ADDRESS, None),
    ]


def test_the_ledger_keeps_only_the_fingerprint(app: Flask) -> None:
    contact = a_known_person()
    erase(contact.id)
    entries = db.session.scalars(select(ConsentEntry)).all()
    assert [(one.contact_id, one.address_sha256) for one in entries] == [(None, address_sha256(EMAIL))]
    suppression = find_suppression(EMAIL)
    assert suppression is not None
    assert (suppression.reason, suppression.address) == ("erased", None)


def test_nothing_brings_an_erased_person_back_into_campaigns(app: Flask) -> None:
    contact = makers.make_contact(email=EMAIL)
    erase(contact.id)
    assert find_contact(contact.id) is None
    made = add_import("again.csv", f"email\n{EMAIL}\n".encode(), actor="Ada")
    check_import(made.id, ImportOptions(columns={0: "email"}, is_subscribing=True, statement="They agreed"))
    start_import(made.id)
    again = find_contact_by_email(EMAIL)
    assert again is not None
    assert again.subscription == "unsubscribed"
    outcome = add_contact_arrival(db.session(), Arrival(email=EMAIL, method="webhook"))
    assert outcome.answer["subscription"] == "unsubscribed"


def test_a_second_erasing_is_not_found(app: Flask) -> None:
    contact = makers.make_contact()
    erase(contact.id)
    with pytest.raises(NotFound):
        erase(contact.id)


def test_deleting_suppresses_only_those_who_had_refused(app: Flask) -> None:
    agreed, left = makers.make_contact(), makers.make_contact(subscription="complained")
    addresses = (agreed.email, left.email)
    assert delete_contacts([agreed.id, left.id, 4711], actor="Ada", user_id=None, peer=None) == 2
    assert find_suppression(addresses[0]) is None
    suppression = find_suppression(addresses[1])
    assert suppression is not None
    assert suppression.reason == "complained"
    back = add_contact_arrival(db.session(), Arrival(email=addresses[1], method="webhook"))
    assert back.answer["subscription"] == "complained"
