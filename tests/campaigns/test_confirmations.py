"""Double opt-in from the webhook to the person's own yes, with a real mail server that may refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select, update

from accounts.webhook_credentials import add_credential
from audience.consent import find_suppression, list_consents, withdraw_consent
from audience.sending_rules import change_sending_rules
from campaigns.confirmations import (
    MOST_ATTEMPTS,
    ask_again,
    ask_for_confirmations,
    confirm,
    decline,
    find_question,
    send_confirmations,
)
from campaigns.mail_links import PREFERENCES, make_link_signer
from config import current_settings
from errors import Conflict
from extensions import db
from models import Confirmation, Contact
from tests import makers
from tests.campaigns.ledger_scene import make_contacts
from tests.fakes.smtp_server import Letter, SmtpServer

LINK = re.compile(r"/y/([A-Za-z0-9_-]{40})")


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture
def asking_app(app: Flask, server: SmtpServer, make_app: Callable[..., Flask]) -> Iterator[Flask]:
    other = make_app(SMTP_URL=server.url())
    with other.app_context():
        by = makers.make_user(role="operator")
        change_sending_rules(is_double_opt_in=True, quiet_from="", quiet_until="", by=by)
        yield other
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def post_contact(app: Flask) -> Callable[..., dict[str, object]]:
    credential = add_credential("Zapier", by=None)

    def post(to: Flask, body: dict[str, str]) -> dict[str, object]:
        auth = (credential.username, credential.password)
        answered = to.test_client().post("/api/webhook/zapier-contact", json=body, auth=auth)
        assert answered.status_code == 201, answered.text
        return dict(answered.json or {})

    return post


def make_asked(server: SmtpServer) -> tuple[int, str]:
    """A contact that was asked, and the token of the link in the mail."""
    (contact_id,) = make_contacts(1, subscription="pending")
    ask_for_confirmations()
    assert send_confirmations() == 1
    return contact_id, token_in(server)


def token_in(server: SmtpServer) -> str:
    found = LINK.search(text_of(server.letters[-1]))
    assert found is not None
    return found[1]


def text_of(letter: Letter) -> str:
    part = letter.message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def state_of(contact_id: int) -> str:
    db.session.rollback()
    return str(db.session.scalar(select(Contact.subscription).where(Contact.id == contact_id)))


def test_who_arrives_by_the_webhook_waits_is_asked_once_and_says_yes(
    asking_app: Flask, server: SmtpServer, post_contact: Callable[..., dict[str, object]]
) -> None:
    answer = post_contact(asking_app, {"email": "new@people.example", "name": "New Person"})
    assert answer["subscription"] == "pending"
    assert ask_for_confirmations() == 1
    assert send_confirmations() == 1
    assert (ask_for_confirmations(), send_confirmations()) == (0, 0)
    assert [letter.recipient for letter in server.letters] == ["new@people.example"]
    assert server.letters[0].message["Subject"] == "Please confirm: may Lumen Tea write to you?"
    client = asking_app.test_client()
    address = f"/y/{token_in(server)}"
    assert "May we write to you?" in client.get(address).text
    contact_id = int(str(answer["id"]))
    assert state_of(contact_id) == "pending"
    assert "You are subscribed" in client.post(address, data={"answer": "yes"}).text
    assert state_of(contact_id) == "subscribed"
    assert next((one.state, one.method) for one in list_consents(contact_id)) == ("subscribed", "double_opt_in")


def test_without_the_rule_nobody_is_asked(app: Flask, post_contact: Callable[..., dict[str, object]]) -> None:
    assert post_contact(app, {"email": "new@people.example"})["subscription"] == "subscribed"
    assert ask_for_confirmations() == 0


def test_an_old_link_brings_nobody_back_who_left(asking_app: Flask, server: SmtpServer) -> None:
    contact_id, token = make_asked(server)
    withdraw_consent(contact_id, method="test")
    db.session.commit()
    question = confirm(token)
    assert question is not None and question.state == "unsubscribed"
    assert state_of(contact_id) == "unsubscribed"


def test_a_no_is_taken_at_its_word(asking_app: Flask, server: SmtpServer) -> None:
    contact_id, token = make_asked(server)
    assert decline(token) is not None
    assert state_of(contact_id) == "unsubscribed"
    with pytest.raises(Conflict):
        ask_again(contact_id)


def test_an_unknown_or_foreign_link_answers_like_none(asking_app: Flask, server: SmtpServer) -> None:
    contact_id, token = make_asked(server)
    foreign = make_link_signer(current_settings().session_secrets).sign(PREFERENCES, contact_id)
    client = asking_app.test_client()
    for wrong in (foreign, token[:-1], token[:-2] + "AA", "x" * 40):
        assert find_question(wrong) is None
        assert client.get(f"/y/{wrong}").status_code == 404
        assert client.post(f"/y/{wrong}", data={"answer": "yes"}).status_code == 404
    assert state_of(contact_id) == "pending"


def test_a_mail_server_that_is_away_is_asked_again_later(asking_app: Flask, server: SmtpServer) -> None:
    (contact_id,) = make_contacts(1, subscription="pending")
    server.behave = lambda _letter: "450 at RCPT"
    ask_for_confirmations()
    assert send_confirmations() == 0
    row = db.session.get_one(Confirmation, contact_id, populate_existing=True)
    assert (row.sent_at, row.attempts) == (None, 1) and row.next_try_at is not None and row.trouble
    server.behave = lambda _letter: ""
    db.session.execute(update(Confirmation).values(next_try_at=db.func.now()))
    db.session.commit()
    assert send_confirmations() == 1


def test_it_gives_up_after_some_tries_and_a_person_may_have_it_asked_again(
    asking_app: Flask, server: SmtpServer
) -> None:
    (contact_id,) = make_contacts(1, subscription="pending")
    ask_for_confirmations()
    server.behave = lambda _letter: "450 at RCPT"
    for _ in range(MOST_ATTEMPTS):
        assert send_confirmations() == 0
        due = update(Confirmation).where(Confirmation.next_try_at.is_not(None))
        db.session.execute(due.values(next_try_at=db.func.now()))
        db.session.commit()
    assert db.session.get_one(Confirmation, contact_id, populate_existing=True).next_try_at is None
    server.behave = lambda _letter: ""
    ask_again(contact_id)
    assert send_confirmations() == 1


def test_an_address_that_does_not_exist_is_suppressed(asking_app: Flask, server: SmtpServer) -> None:
    (contact_id,) = make_contacts(1, subscription="pending")
    server.behave = lambda _letter: "5.1.1 at RCPT"
    ask_for_confirmations()
    assert send_confirmations() == 0
    assert state_of(contact_id) == "bounced"
    assert find_suppression("p1@people.example") is not None
