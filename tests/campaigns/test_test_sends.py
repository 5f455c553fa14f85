"""A campaign tried out on one address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from campaigns.test_sends import send_test
from errors import Conflict, InputInvalid, NotFound, Unavailable
from extensions import db
from models import TestMessage
from tests.campaigns.ledger_scene import list_states, make_campaign, make_contacts
from tests.fakes.smtp_server import SmtpServer


def test_a_test_mail_is_the_real_mail_with_direct_links(app: Flask, make_app: Callable[..., Flask]) -> None:
    campaign_id = make_campaign(make_contacts(1)).id
    with SmtpServer() as server, make_app(SMTP_URL=server.url()).app_context():
        mine = send_test(campaign_id, " P1@People.example ")
        strangers = send_test(campaign_id, "stranger@elsewhere.example")
        db.engine.dispose()
    assert (mine.state, strangers.state) == ("sent", "sent")
    first, second = (letter.message for letter in server.letters)
    assert str(first["Subject"]) == "News for Person1" and str(second["Subject"]) == "News for Alex"
    html = first.get_body(("html",))
    assert html is not None and "https://shop.example/story?who=Person1" in html.get_content()
    assert "/o/" not in html.get_content() and "/c/" not in html.get_content()
    db.session.rollback()
    noted = db.session.scalars(db.select(TestMessage).order_by(TestMessage.id)).all()
    assert [(test.address, test.state) for test in noted] == [
        ("p1@people.example", "sent"),
        ("stranger@elsewhere.example", "sent"),
    ]
    assert list_states(campaign_id) == {}


def test_what_is_wrong_is_said(app: Flask, make_app: Callable[..., Flask]) -> None:
    campaign_id = make_campaign(make_contacts(1)).id
    with pytest.raises(InputInvalid) as invalid:
        send_test(campaign_id, "no address")
    assert list(invalid.value.fields) == ["address"]
    with pytest.raises(NotFound):
        send_test(4711, "a@people.example")
    with make_app(MAIL_FROM="").app_context(), pytest.raises(Conflict, match="MAIL_FROM"):
        send_test(campaign_id, "a@people.example")
    with SmtpServer(greeting=b"554 closed") as server, make_app(SMTP_URL=server.url("timeout=2")).app_context():
        with pytest.raises(Unavailable, match="554"):
            send_test(campaign_id, "a@people.example")
        db.engine.dispose()
    with SmtpServer(behave=lambda letter: "550 at RCPT") as server, make_app(SMTP_URL=server.url()).app_context():
        assert send_test(campaign_id, "a@people.example").state == "failed"
        db.engine.dispose()
