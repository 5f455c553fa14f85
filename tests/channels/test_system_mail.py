"""Mail of LUX itself: to a real mail server, or into a folder that no page shows; nobody adds headers to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from accounts.invitations import invite
from accounts.letters import send_invitation_mail
from channels.base import ChannelUnavailable
from channels.system_mail import send_system_mail
from config import current_settings
from tests import makers
from tests.account_mail import carry_out_queue, list_mails
from tests.fakes.smtp_server import SmtpServer
from tests.servers import free_port


def test_it_goes_over_the_mail_server(make_app: Callable[..., Flask]) -> None:
    with SmtpServer() as server, make_app(SMTP_URL=server.url()).app_context():
        outcome = send_system_mail(current_settings(), recipient="mia@lumen.example", subject="LUX: Hello", text="Hi\n")
        assert outcome.state == "sent"
        mail = server.letters[0].message
        assert (mail["To"], mail["Subject"], mail["Auto-Submitted"]) == (
            "mia@lumen.example",
            "LUX: Hello",
            "auto-generated",
        )


def test_a_mail_server_that_is_away_is_tried_again(make_app: Callable[..., Flask]) -> None:
    with make_app(SMTP_URL=f"smtp://127.0.0.1:{free_port()}").app_context(), pytest.raises(ChannelUnavailable):
        send_system_mail(current_settings(), recipient="mia@lumen.example", subject="LUX: Hello", text="Hi\n")


def test_the_test_outbox_shows_nobody_a_mail_that_opens_an_account(
    app: Flask, sign_in: Callable[..., FlaskClient]
) -> None:
    owner = makers.make_user()
    client = sign_in(user=owner)
    client.post("/settings/users", data={"name": "Zoe", "email": "zoe@lumen.example", "role": "viewer", "way": "mail"})
    carry_out_queue()
    assert list_mails("zoe@lumen.example")
    for role in ("viewer", "owner"):
        assert "zoe@lumen.example" not in sign_in(role).get("/outbox/").get_data(as_text=True)


@pytest.mark.parametrize(
    "name", ["Mia\r\nBcc: evil@evil.example", "Mia\nBcc: evil@evil.example", "Mia\u2028Bcc: x@evil.example"]
)
def test_a_name_adds_no_header_to_a_letter(app: Flask, name: str) -> None:
    address = f"mia{abs(hash(name))}@lumen.example"
    owner = makers.make_user()
    user, _ = invite(email=address, name=name, role="viewer", by=owner, peer="127.0.0.1")
    send_invitation_mail(user.id, 72, name)
    mail = list_mails(address)[0]
    assert "Bcc" not in mail
    assert set(mail.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding",
    }  # fmt: skip


def test_before_a_sender_is_set_lux_signs_itself(make_app: Callable[..., Flask]) -> None:
    with make_app(MAIL_FROM="", LUX_PUBLIC_URL="https://lux.example").app_context():
        send_system_mail(current_settings(), recipient="first@lumen.example", subject="LUX: Hello", text="Hi\n")
        assert list_mails("first@lumen.example")[0]["From"] == "LUX <lux@lux.example>"
