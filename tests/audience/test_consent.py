"""Consent: an append-only ledger, a no that holds, a yes that needs a reason."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from audience.consent import (
    BY_THE_PERSON,
    add_suppression,
    address_sha256,
    can_be_written_to,
    find_suppression,
    grant_consent,
    is_suppressed,
    list_consents,
    withdraw_consent,
)
from audience.contacts import find_contact, get_contact
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import Contact
from tests import makers


def state_of(contact_id: int) -> str:
    db.session.expire_all()
    return get_contact(contact_id).subscription


def test_leaving_takes_effect_at_once_and_is_written_down(app: Flask) -> None:
    contact = makers.make_contact()
    assert withdraw_consent(
        contact.id, method="one_click", source="Spring sale", actor=BY_THE_PERSON, wording="List-Unsubscribe"
    )
    db.session.commit()
    assert state_of(contact.id) == "unsubscribed"
    entry = list_consents(contact.id)[0]
    assert (entry.state, entry.method, entry.actor, entry.wording, entry.address_sha256) == (
        "unsubscribed", "one_click", BY_THE_PERSON, "List-Unsubscribe", address_sha256(contact.email),
    )  # fmt: skip


def test_a_second_leaving_changes_nothing_but_is_written_down_too(app: Flask) -> None:
    contact = makers.make_contact(subscription="unsubscribed")
    before = len(list_consents(contact.id))
    assert not withdraw_consent(contact.id, method="link")
    db.session.commit()
    assert len(list_consents(contact.id)) == before + 1


@pytest.mark.parametrize(
    ("first", "then", "last"),
    [
        ("complained", "unsubscribed", "complained"),
        ("complained", "bounced", "complained"),
        ("unsubscribed", "bounced", "unsubscribed"),
        ("bounced", "unsubscribed", "unsubscribed"),
        ("unsubscribed", "complained", "complained"),
    ],
)
def test_a_stronger_no_is_never_weakened(app: Flask, first: str, then: str, last: str) -> None:
    contact = makers.make_contact(subscription=first)
    withdraw_consent(contact.id, method="test", state=then)
    db.session.commit()
    assert state_of(contact.id) == last


def test_only_a_stated_reason_brings_somebody_back(app: Flask) -> None:
    contact = makers.make_contact(subscription="unsubscribed")
    with pytest.raises(InputInvalid) as refused:
        grant_consent(contact.id, method="by_hand", actor="Ada", wording="  ")
    assert "wording" in refused.value.fields
    db.session.rollback()
    add_suppression(contact.email, "unsubscribed")
    grant_consent(contact.id, method="by_hand", actor="Ada", wording="Asked on the phone on 3 May.")
    db.session.commit()
    assert state_of(contact.id) == "subscribed"
    assert not is_suppressed(contact.email)
    assert list_consents(contact.id)[0].wording == "Asked on the phone on 3 May."


def test_after_a_complaint_only_the_person_comes_back(app: Flask) -> None:
    contact = makers.make_contact(subscription="complained")
    with pytest.raises(Conflict):
        grant_consent(contact.id, method="by_hand", actor="Ada", wording="They said so.")
    db.session.rollback()
    grant_consent(contact.id, method="preferences", actor=BY_THE_PERSON, wording="Subscribe me again")
    db.session.commit()
    assert state_of(contact.id) == "subscribed"


def test_an_unknown_contact_is_not_found(app: Flask) -> None:
    with pytest.raises(NotFound):
        withdraw_consent(4711, method="link")


def test_a_suppressed_address_is_known_by_its_fingerprint_alone(app: Flask) -> None:
    contact = makers.make_contact()
    add_suppression(contact.email, "bounced", "550 5.1.1", keep_address=False)
    add_suppression(contact.email, "complained")
    db.session.commit()
    found = find_suppression(contact.email)
    assert found is not None
    assert (found.reason, found.address) == ("bounced", None)


@pytest.mark.parametrize(
    "address", ["zoë@müller.example.org", "o'hara+x@example.com", r"a\b\000\x41@example.com", "日本@例え.jp"]
)
def test_the_fingerprint_in_the_table_is_the_same(app: Flask, address: str) -> None:
    db.session.add(Contact(email=address))
    db.session.commit()
    assert db.session.scalar(select(Contact.address_sha256)) == address_sha256(address)


def test_only_who_agreed_and_is_not_suppressed_can_be_written_to(app: Flask) -> None:
    fine = makers.make_contact()
    makers.make_contact(subscription="none")
    makers.make_contact(subscription="unsubscribed")
    add_suppression(makers.make_contact().email, "bounced")
    db.session.commit()
    assert db.session.scalars(select(Contact.id).where(can_be_written_to())).all() == [fine.id]
    assert find_contact(fine.id) is not None
