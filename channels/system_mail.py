"""Mail from LUX itself to the people who sign in: one message, plain text, never part of a campaign.

Without a mail server it goes into a folder of its own beside the test outbox, which no page shows: such a mail opens
somebody's account.
"""

from __future__ import annotations

import ipaddress
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, make_msgid, parseaddr
from urllib.parse import urlsplit

from channels import find_channel
from channels.base import FAILED, SENT, ChannelUnavailable, Outcome, Parcel, Session, send
from channels.outbox import OutboxSession
from config import Settings

FOLDER = "account-mail"


def send_system_mail(settings: Settings, *, recipient: str, subject: str, text: str) -> Outcome:
    """Sends it and waits for the mail server's word. Raises ChannelError when it should be tried again."""
    sender = settings.mail_from or _own_sender(settings)
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2] or "lux.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    session = _open(settings)
    try:
        content = message.as_bytes(policy=SMTP if recipient.isascii() else SMTPUTF8)
        outcome = send(session, Parcel(time.time_ns() // 1000, parseaddr(sender)[1], recipient, content))
    finally:
        session.close()
    if outcome.state not in (SENT, FAILED):
        raise ChannelUnavailable(f"The mail server did not take a mail of LUX: {outcome.text}", outcome.code)
    return outcome


def _open(settings: Settings) -> Session:
    channel = find_channel("email")
    if channel is None or channel.is_test_outbox(settings):
        return OutboxSession(settings.lux_data_dir / FOLDER)
    return channel.open(settings, connections=1)


def _own_sender(settings: Settings) -> str:
    """A sender for the first days, before MAIL_FROM is set."""
    host = urlsplit(settings.lux_public_url).hostname or "localhost"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return f"LUX <lux@{host}>"
    return "LUX <lux@localhost>"
