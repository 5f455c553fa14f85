"""No line break reaches a header (Plunk CVE-2026-34975, Mailpit CVE-2026-23829): refused at save, and again at send.

What counts is what the mail server got: the raw bytes have exactly our headers, each once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from campaigns.content import Content
from campaigns.drafting import change_content
from campaigns.launching import launch_campaign, start_campaign
from campaigns.sending import send_due_messages
from config import load_settings
from errors import Conflict, InputInvalid, SettingInvalid
from extensions import db
from tests import makers
from tests.campaigns.ledger_scene import make_contacts, make_segment, start
from tests.fakes.smtp_server import SmtpServer

BREAKS = {
    "CR LF": "\r\n", "LF": "\n", "CR": "\r", "LINE SEPARATOR": "\u2028", "PARAGRAPH SEPARATOR": "\u2029",
    "NEXT LINE": "\x85", "VERTICAL TAB": "\x0b", "FORM FEED": "\x0c", "FILE SEPARATOR": "\x1c", "NUL": "\x00",
}  # fmt: skip
# What looks like one to somebody who decodes once too often: it may pass, as the words that it is.
WORDS = ("%0d%0aBcc: all@evil.example", "\\r\\nBcc: all@evil.example", "=?utf-8?q?=0D=0ABcc:_all@evil.example?=")
EVIL = "Bcc: all@evil.example"
OURS = [
    "From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID",
    "MIME-Version", "Content-Type",
]  # fmt: skip
HEADER_FIELDS = ("subject", "preheader", "from_name", "reply_to")


@pytest.fixture(scope="module")
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture
def smtp_app(make_app: Callable[..., Flask], server: SmtpServer, empty_database: None) -> Iterator[Flask]:
    server.letters.clear()
    app = make_app(SMTP_URL=server.url())
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def assert_only_ours(server: SmtpServer, *, more: tuple[str, ...] = ()) -> None:
    for letter in server.letters:
        head = letter.raw.split(b"\r\n\r\n", 1)[0]
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", head), "a bare CR or LF in the head"
        assert not re.search(rb"^Bcc", head, re.MULTILINE | re.IGNORECASE)
        names = message_from_bytes(letter.raw, policy=policy.compat32).keys()
        assert sorted(names) == sorted([*OURS, *more])
        assert all(len(line) <= 998 for line in letter.raw.split(b"\r\n"))


def test_these_are_the_fields_that_become_headers() -> None:
    known = {*HEADER_FIELDS, "blocks", "text", "track_opens", "track_clicks"}
    assert set(Content.model_fields) <= known, "a new field: name it in HEADER_FIELDS if it becomes a header"


@pytest.mark.parametrize("field", HEADER_FIELDS)
@pytest.mark.parametrize("kind", BREAKS)
def test_a_line_break_in_a_field_is_refused_at_save_and_again_at_the_launch(
    smtp_app: Flask, server: SmtpServer, field: str, kind: str
) -> None:
    planted = f"a{BREAKS[kind]}{EVIL}"
    campaign = makers.make_campaign()
    with pytest.raises(InputInvalid) as refused:
        change_content(campaign.id, {"subject": "x", "blocks": [], field: planted}, made_by="Ada")
    assert field in refused.value.fields
    db.session.rollback()
    if kind == "NUL":
        return  # PostgreSQL keeps no NUL: there is nothing that could be found at the launch
    with pytest.raises((InputInvalid, Conflict)):
        send_due_messages(start_with(field, planted))
    db.session.rollback()
    assert_only_ours(server)
    assert not server.letters


def start_with(field: str, planted: str) -> int:
    """A campaign into whose stored content somebody wrote past every check, launched; its id."""
    campaign = makers.make_campaign(segment_id=make_segment(make_contacts(1)).id)
    db.session.execute(
        text(
            "UPDATE campaigns SET content = content || jsonb_build_object(CAST(:field AS text), CAST(:words AS text))"
        ),
        {"field": field, "words": planted},
    )
    db.session.commit()
    db.session.expire_all()
    launch_campaign(campaign.id, grace_seconds=0)
    start_campaign(campaign.id)
    return campaign.id


@pytest.mark.parametrize("kind", BREAKS)
def test_a_line_break_in_a_contacts_name_stops_that_message_alone(
    smtp_app: Flask, server: SmtpServer, kind: str
) -> None:
    if kind == "NUL":
        return
    ids = make_contacts(2)
    name = f"Eve{BREAKS[kind]}{EVIL}"
    db.session.execute(text("UPDATE contacts SET name = :name WHERE id = :id"), {"name": name, "id": ids[0]})
    db.session.commit()
    send_due_messages(start(ids, {"subject": "Hi {{name}}", "blocks": []}))
    assert [letter.recipient for letter in server.letters] == ["p2@people.example"]
    assert_only_ours(server)


def test_what_only_looks_like_a_line_break_arrives_as_the_words_it_is(smtp_app: Flask, server: SmtpServer) -> None:
    ids = make_contacts(len(WORDS))
    for contact_id, words in zip(ids, WORDS, strict=True):
        db.session.execute(text("UPDATE contacts SET name = :n WHERE id = :i"), {"n": words, "i": contact_id})
    db.session.commit()
    send_due_messages(start(ids, {"subject": "Hi {{name}}", "blocks": []}))
    assert len(server.letters) == len(WORDS)
    assert_only_ours(server)
    subjects = {str(letter.message["Subject"]) for letter in server.letters}
    assert {f"Hi {words}" for words in WORDS[:2]} <= subjects


@pytest.mark.parametrize(
    "kind", [kind for kind in BREAKS if kind not in ("VERTICAL TAB", "FORM FEED", "FILE SEPARATOR")]
)
def test_no_sender_with_a_line_break_is_taken_from_the_settings(tmp_path: Path, kind: str) -> None:
    sender = f"Lumen{BREAKS[kind]}{EVIL} <hello@lumen.example>"
    with pytest.raises(SettingInvalid):
        load_settings({"LUX_DATA_DIR": str(tmp_path), "MAIL_FROM": sender}, dotenv=None)
