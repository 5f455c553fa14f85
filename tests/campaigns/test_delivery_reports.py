"""Bounces and complaints that come back to a real mailbox: believed by LUX's own signature only, each counted once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from audience.consent import is_suppressed
from campaigns.channel_states import find_pause_reason, resume_channel
from campaigns.complaint_rate import count_complaints
from campaigns.delivery_reports import ask_for_reports, note_report, read_reports
from campaigns.mail_links import TEST_UNSUBSCRIBE, UNSUBSCRIBE, make_link_signer
from campaigns.sending import send_due_messages
from campaigns.tallies import add_to_tally, count_states
from channels.base import ChannelRefused, ChannelUnavailable
from config import current_settings
from diagnostics.slow_checks import check_bounce_mailbox
from extensions import db
from models import Contact, Message
from tests.campaigns.ledger_scene import make_contacts, start
from tests.campaigns.report_mails import make_bounce, make_complaint
from tests.dovecot import MailboxServer, start_dovecot
from tests.servers import free_port


@pytest.fixture(scope="module")
def mailbox() -> Iterator[MailboxServer]:
    with start_dovecot() as server:
        yield server


@pytest.fixture
def sent(app: Flask) -> list[Message]:
    """Three messages that the server took."""
    return send(3)


def send(count: int) -> list[Message]:
    campaign_id = start(make_contacts(count))
    send_due_messages(campaign_id)
    return list(db.session.scalars(db.select(Message).where(Message.state == "sent").order_by(Message.id)))


def address_of(message: Message, kind: int = UNSUBSCRIBE) -> str:
    token = make_link_signer(current_settings().session_secrets).sign(kind, message.id)
    return f"{current_settings().lux_public_url}/u/{token}"


def state_of(message: Message) -> str:
    db.session.expire_all()
    return db.session.get_one(Contact, message.contact_id).subscription


@pytest.fixture
def enter(make_app: Callable[..., Flask], empty_database: None) -> Iterator[Callable[[str], None]]:
    """Enters an app that reads this mailbox."""
    with contextlib.ExitStack() as stack:

        def with_mailbox(url: str) -> None:
            stack.enter_context(make_app(BOUNCE_MAILBOX_URL=url).app_context())

        yield with_mailbox
        db.session.remove()


def test_the_mailbox_is_read_each_mail_once_and_nothing_is_deleted(
    enter: Callable[[str], None], mailbox: MailboxServer
) -> None:
    enter(mailbox.url)
    first, second, third = send(3)
    for mail in (
        make_bounce(address_of(first)),
        make_bounce(address_of(first)),
        make_complaint(address_of(second)),
        b"Subject: Re: News\r\n\r\nThank you for your news!\r\n",
    ):
        mailbox.deliver(mail)
    assert ask_for_reports() == 1
    assert "4" in check_bounce_mailbox().text
    assert read_reports() == {"bounce": 2, "complaint": 1, "other": 1}
    assert read_reports() == {}
    assert (mailbox.count_unseen(), mailbox.count_all()) == (0, 4)
    assert [state_of(one) for one in (first, second, third)] == ["bounced", "complained", "subscribed"]
    assert is_suppressed(first.address)
    assert is_suppressed(second.address)
    counts = count_states(first.campaign_id)
    assert (counts.sent, counts.bounced, counts.complained) == (3, 1, 1)
    assert counts.is_balanced


def test_a_mailbox_that_refuses_or_is_away_says_so(enter: Callable[[str], None], mailbox: MailboxServer) -> None:
    enter(mailbox.url.replace("p%40ss%2Fword", "wrong"))
    with pytest.raises(ChannelRefused, match="does not take the sign-in"):
        read_reports()
    assert check_bounce_mailbox().status == "warn"
    enter(mailbox.url.replace("INBOX", "Nowhere"))
    with pytest.raises(ChannelRefused, match="Nowhere"):
        read_reports()
    enter(f"imap://bounces:x@127.0.0.1:{free_port()}")
    with pytest.raises(ChannelUnavailable, match="does not answer"):
        read_reports()


def test_without_a_mailbox_nothing_is_asked(app: Flask) -> None:
    assert ask_for_reports() == 0
    assert read_reports() == {}
    assert check_bounce_mailbox().status == "pass"


@pytest.mark.parametrize("original_type", ["message/rfc822", "text/rfc822-headers"])
def test_an_address_that_does_not_exist_is_never_written_to_again(sent: list[Message], original_type: str) -> None:
    assert note_report(make_bounce(address_of(sent[0]), original_type=original_type)) == "bounce"
    assert state_of(sent[0]) == "bounced"


def test_soft_bounces_suppress_at_the_fifth(app: Flask) -> None:
    contact_ids = make_contacts(1)
    for turn in range(1, 6):
        send_due_messages(start(contact_ids))
        message = db.session.scalars(db.select(Message).order_by(Message.id.desc())).first()
        assert message is not None
        full = make_bounce(address_of(message), status="5.2.2", said="552 5.2.2 Mailbox full")
        assert note_report(full) == "bounce"
        assert state_of(message) == ("bounced" if turn == 5 else "subscribed")


@pytest.mark.parametrize(
    "make",
    [
        lambda address: make_bounce(address, action="delayed", status="4.4.1"),
        lambda address: make_bounce(address, action="relayed", status="2.0.0"),
        lambda address: make_complaint(address, "not-spam"),
        lambda address: make_bounce(address)[:400],
        lambda address: make_bounce(address).replace(b"multipart/report", b"multipart/mixed"),
        lambda address: make_bounce(address[:-1] + ("A" if address[-1] != "A" else "B")),
        lambda address: make_bounce("https://shop.example/u/" + "A" * 40),
        lambda address: b"\x00\xff" * 1000,
        lambda address: b"",
    ],
)  # fmt: skip
def test_what_is_no_report_on_a_message_of_ours_changes_nothing(
    sent: list[Message], make: Callable[[str], bytes]
) -> None:
    assert note_report(make(address_of(sent[0]))) == "other"
    assert state_of(sent[0]) == "subscribed"


def test_a_report_on_a_test_message_suppresses_nobody(sent: list[Message]) -> None:
    assert note_report(make_complaint(address_of(sent[0], TEST_UNSUBSCRIBE))) == "other"
    assert state_of(sent[0]) == "subscribed"


def test_a_complaint_about_somebody_erased_is_counted_all_the_same(sent: list[Message]) -> None:
    db.session.execute(text("DELETE FROM contacts WHERE id = :id"), {"id": sent[0].contact_id})
    db.session.commit()
    assert note_report(make_complaint(address_of(sent[0]))) == "complaint"
    assert count_states(sent[0].campaign_id).complained == 1


def test_too_many_complaints_pause_the_channel_until_a_person_resumes_it(app: Flask) -> None:
    messages = send(12)
    rates = []
    for message in messages[:3]:
        assert find_pause_reason("email") is None
        note_report(make_complaint(address_of(message)))
        rates.append((count_complaints().warns, count_complaints().pauses))
    assert rates == [(False, False), (False, False), (True, True)]
    assert "3 complaints about 12 messages" in (find_pause_reason("email") or "")
    resume_channel("email")
    note_report(make_complaint(address_of(messages[3])))
    assert find_pause_reason("email") is None, "complaints from before do not count again"
    for message in messages[4:6]:
        note_report(make_complaint(address_of(message)))
    assert find_pause_reason("email") is not None


def test_few_complaints_among_many_messages_only_warn(app: Flask) -> None:
    messages = send(3)
    add_to_tally(messages[0].campaign_id, {"sent": 2000})
    db.session.commit()
    for message in messages:
        note_report(make_complaint(address_of(message)))
    rate = count_complaints()
    assert (rate.warns, rate.pauses, find_pause_reason("email")) == (True, False, None)


def test_the_results_show_what_came_back(sign_in: Callable[..., FlaskClient], sent: list[Message]) -> None:
    note_report(make_bounce(address_of(sent[0])))
    note_report(make_complaint(address_of(sent[1])))
    client = sign_in("viewer")
    shown = client.get(f"/campaigns/{sent[0].campaign_id}/acts").text
    assert "Came back later" in shown
    for group, message in (("bounced", sent[0]), ("complained", sent[1])):
        people = client.get(f"/campaigns/{sent[0].campaign_id}/people?group={group}").text
        assert message.address in people
        assert sent[2].address not in people
