"""The checks that ask somebody outside: the mail server, the certificate. The clock makes them, pages read the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from channels import find_channel
from channels.base import ChannelError
from channels.certificate import find_certificate_end
from channels.mailbox import Mailbox, parse_mailbox_url
from config import current_settings
from diagnostics.base import FAIL, PASS, WARN, Finding
from log_reader import SOURCES, Budget, State, read_source

LOOK_BACK = timedelta(hours=1)
MOST_WAITING = 1000
SMALL_BUDGET = Budget(lines=5, bytes=65_536, seconds=1.0)


def check_mail_server() -> Finding:
    """Whether the mail server takes the sign-in."""
    settings = current_settings()
    channel = find_channel("email")
    if channel is None or channel.is_test_outbox(settings):
        return Finding(WARN, "No mail server is set: mail goes to the test outbox.", advice="Set SMTP_URL to send.")
    try:
        session = channel.open(settings, connections=1)
        session.close()
    except ChannelError as error:
        return Finding(FAIL, f"The mail server refuses: {error}", advice="Check SMTP_URL, then resume the channel.")
    return Finding(PASS, "The mail server answers.")


def check_bounce_mailbox() -> Finding:
    """Whether the mailbox to which bounces and complaints come back takes the sign-in."""
    url = current_settings().bounce_mailbox_url
    if not url:
        return Finding(PASS, "No mailbox is set: bounces count where the mail server refuses at once.")
    try:
        with Mailbox(parse_mailbox_url(url)) as mailbox:
            waiting = len(mailbox.list_unseen(MOST_WAITING))
    except ChannelError as error:
        return Finding(WARN, f"{error}", advice="Check BOUNCE_MAILBOX_URL.")
    more = "or more " if waiting == MOST_WAITING else ""
    return Finding(PASS, f"The mailbox answers; {waiting:,} {more}mails are unread.", waiting, "mails")


def check_logs() -> Finding:
    """Whether LUX may read the four logs. One that is not on this machine is no trouble."""
    readings = [read_source(name, since=datetime.now(UTC) - LOOK_BACK, budget=SMALL_BUDGET) for name in SOURCES]
    details = tuple({"source": one.source, "state": str(one.state), "text": one.sentence} for one in readings)
    refused = [one for one in readings if one.state in (State.NOT_PERMITTED, State.REFUSED)]
    if refused:
        names = ", ".join(one.source for one in refused)
        advice = " ".join(dict.fromkeys(one.sentence for one in refused))
        return Finding(WARN, f"LUX may not read: {names}.", len(refused), "sources", advice, details=details)
    found = [one.source for one in readings if one.state in (State.READ, State.EMPTY)]
    text = f"Readable: {', '.join(found)}." if found else "None of the four logs is on this machine."
    return Finding(PASS, text, len(found), "sources", details=details)


def check_certificate() -> Finding:
    """How many days the certificate of LUX_PUBLIC_URL still holds."""
    parts = urlsplit(current_settings().lux_public_url)
    if parts.scheme != "https" or not parts.hostname:
        return Finding(PASS, "LUX is not served by https here.")
    end = find_certificate_end(parts.hostname, parts.port or 443)
    if end is None:
        return Finding(
            WARN, f"{parts.hostname} does not answer with a valid certificate.", advice="Run `certbot renew`."
        )
    days = (end - datetime.now(UTC)).days
    status = FAIL if days < 1 else WARN if days < 14 else PASS
    advice = "Run `certbot renew`, then `systemctl reload nginx`." if status != PASS else ""
    return Finding(status, f"Holds for {days} days.", days, "days", advice)
