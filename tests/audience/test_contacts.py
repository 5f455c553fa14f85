"""Contacts by hand: added, changed, tagged, subscribed; what is wrong is named by its field."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from audience.consent import add_suppression, list_consents
from audience.contacts import (
    ContactInput,
    add_contact,
    add_to_segment,
    change_contact,
    change_tags,
    find_contact_by_email,
    get_contact,
    read_tags,
    remove_from_segment,
    shown_attributes,
    subscribe_contact,
    tags_of,
    unsubscribe_contacts,
)
from audience.segments import count_segment
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import Contact, ContactEvent
from tests import makers


def add(given: ContactInput, wording: str | None = None) -> Contact:
    return add_contact(given, wording=wording, actor="Ada", region="US")


def change(contact: Contact, given: ContactInput, seen_at: str | None = None) -> Contact:
    seen = contact.updated_at.isoformat() if seen_at is None else seen_at
    return change_contact(contact.id, given, seen_at=seen, actor="Ada", region="US")


def test_a_contact_is_added_with_what_was_typed(app: Flask) -> None:
    contact = add(
        ContactInput(
            email=" Ann.Lee@Example.COM ", name=" Ann  Lee ", phone="(202) 555-0143", tags="vip, VIP , tea ,",
            attributes={"plan": " pro ", "": "x", "empty": " "},
        ),
        wording="Asked at the counter.",
    )  # fmt: skip
    assert (contact.email, contact.name, contact.phone, contact.source, contact.subscription) == (
        "ann.lee@example.com", "Ann Lee", "+12025550143", "Added by hand", "subscribed",
    )  # fmt: skip
    assert contact.attributes == {"plan": "pro", "tags": ["vip", "tea"]}
    assert list_consents(contact.id)[0].wording == "Asked at the counter."
    assert find_contact_by_email("ANN.LEE@example.com") is contact


def test_without_a_stated_consent_nobody_is_subscribed(app: Flask) -> None:
    assert add(ContactInput(email="a@example.com")).subscription == "none"
    with pytest.raises(InputInvalid) as error:
        add(ContactInput(email="b@example.com"), wording=" ")
    assert set(error.value.fields) == {"wording"}


def test_each_wrong_field_is_named(app: Flask) -> None:
    known = makers.make_contact()
    with pytest.raises(InputInvalid) as error:
        add(
            ContactInput(
                email="not an address", name="x" * 201, phone="12", source="x" * 301, attributes={"password": "hunter2"}
            )
        )
    assert set(error.value.fields) == {"email", "name", "phone", "source", "attributes"}
    with pytest.raises(InputInvalid) as again:
        add(ContactInput(email=known.email.upper()))
    assert again.value.fields == {"email": "There is already a contact with this address."}


def test_an_erased_address_that_is_added_again_stays_left_alone(app: Flask) -> None:
    add_suppression("gone@example.com", "erased", keep_address=False)
    db.session.commit()
    assert add(ContactInput(email="gone@example.com"), wording="They say so.").subscription == "unsubscribed"


def test_a_change_is_told_in_the_timeline_and_keeps_what_forms_cannot_show(app: Flask) -> None:
    contact = makers.make_contact(attributes={"plan": "pro"})
    contact.attributes = {**contact.attributes, "visits": 3, "list": ["a", "b"]}
    db.session.commit()
    shown = shown_attributes(contact)
    changed = change(contact, ContactInput(email=contact.email, name="Ann", source="Website form", attributes=shown))
    assert changed.attributes == {"plan": "pro", "visits": 3, "list": ["a", "b"]}
    event = db.session.scalars(select(ContactEvent).where(ContactEvent.kind == "changed")).one()
    assert event.detail == {"by": "Ada", "changes": {"name": ["Ann Lee", "Ann"]}}


def test_two_people_do_not_overwrite_each_other(app: Flask) -> None:
    contact = makers.make_contact()
    seen = contact.updated_at.isoformat()
    change(contact, ContactInput(email=contact.email, name="First"), seen)
    with pytest.raises(Conflict):
        change(contact, ContactInput(email=contact.email, name="Second"), seen)
    db.session.rollback()
    assert get_contact(contact.id).name == "First"


def test_a_new_address_keeps_consent_unless_it_is_known_to_refuse(app: Flask) -> None:
    contact, other = makers.make_contact(), makers.make_contact()
    with pytest.raises(InputInvalid) as error:
        change(contact, ContactInput(email=other.email))
    assert error.value.fields == {"email": "Another contact has this address."}
    db.session.rollback()
    assert change(contact, ContactInput(email="new@example.com")).subscription == "subscribed"
    assert list_consents(contact.id)[0].method == "address_changed"
    add_suppression("refused@example.com", "unsubscribed")
    db.session.commit()
    assert change(contact, ContactInput(email="refused@example.com")).subscription == "unsubscribed"


def test_tags_are_added_and_taken_off_whatever_their_case(app: Flask) -> None:
    first, second = makers.make_contact(tags="VIP"), makers.make_contact()
    assert change_tags([first.id, second.id, 4711], "vip, tea", actor="Ada") == 2
    assert change_tags([first.id, second.id], "tea", actor="Ada") == 0
    assert (tags_of(first), tags_of(second)) == (["VIP", "tea"], ["vip", "tea"])
    assert change_tags([first.id, second.id], "vip", actor="Ada", is_added=False) == 2
    assert (tags_of(first), tags_of(second)) == (["tea"], ["tea"])
    with pytest.raises(InputInvalid):
        change_tags([first.id], " , ", actor="Ada")


def test_read_tags_has_its_limits() -> None:
    assert read_tags("a,A, b ,,") == ["a", "b"]
    assert len(read_tags(",".join(map(str, range(99))))) == 50
    assert read_tags("x" * 60) == ["x" * 50]


def test_several_are_unsubscribed_at_once_and_one_comes_back_by_reason(app: Flask) -> None:
    contacts = [makers.make_contact() for _ in range(3)]
    ids = [contact.id for contact in contacts]
    assert unsubscribe_contacts(ids, wording="Called us", actor="Ada") == 3
    assert unsubscribe_contacts(ids, wording="", actor="Ada") == 0
    subscribe_contact(ids[0], wording="Called again", actor="Ada")
    assert [get_contact(one).subscription for one in ids] == ["subscribed", "unsubscribed", "unsubscribed"]


def test_segments_by_hand(app: Flask) -> None:
    contact, segment = makers.make_contact(), makers.make_segment(rules={})
    assert add_to_segment(segment.id, [contact.id], actor="Ada") == 1
    assert count_segment(segment.id) == 1
    assert remove_from_segment(segment.id, [contact.id], actor="Ada") == 1
    assert count_segment(segment.id) == 0
    with pytest.raises(NotFound):
        add_to_segment(4711, [contact.id], actor="Ada")
