"""An arrival creates or updates one contact, keeps what came first, and never undoes a no."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask

from audience.arrivals import Arrival, Outcome, add_arrivals, add_contact_arrival, arrival_of, has_refused
from audience.consent import add_suppression, withdraw_consent
from audience.source_rules import Rule, is_refusal, list_segment_ids, load_rules
from extensions import db
from lib.person_finder import find_person
from models import ConsentEntry, Contact, ContactEvent, OtherAddress, Segment, SideEffect

CountRows = Callable[[str], int]


@pytest.fixture
def cursor(app: Flask, database_url: str) -> Iterator[psycopg.Cursor[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection.cursor()
    db.session.rollback()


def arrive(cursor: psycopg.Cursor[Any], email: str = "ann@example.com", **fields: Any) -> Outcome:
    source, form = fields.get("source"), fields.get("form")
    segment_ids = list_segment_ids(load_rules(cursor).rules, source=source, form=form)
    arrival = Arrival(email=email, method="webhook", **{"segment_ids": segment_ids, **fields})
    outcome = add_arrivals(cursor, [arrival])[0]
    assert outcome is not None
    return outcome


def the_contact() -> Contact:
    db.session.rollback()
    return db.session.query(Contact).one()


def test_first_touch_stays_and_later_values_go_to_the_timeline(cursor: psycopg.Cursor[Any]) -> None:
    arrive(cursor, name="Ann Lee", source="Webinar")
    outcome = arrive(cursor, name="Annie", source="Fair")
    contact = the_contact()
    assert (contact.name, contact.source, outcome.status) == ("Ann Lee", "Webinar", "unchanged")
    detail = db.session.query(ContactEvent).order_by(ContactEvent.id.desc()).first()
    assert detail is not None
    assert (detail.detail["later_name"], detail.detail["later_source"]) == ("Annie", "Fair")


def test_what_was_empty_is_filled(cursor: psycopg.Cursor[Any]) -> None:
    arrive(cursor)
    assert arrive(cursor, name="Ann Lee", source="Fair").status == "updated"
    contact = the_contact()
    assert (contact.name, contact.source) == ("Ann Lee", "Fair")


def test_nothing_said_overwrites_nothing(cursor: psycopg.Cursor[Any]) -> None:
    arrive(cursor, name="Ann Lee", phone="+12025550143", source="Fair", attributes={"company": "Acme"})
    assert arrive(cursor).status == "unchanged"
    contact = the_contact()
    assert (contact.name, contact.phone, contact.attributes) == ("Ann Lee", "+12025550143", {"company": "Acme"})


def test_only_a_valid_phone_replaces_a_phone(cursor: psycopg.Cursor[Any]) -> None:
    arrive(cursor, phone="+12025550143", phone_raw="(202) 555-0143")
    arrive(cursor, phone_raw="call me", warnings=["phone_invalid"])
    assert (the_contact().phone, the_contact().phone_raw) == ("+12025550143", "(202) 555-0143")
    arrive(cursor, phone="+12025550199", phone_raw="202 555 0199")
    assert the_contact().phone == "+12025550199"


def test_an_invalid_phone_is_kept_as_it_came(cursor: psycopg.Cursor[Any]) -> None:
    outcome = arrive(cursor, phone_raw="call me", warnings=["phone_invalid"])
    assert (the_contact().phone, the_contact().phone_raw, outcome.warnings) == (None, "call me", ["phone_invalid"])


def test_attributes_are_merged(cursor: psycopg.Cursor[Any]) -> None:
    arrive(cursor, attributes={"company": "Acme", "city": "Bonn"})
    arrive(cursor, attributes={"city": "Köln", "vip": True})
    assert the_contact().attributes == {"company": "Acme", "city": "Köln", "vip": True}


@pytest.mark.parametrize("state", ["unsubscribed", "bounced", "complained"])
def test_consent_that_was_withdrawn_does_not_come_back(cursor: psycopg.Cursor[Any], state: str) -> None:
    outcome = arrive(cursor, source="Newsletter")
    withdraw_consent(outcome.contact_id, method="link", state=state)
    db.session.commit()
    again = arrive(cursor, source="Newsletter")
    assert again.warnings == ["not_resubscribed"]
    assert again.answer["subscription"] == state == the_contact().subscription
    states = [entry.state for entry in db.session.query(ConsentEntry).order_by(ConsentEntry.id)]
    assert states == ["subscribed", state]


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("complained", "complained"),
        ("bounced", "bounced"),
        ("unsubscribed", "unsubscribed"),
        ("by hand", "unsubscribed"),
    ],
)
def test_a_suppressed_address_arrives_without_consent(cursor: psycopg.Cursor[Any], reason: str, state: str) -> None:
    add_suppression("ann@example.com", reason)
    db.session.commit()
    outcome = arrive(cursor, source="Newsletter")
    assert (outcome.answer["subscription"], outcome.warnings) == (state, ["not_resubscribed"])
    assert db.session.query(ConsentEntry).count() == 0


def test_consent_is_written_down_once_with_its_proof(cursor: psycopg.Cursor[Any]) -> None:
    for receipt in ("r1", "r2"):
        arrive(cursor, source="Newsletter", actor="Zapier", receipt=receipt)
    entry = db.session.query(ConsentEntry).one()
    assert (entry.state, entry.method, entry.source, entry.actor, entry.receipt) == (
        "subscribed", "webhook", "Newsletter", "Zapier", "r1",
    )  # fmt: skip


def test_a_contact_without_consent_may_agree_later(cursor: psycopg.Cursor[Any]) -> None:
    assert arrive(cursor, consent="none").answer["subscription"] == "none"
    assert arrive(cursor, consent="pending").answer["subscription"] == "pending"
    assert arrive(cursor, consent="subscribed").answer["subscription"] == "subscribed"
    assert arrive(cursor, consent="pending").answer["subscription"] == "subscribed"


@pytest.mark.parametrize(
    ("source", "segments"),
    [
        ("Newsletter", ["newsletter"]),
        ("NEWS LETTER footer", ["newsletter"]),
        ("news-letter", ["newsletter"]),
        ("ＮＥＷＳＬＥＴＴＥＲ", ["newsletter"]),
        ("Newsletter unsubscribe", []),
        ("newsletter opt-out", []),
        ("Webinar", []),
        (None, []),
    ],
)
def test_sources_lead_to_segments(cursor: psycopg.Cursor[Any], source: str | None, segments: list[str]) -> None:
    outcome = arrive(cursor, source=source)
    assert outcome.answer["segments"] == segments
    assert outcome.answer["segment"] == (segments[0] if segments else None)


def test_all_matching_segments_are_joined_and_none_is_left_again(cursor: psycopg.Cursor[Any]) -> None:
    load_rules(cursor)
    beta = Segment(key="beta", name="Beta", made_by="test")
    db.session.add(beta)
    db.session.commit()
    rules = "INSERT INTO source_rules (field, comparison, value, segment_id, position) VALUES ('form', %s, %s, %s, -1)"
    cursor.execute(rules, ["prefix", "Beta", beta.id])
    outcome = arrive(cursor, source="Newsletter", form="beta sign-up")
    assert sorted(outcome.answer["segments"]) == ["beta", "newsletter"]
    assert outcome.answer["segment"] == "beta"
    assert sorted(arrive(cursor, source="Webinar").answer["segments"]) == ["beta", "newsletter"]
    assert sorted(effect.key.split(":")[0] for effect in db.session.query(SideEffect)) == ["welcome", "welcome"]


def test_a_seeded_rule_that_was_taken_away_stays_away(cursor: psycopg.Cursor[Any]) -> None:
    load_rules(cursor)
    cursor.execute("DELETE FROM source_rules")
    assert load_rules(cursor).rules == ()


def test_other_addresses_are_kept_and_not_subscribed(cursor: psycopg.Cursor[Any]) -> None:
    arrive(cursor, other_emails=["a@example.org", "ann@example.com"])
    assert [row.address for row in db.session.query(OtherAddress)] == ["a@example.org"]
    assert db.session.query(Contact).count() == 1


def test_many_arrive_in_one_statement_in_their_order(cursor: psycopg.Cursor[Any], count_rows: CountRows) -> None:
    emails = ["b@example.com", "a@example.com", "b@example.com", "c@example.com", "b@example.com"]
    outcomes = add_arrivals(
        cursor, [Arrival(email=email, method="import", name=f"n{n}") for n, email in enumerate(emails)]
    )
    assert [outcome.answer["email"] for outcome in outcomes if outcome] == emails
    assert [outcome.status for outcome in outcomes if outcome] == [
        "created",
        "created",
        "unchanged",
        "created",
        "unchanged",
    ]
    assert count_rows("contacts") == 3


def test_an_inbox_row_is_worked_on_once(cursor: psycopg.Cursor[Any], count_rows: CountRows) -> None:
    row = cursor.execute(
        "INSERT INTO intake_bodies (receipt, body, sha256) VALUES ('r', '', '') RETURNING id"
    ).fetchone()
    assert row is not None
    arrival = Arrival(email="ann@example.com", method="webhook", receipt="r")
    first, second = (add_arrivals(cursor, [arrival], [row[0]])[0] for _ in range(2))
    assert first is not None
    assert second is None
    assert count_rows("contact_events") == 1
    done = cursor.execute("SELECT state, contact_id, answer_status, answer FROM intake_bodies").fetchone()
    assert done == ("done", first.contact_id, 201, first.answer)


def test_an_arrival_in_a_session_stands_or_falls_with_it(app: Flask, count_rows: CountRows) -> None:
    add_contact_arrival(db.session(), Arrival(email="ann@example.com", method="form", source="Newsletter"))
    db.session.rollback()
    assert count_rows("contacts") == 0
    outcome = add_contact_arrival(db.session(), Arrival(email="ann@example.com", method="form", source="Newsletter"))
    db.session.commit()
    assert (count_rows("contacts"), outcome.answer["segments"]) == (1, ["newsletter"])


def test_a_source_that_says_somebody_leaves_is_no_consent(cursor: psycopg.Cursor[Any]) -> None:
    person = find_person({"email": "ann@example.com", "source": "Newsletter unsubscribe"})
    arrival = arrival_of(person, load_rules(cursor), method="webhook", actor="Zapier", receipt="r")
    assert (arrival.consent, list(arrival.warnings)) == ("none", ["no_consent"])


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"opt_in": "no"}, True),
        ({"Marketing consent": False}, True),
        ({"opt_in": "yes"}, False),
        ({"vip": "no"}, False),
    ],
)
def test_a_ticked_off_consent_is_no_consent(attributes: dict[str, Any], expected: bool) -> None:
    assert has_refused(attributes) is expected


def test_rules_compare_by_contains_equals_and_prefix() -> None:
    def fits(comparison: str, text: str) -> bool:
        return Rule("source", comparison, "beta", ("no beta",), 1).fits({"source": text})

    assert fits("contains", "my beta list")
    assert not fits("contains", "no beta for me")
    assert fits("equals", "beta")
    assert not fits("equals", "beta 2")
    assert fits("prefix", "beta 2")
    assert not fits("prefix", "my beta")


def test_refusals_are_told_by_source_or_form() -> None:
    assert is_refusal(None, "Opt-out form")
    assert not is_refusal("Newsletter", None)
