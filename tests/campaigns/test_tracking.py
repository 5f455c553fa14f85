"""Opens, clicks and farewells, through the real pages: people and machines apart, nothing changed by GET."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from audience.consent import is_suppressed
from campaigns.mail_links import CLICK, OPEN, UNSUBSCRIBE, VIEW, make_link_signer
from campaigns.sending import send_due_messages
from campaigns.tallies import count_states
from campaigns.test_sends import send_test
from campaigns.tracking import record_click, record_open
from campaigns.visits import Visit, judge_visit
from config import current_settings
from extensions import db
from models import Campaign, Contact, Message, TrackingEvent
from tests.campaigns.ledger_scene import make_contacts, start

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PERSON = Visit(user_agent=FIREFOX, peer="203.0.113.9")


@pytest.fixture
def message(app: Flask) -> Message:
    """A message that was delivered an hour ago."""
    campaign_id = start(make_contacts(1))
    send_due_messages(campaign_id)
    db.session.execute(text("UPDATE messages SET finished_at = now() - interval '1 hour'"))
    db.session.commit()
    sent: Message = db.session.scalars(db.select(Message)).one()
    return sent


def sign(kind: int, row_id: int, number: int = 0) -> str:
    return make_link_signer(current_settings().session_secrets).sign(kind, row_id, number)


def list_events() -> list[tuple[str, str, str | None]]:
    db.session.rollback()
    rows = db.session.scalars(db.select(TrackingEvent).order_by(TrackingEvent.id))
    return [(event.kind, event.actor, event.reason) for event in rows]


def test_a_person_opens_and_clicks(message: Message) -> None:
    assert record_open(sign(OPEN, message.id), PERSON)
    assert record_click(sign(CLICK, message.id, 1), PERSON) == "https://shop.example/story?who=Person1"
    assert record_click(sign(CLICK, message.id, 2), PERSON) == "https://shop.example/now"
    assert [event[:2] for event in list_events()] == [("open", "human"), ("click", "human"), ("click", "human")]
    counts = count_states(message.campaign_id)
    assert (counts.opens_human, counts.clicks_human, counts.clicks_machine) == (1, 1, 0)
    contact = db.session.get_one(Contact, message.contact_id)
    assert contact.opened_at and contact.clicked_at


@pytest.mark.parametrize(
    ("visit", "actor", "reason"),
    [
        (Visit(method="HEAD", user_agent=FIREFOX), "machine", "headers only"),
        (Visit(user_agent="Mozilla/5.0"), "machine", "Apple"),
        (Visit(user_agent=FIREFOX, peer="17.58.1.2"), "machine", "Apple"),
        (Visit(user_agent=FIREFOX, purpose="prefetch"), "machine", "ahead"),
        (Visit(user_agent=""), "machine", "does not say"),
        (Visit(user_agent="Barracuda Sentinel (EE)"), "machine", "Barracuda"),
        (Visit(user_agent="SomeNewCrawler/1.0 bot"), "machine", "bot"),
        (Visit(user_agent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)"), "unsure", "Gmail"),
        (Visit(user_agent=FIREFOX), "human", ""),
    ],
)
def test_an_open_is_judged_with_its_reason(visit: Visit, actor: str, reason: str) -> None:
    judgement = judge_visit(visit, datetime.now(UTC) - timedelta(hours=1), is_click=False)
    assert judgement.actor == actor and reason in judgement.reason


def test_a_click_within_seconds_of_delivery_is_a_machine() -> None:
    now = datetime.now(UTC)
    assert judge_visit(PERSON, now - timedelta(seconds=2), is_click=True).actor == "machine"
    assert judge_visit(PERSON, now - timedelta(seconds=20), is_click=True).actor == "human"


def test_who_follows_the_hidden_link_is_a_machine_and_so_were_its_other_clicks(message: Message) -> None:
    record_click(sign(CLICK, message.id, 1), PERSON)
    assert record_click(sign(CLICK, message.id, 0), PERSON) == "http://127.0.0.1:5000"
    assert {event[1] for event in list_events()} == {"machine"}
    counts = count_states(message.campaign_id)
    assert (counts.clicks_human, counts.clicks_machine) == (0, 1)


def test_machines_change_nothing_on_the_contact(message: Message) -> None:
    record_open(sign(OPEN, message.id), Visit(user_agent="Mozilla/5.0"))
    record_click(sign(CLICK, message.id, 1), Visit(method="HEAD", user_agent=FIREFOX))
    contact = db.session.get_one(Contact, message.contact_id)
    assert contact.opened_at is None and contact.clicked_at is None
    counts = count_states(message.campaign_id)
    assert (counts.opens_human, counts.opens_machine, counts.clicks_machine) == (0, 1, 1)


def test_unknown_cut_changed_and_foreign_ids_answer_alike(message: Message, client: FlaskClient) -> None:
    good = sign(CLICK, message.id, 1)
    bad = [
        sign(CLICK, message.id + 1, 1),
        sign(CLICK, message.id, 99),
        sign(OPEN, message.id),
        good[:-1],
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        "A" * 40,
        "1",
        "../../etc/passwd",
    ]
    answers = [client.get(f"/c/{token}", headers={"User-Agent": FIREFOX}) for token in bad]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.data for answer in answers}) == 1
    assert list_events() == []


def test_the_target_comes_from_the_store_and_never_from_the_query(message: Message, client: FlaskClient) -> None:
    for query in ("?url=https://evil.example", "?to=//evil.example", "#https://evil.example", "?u=javascript:alert(1)"):
        answer = client.get(f"/c/{sign(CLICK, message.id, 2)}{query}", headers={"User-Agent": FIREFOX})
        assert (answer.status_code, answer.headers["Location"]) == (302, "https://shop.example/now")


def test_opening_the_unsubscribe_link_changes_nothing(message: Message, client: FlaskClient) -> None:
    answer = client.get(f"/u/{sign(UNSUBSCRIBE, message.id)}")
    assert answer.status_code == 200
    assert db.session.get_one(Contact, message.contact_id).subscription == "subscribed"
    assert list_events() == []


def test_one_click_by_the_mail_client_unsubscribes_at_once(message: Message, client: FlaskClient) -> None:
    """Without cookie, session or CSRF token, as RFC 8058 has it."""
    path = f"/u/{sign(UNSUBSCRIBE, message.id)}"
    for _ in range(2):
        assert client.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    db.session.rollback()
    assert db.session.get_one(Contact, message.contact_id).subscription == "unsubscribed"
    entry = db.session.execute(text("SELECT state, method, source FROM consent_entries ORDER BY id")).first()
    assert entry == ("unsubscribed", "one_click", "unsubscribe link")
    assert [event[0] for event in list_events()] == ["unsubscribe"]
    assert count_states(message.campaign_id).unsubscribed == 1


def test_the_header_of_every_kind_of_mail_really_unsubscribes(app: Flask, client: FlaskClient) -> None:
    """A campaign's mail, a test mail to a contact and one to a stranger: POST, then look at the row."""
    ids = make_contacts(2)
    campaign_id = start(ids[:1])
    outbox = current_settings().lux_data_dir / "outbox"
    for old in outbox.glob("*.eml"):
        old.unlink()
    send_due_messages(campaign_id)
    send_test(campaign_id, "p2@people.example")
    send_test(campaign_id, "stranger@people.example")
    headers = {}
    for path in outbox.glob("*.eml"):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        headers[str(mail["To"])] = re.sub(r"^<http://[^/]*|>$", "", str(mail["List-Unsubscribe"]))
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert len(headers) == 3
    for unsubscribe_path in headers.values():
        assert client.post(unsubscribe_path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    db.session.rollback()
    subscriptions = db.session.scalars(db.select(Contact.subscription).order_by(Contact.id)).all()
    assert subscriptions == ["unsubscribed", "unsubscribed"]
    assert is_suppressed("stranger@people.example")


def test_the_message_in_the_browser_is_the_recipients_own(message: Message, client: FlaskClient) -> None:
    answer = client.get(f"/v/{sign(VIEW, message.id)}", headers={"User-Agent": FIREFOX})
    assert answer.status_code == 200 and b"Hello Person1" in answer.data
    assert f"/u/{sign(UNSUBSCRIBE, message.id)}".encode() in answer.data


def test_an_erased_person_can_still_leave_without_an_error(message: Message, client: FlaskClient) -> None:
    db.session.execute(text("UPDATE messages SET contact_id = NULL, address = 'erased@invalid'"))
    db.session.execute(text("DELETE FROM contacts"))
    db.session.commit()
    assert client.post(f"/u/{sign(UNSUBSCRIBE, message.id)}").status_code in (200, 404)
    assert record_click(sign(CLICK, message.id, 2), PERSON) == "https://shop.example/now"
    assert db.session.get(Campaign, message.campaign_id) is not None
