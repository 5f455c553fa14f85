"""The worker's side of sending, against a mail server that misbehaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from audience.consent import add_suppression, find_suppression, withdraw_consent
from audience.sending_rules import change_sending_rules
from campaigns.channel_states import find_pause_reason, resume_channel
from campaigns.launching import cancel_campaign, pause_campaign, resume_campaign
from campaigns.ledger import Ledger
from campaigns.recovery import resume_sending
from campaigns.sending import send_due_messages
from campaigns.tallies import count_states
from extensions import db
from models import Campaign, Contact, Message
from tests import makers
from tests.campaigns.ledger_scene import list_states, make_contacts, start
from tests.fakes.smtp_server import Letter, SmtpServer


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture
def smtp_app(app: Flask, server: SmtpServer, make_app: Callable[..., Flask]) -> Iterator[Flask]:
    other = make_app(SMTP_URL=server.url())
    with other.app_context():
        yield other
        db.session.remove()
        db.engine.dispose()


def get_message(campaign_id: int) -> Message:
    db.session.rollback()
    message: Message = db.session.scalars(db.select(Message).where(Message.campaign_id == campaign_id)).one()
    return message


def test_it_sends_to_everybody_and_finishes(smtp_app: Flask, server: SmtpServer) -> None:
    campaign_id = start(make_contacts(60))
    report = send_due_messages(campaign_id)
    assert report.sent == 60 and report.again_in_seconds is None
    assert list_states(campaign_id) == {"sent": 60}
    assert sorted(letter.recipient for letter in server.letters) == sorted(f"p{n}@people.example" for n in range(1, 61))
    counts = count_states(campaign_id)
    assert (counts.planned, counts.sent, counts.waiting, counts.is_balanced) == (60, 60, 0, True)
    campaign = db.session.get_one(Campaign, campaign_id)
    assert campaign.state == "finished"
    first = db.session.scalars(db.select(Message).where(Message.campaign_id == campaign_id)).first()
    assert first is not None and first.response_code == 250 and first.queue_id and first.attempts == 1


def test_a_message_has_every_header_that_bulk_mail_needs(smtp_app: Flask, server: SmtpServer) -> None:
    campaign_id = start(make_contacts(1))
    send_due_messages(campaign_id)
    letter = server.letters[0]
    message = letter.message
    assert letter.sender == "hello@lumen.example"
    assert str(message["From"]) == "Lumen Tea <hello@lumen.example>"
    assert str(message["To"]) == "p1@people.example"
    assert str(message["Subject"]) == "News for Person1"
    assert message["Message-ID"].startswith(f"<{get_message(campaign_id).id}.")
    assert message["Message-ID"].endswith("@lumen.example>")
    assert message["Date"] and message["Feedback-ID"] == f"{campaign_id}:email:lux:lumen.example"
    unsubscribe = str(message["List-Unsubscribe"])
    assert unsubscribe.startswith("<http://127.0.0.1:5000/u/") and message["List-Unsubscribe-Post"] == (
        "List-Unsubscribe=One-Click"
    )
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None and html is not None
    for part in (plain.get_content(), html.get_content()):
        assert "Hello Person1" in part and unsubscribe.strip("<>") in part
        assert "1 Harbour Street" in part
    assert all(len(line) <= 998 for line in letter.raw.split(b"\r\n"))


def test_a_450_at_rcpt_is_tried_again_later(smtp_app: Flask, server: SmtpServer) -> None:
    server.behave = lambda letter: "450 at RCPT"
    campaign_id = start(make_contacts(1))
    report = send_due_messages(campaign_id)
    message = get_message(campaign_id)
    assert (message.state, message.response_code, message.attempts) == ("deferred", 450, 1)
    assert report.again_in_seconds is not None and 15 < report.again_in_seconds < 60
    server.behave = lambda letter: ""
    db.session.execute(text("UPDATE messages SET next_try_at = now()"))
    db.session.commit()
    send_due_messages(campaign_id)
    message = get_message(campaign_id)
    assert (message.state, message.attempts, len(server.letters)) == ("sent", 2, 1)


def test_a_message_deferred_for_a_day_is_given_up(smtp_app: Flask, server: SmtpServer) -> None:
    server.behave = lambda letter: "450 at RCPT"
    campaign_id = start(make_contacts(1))
    send_due_messages(campaign_id)
    db.session.execute(text("UPDATE messages SET next_try_at = now(), first_tried_at = now() - interval '25 hours'"))
    db.session.commit()
    send_due_messages(campaign_id)
    message = get_message(campaign_id)
    assert (message.state, message.reason) == ("failed", "gave_up")
    assert db.session.get_one(Campaign, campaign_id).state == "finished"


def test_a_550_is_never_tried_again_and_the_address_stays_usable(smtp_app: Flask, server: SmtpServer) -> None:
    server.behave = lambda letter: "550 at RCPT"
    campaign_id = start(make_contacts(1))
    send_due_messages(campaign_id)
    message = get_message(campaign_id)
    assert (message.state, message.response_code) == ("failed", 550)
    assert find_suppression("p1@people.example") is None
    assert db.session.get_one(Campaign, campaign_id).state == "finished"


def test_an_address_that_does_not_exist_is_suppressed_with_its_message(smtp_app: Flask, server: SmtpServer) -> None:
    server.behave = lambda letter: "5.1.1 at RCPT"
    campaign_id = start(make_contacts(1))
    send_due_messages(campaign_id)
    message = get_message(campaign_id)
    assert message.state == "failed" and message.response and "5.1.1" in message.response
    assert find_suppression("p1@people.example") is not None
    assert db.session.scalars(db.select(Contact.subscription)).one() == "bounced"


def test_five_soft_bounces_suppress(smtp_app: Flask, server: SmtpServer) -> None:
    ids = make_contacts(1)
    db.session.execute(text("UPDATE contacts SET bounce_count = 3"))
    db.session.commit()
    server.behave = lambda letter: "554 after body"
    send_due_messages(start(ids))
    assert find_suppression("p1@people.example") is None
    db.session.execute(text("UPDATE segments SET key = 'other'"))
    send_due_messages(start(ids))
    assert find_suppression("p1@people.example") is not None


def test_421_defers_and_spares_the_receiving_domain(smtp_app: Flask, server: SmtpServer) -> None:
    server.behave = lambda letter: "421 at RCPT" if letter.recipient.endswith("@busy.example") else ""
    campaign_id = start(make_contacts(3, domain="busy.example") + make_contacts(20))
    send_due_messages(campaign_id)
    states = list_states(campaign_id)
    assert states == {"deferred": 3, "sent": 20}
    slow = db.session.execute(text("SELECT domain, slowed_until > now() - interval '1 minute' FROM receiving_domains"))
    assert slow.all() == [("busy.example", True)]


def test_421_at_mail_defers(smtp_app: Flask, server: SmtpServer) -> None:
    server.behave = lambda letter: "421 at MAIL"
    campaign_id = start(make_contacts(1))
    send_due_messages(campaign_id)
    assert (get_message(campaign_id).state, get_message(campaign_id).response_code) == ("deferred", 421)


@pytest.mark.parametrize("fault", ["disconnect at DATA", "disconnect in body"])
def test_a_connection_lost_before_the_end_of_the_body_is_certainly_not_delivered(
    smtp_app: Flask, server: SmtpServer, fault: str
) -> None:
    # More than a system holds ready on the way: the end of the body is still here when the connection breaks.
    content = {"subject": "Long", "blocks": [{"kind": "text", "text": "äöü " * 4900} for _ in range(60)]}
    server.behave = lambda letter: fault
    campaign_id = start(make_contacts(1), content)
    send_due_messages(campaign_id)
    message = get_message(campaign_id)
    assert (message.state, message.unknown_count, message.response_code) == ("deferred", 0, None)
    assert server.letters == []


def test_a_connection_lost_after_the_body_is_unknown_and_resent_once(smtp_app: Flask, server: SmtpServer) -> None:
    server.behave = lambda letter: "disconnect after body"
    campaign_id = start(make_contacts(1))
    report = send_due_messages(campaign_id)
    message = get_message(campaign_id)
    assert (message.state, message.unknown_count) == ("pending", 1)
    assert report.unknown + report.deferred == 1
    db.session.execute(text("UPDATE messages SET next_try_at = now()"))
    db.session.commit()
    send_due_messages(campaign_id)
    message = get_message(campaign_id)
    assert (message.state, message.unknown_count, len(server.letters)) == ("unknown", 2, 2)
    assert db.session.get_one(Campaign, campaign_id).state == "finished"
    assert count_states(campaign_id).is_balanced
    first, second = (letter.message["Message-ID"] for letter in server.letters)
    assert first == second


def test_by_policy_an_unknown_message_is_listed_and_not_resent(smtp_app: Flask, server: SmtpServer) -> None:
    server.behave = lambda letter: "disconnect after body"
    campaign_id = start(make_contacts(1), unknown_policy="list")
    send_due_messages(campaign_id)
    assert get_message(campaign_id).state == "unknown" and len(server.letters) == 1


@pytest.mark.parametrize(("fault", "state"), [("hang at DATA", "deferred"), ("hang after body", "unknown")])
def test_a_server_that_hangs_holds_no_database_connection(
    smtp_app: Flask, server: SmtpServer, make_app: Callable[..., Flask], fault: str, state: str
) -> None:
    server.behave = lambda letter: fault
    campaign_id = start(make_contacts(1), unknown_policy="list")
    app = make_app(SMTP_URL=server.url("timeout=2&connections=2"))

    def work() -> None:
        with app.app_context():
            send_due_messages(campaign_id)

    worker = threading.Thread(target=work)
    worker.start()
    deadline = time.monotonic() + 10
    while "DATA" not in server.commands and time.monotonic() < deadline:
        time.sleep(0.02)
    held = []
    for _ in range(20):
        time.sleep(0.05)
        with app.app_context():
            held.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]  # a QueuePool
    worker.join(30)
    # Each renewal of the lease is one short transaction; between them nothing is held.
    assert sorted(held)[len(held) // 2] == 0
    assert list_states(campaign_id) == {state: 1}
    with app.app_context():
        db.engine.dispose()


def test_a_server_that_is_gone_leaves_everything_waiting(smtp_app: Flask, make_app: Callable[..., Flask]) -> None:
    campaign_id = start(make_contacts(5))
    with SmtpServer() as gone:
        app = make_app(SMTP_URL=gone.url())
    with app.app_context():
        report = send_due_messages(campaign_id)
        again = send_due_messages(campaign_id)
    assert report.again_in_seconds and "No connection" in report.reason
    assert again.reason.startswith("The channel rests") and again.again_in_seconds
    assert list_states(campaign_id) == {"pending": 5}
    assert resume_sending() == 0
    db.session.execute(text("UPDATE channel_states SET rests_until = now()"))
    db.session.execute(text("DELETE FROM procrastinate_jobs"))
    db.session.commit()
    assert resume_sending() == 1 and send_due_messages(campaign_id).sent == 5


def test_535_pauses_the_channel_and_not_the_campaign(smtp_app: Flask, make_app: Callable[..., Flask]) -> None:
    campaign_id = start(make_contacts(5))
    with SmtpServer(refuse_sign_in=True) as server:
        app = make_app(SMTP_URL=server.url(user="lux:wrong@"))
        with app.app_context():
            report = send_due_messages(campaign_id)
            again = send_due_messages(campaign_id)
            db.engine.dispose()
        tries = [command for command in server.commands if command.startswith("AUTH")]
    assert "535" in report.reason and again.reason.startswith("The channel is paused")
    assert len(tries) == 1
    assert "535" in (find_pause_reason("email") or "")
    assert db.session.get_one(Campaign, campaign_id).state == "sending"
    assert list_states(campaign_id) == {"pending": 5}
    resume_channel("email")
    assert send_due_messages(campaign_id).sent == 5


def test_a_server_that_refuses_everybody_pauses_the_campaign(smtp_app: Flask, server: SmtpServer) -> None:
    server.behave = lambda letter: "550 at RCPT"
    campaign_id = start(make_contacts(300))
    report = send_due_messages(campaign_id)
    assert "refuses nearly every message" in report.reason
    campaign = db.session.get_one(Campaign, campaign_id)
    assert campaign.state == "paused" and campaign.pause_reason and "5.7.1" in campaign.pause_reason
    assert list_states(campaign_id)["failed"] < 100


def test_a_contact_who_leaves_after_the_claim_gets_nothing(smtp_app: Flask, server: SmtpServer) -> None:
    """All are claimed at once; consent is looked at again in the transaction before each message leaves."""
    campaign_id = start(make_contacts(40))
    leaving = threading.Lock()
    on_the_way: set[str] = set()

    def leave(letter: Letter) -> str:
        if not letter.recipient:
            return ""
        with leaving:  # the server answers nobody until everybody has left
            if not on_the_way:
                on_the_way.add(letter.recipient)
                with smtp_app.app_context():
                    for contact_id in db.session.scalars(db.select(Contact.id).where(Contact.id % 2 == 0)).all():
                        withdraw_consent(contact_id, method="test")
                    for number in range(1, 40, 2):
                        add_suppression(f"p{number}@people.example", "test")
                    db.session.commit()
                    # Looked at when everybody has left: what is under way now was so before, nothing may follow.
                    on_the_way.update(
                        db.session.scalars(db.select(Message.address).where(Message.state == "attempting"))
                    )
        return ""

    server.behave = leave
    with smtp_app.app_context():
        send_due_messages(campaign_id)
    assert {letter.recipient for letter in server.letters} == on_the_way
    assert len(on_the_way) <= 5
    counts = count_states(campaign_id)
    assert counts.is_balanced and counts.waiting == 0
    assert (counts.sent, counts.suppressed) == (len(on_the_way), 40 - len(on_the_way))


def test_pausing_takes_effect_within_two_seconds(smtp_app: Flask, server: SmtpServer) -> None:
    server.reply_delay_seconds = 0.02
    campaign_id = start(make_contacts(2000))
    worker = threading.Thread(target=lambda: _send_within(smtp_app, campaign_id))
    worker.start()
    while len(server.letters) < 20:
        time.sleep(0.01)
    pause_campaign(campaign_id, "a test")
    paused_at = time.monotonic()
    worker.join(20)
    ended_after = time.monotonic() - paused_at
    sent = len(server.letters)
    states = list_states(campaign_id)
    assert ended_after < 2 and states == {"sent": sent, "pending": 2000 - sent}
    resume_campaign(campaign_id)
    cancel_campaign(campaign_id)
    states = list_states(campaign_id)
    assert states == {"sent": sent, "suppressed": 2000 - sent}
    assert count_states(campaign_id).is_balanced


def test_two_workers_share_a_campaign_without_a_double(smtp_app: Flask, server: SmtpServer) -> None:
    campaign_id = start(make_contacts(600))
    workers = [threading.Thread(target=lambda: _send_within(smtp_app, campaign_id)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert list_states(campaign_id) == {"sent": 600}
    assert len({letter.recipient for letter in server.letters}) == len(server.letters) == 600
    assert count_states(campaign_id).sent == 600


def test_a_line_break_in_a_name_never_reaches_a_header(smtp_app: Flask, server: SmtpServer) -> None:
    ids = make_contacts(2)
    db.session.execute(
        text("UPDATE contacts SET name = E'Eve\\r\\nBcc:all@evil.example' WHERE id = :id"), {"id": ids[0]}
    )
    db.session.commit()
    campaign_id = start(ids, {"subject": "Hi {{name}}", "blocks": []})
    send_due_messages(campaign_id)
    assert list_states(campaign_id) == {"failed": 1, "sent": 1}
    assert all(b"evil" not in letter.raw for letter in server.letters)


def test_without_a_mail_server_the_messages_are_files(app: Flask) -> None:
    from_outbox = start(make_contacts(5))
    report = send_due_messages(from_outbox)
    assert report.sent == 5 and list_states(from_outbox) == {"sent": 5}


def _send_within(app: Flask, campaign_id: int) -> None:
    with app.app_context():
        send_due_messages(campaign_id)


def test_in_quiet_hours_nothing_is_claimed_and_afterwards_it_goes_on(smtp_app: Flask, server: SmtpServer) -> None:
    campaign_id = start(make_contacts(3))
    by = makers.make_user(role="operator")
    now = datetime.now(UTC)
    begin, end = f"{now - timedelta(hours=1):%H:%M}", f"{now + timedelta(hours=1):%H:%M}"
    change_sending_rules(is_double_opt_in=False, quiet_from=begin, quiet_until=end, by=by)
    report = send_due_messages(campaign_id)
    assert report.sent == 0 and (report.again_in_seconds or 0) > 0 and "Quiet hours" in report.reason
    ledger = Ledger(campaign_id, "test", is_unknown_resent=True, wants_attributes=False, lease_seconds=5)
    assert ledger.claim(10).messages == []  # whoever asks
    ledger.release()
    assert (list_states(campaign_id), server.letters) == ({"pending": 3}, [])
    change_sending_rules(is_double_opt_in=False, quiet_from=end, quiet_until=begin, by=by)
    assert send_due_messages(campaign_id).sent == 3
