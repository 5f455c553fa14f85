"""The checks that ask outside: mail server, certificate, logs, NTP. The clock makes them, pages read the rows."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import text

from campaigns.channel_states import find_pause_reason
from channels import find_channel
from channels.base import ChannelError
from channels.certificate import find_certificate_end
from channels.mailbox import Mailbox, parse_mailbox_url
from config import current_settings
from diagnostics.base import FAIL, PASS, WARN, Finding
from extensions import db
from lib.clock_sync import find_is_synchronised
from log_reader import SOURCES, Budget, State, read_source

MOST_OFFSET_SECONDS = 2
LOOK_BACK = timedelta(hours=1)
MOST_WAITING = 1000
SMALL_BUDGET = Budget(lines=5, bytes=65_536, seconds=1.0)


def check_mail_server() -> Finding:
    """Whether the mail server takes the sign-in. A paused channel is not asked: a refused sign-in may lock it out."""
    settings = current_settings()
    channel = find_channel("email")
    if channel is None or channel.is_test_outbox(settings):
        return Finding(WARN, "No mail server is set: mail goes to the test outbox.", advice="Set SMTP_URL to send.")
    reason = find_pause_reason(channel.key)
    if reason is not None:
        advice = "Once the cause is gone, resume it under Settings › Channels: that signs in once."
        return Finding(WARN, f"The channel email is paused, nothing is sent: {reason}"[:300], advice=advice)
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


def check_clock_offset() -> Finding:
    """How far this machine's clock is from the database's, and whether NTP keeps it right."""
    before = time.time()
    there = float(db.session.scalar(text("SELECT extract(epoch FROM clock_timestamp())::float")) or 0)
    offset = there - (before + time.time()) / 2
    is_synchronised = find_is_synchronised()
    kept = {True: "; NTP keeps this machine's right", False: "; NTP does not keep this machine's right", None: ""}
    words = f"{offset:+.3f} s from the database's clock{kept[is_synchronised]}."
    advice = ""
    if abs(offset) > MOST_OFFSET_SECONDS or is_synchronised is False:
        advice = "Set the clocks by NTP (`timedatectl set-ntp true`): sign-in and schedules depend on them."
    return Finding(WARN if advice else PASS, words, round(offset, 3), "s", advice)
