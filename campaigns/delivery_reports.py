"""What came back after the server had taken a message: bounces and complaints, believed only by LUX's own signature.

A report names its message by a link that LUX signed into it, so that nobody can suppress a stranger by a forged one.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime

from sqlalchemy import exists, select

from audience.consent import add_suppression, withdraw_consent
from campaigns.bounces import note_bounce
from campaigns.complaint_rate import pause_on_complaints
from campaigns.mail_links import CLICK, OPEN, PREFERENCES, UNSUBSCRIBE, VIEW, make_link_signer
from campaigns.tallies import add_to_tally
from channels.base import FAILED, Outcome
from channels.mailbox import Mailbox, parse_mailbox_url
from config import current_settings
from extensions import db, defer
from lib.delivery_reports import DeliveryReport, read_delivery_report
from models import Message, TrackingEvent

MOST_AT_ONCE = 200
OF_A_MESSAGE = (OPEN, CLICK, UNSUBSCRIBE, PREFERENCES, VIEW)
log = logging.getLogger("lux.campaigns")


def ask_for_reports() -> int:
    """Puts the reading of the mailbox on the queue, where one is set; commits. A job of the clock."""
    if not current_settings().bounce_mailbox_url:
        return 0
    defer(db.session, "read_reports", lock="bounce_mailbox")
    db.session.commit()
    return 1


def read_reports() -> dict[str, int]:
    """Reads what is new in the mailbox: how many bounces, complaints and others. Raises ChannelError.

    A mail is marked as seen after what it says was committed: a worker that dies between reads it again, to no effect.
    """
    url = current_settings().bounce_mailbox_url
    counts: Counter[str] = Counter()
    if not url:
        return counts
    with Mailbox(parse_mailbox_url(url)) as mailbox:
        for uid in mailbox.list_unseen(MOST_AT_ONCE):
            counts[note_report(mailbox.read(uid))] += 1
            mailbox.mark_seen(uid)
    if counts:
        log.info("The mailbox had %s.", ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    return counts


def note_report(raw: bytes) -> str:
    """Learns from one mail: bounce, complaint, or other for whatever is no report on a message of ours. Commits."""
    report = read_delivery_report(raw)
    message = _find_message(report) if report is not None else None
    if report is None or message is None:
        return "other"
    if not _is_known(message, report):
        _note(message, report)
        if message.contact_id is not None:
            _stop_writing(message, message.contact_id, report)
        name = "complained" if report.kind == "complaint" else "bounced"
        add_to_tally(message.campaign_id, {name: 1}, f"tracking {message.id % 97}")
    db.session.commit()
    if report.kind == "complaint":
        pause_on_complaints(message.channel)
    return report.kind


def _find_message(report: DeliveryReport) -> Message | None:
    signer = make_link_signer(current_settings().session_secrets)
    for token in report.tokens:
        signed = signer.read(token)
        if signed is not None and signed.kind in OF_A_MESSAGE:
            return db.session.get(Message, signed.row_id, with_for_update=True)
    return None


def _is_known(message: Message, report: DeliveryReport) -> bool:
    known = exists().where(TrackingEvent.message_id == message.id, TrackingEvent.kind == report.kind)
    return bool(db.session.scalar(select(known)))


def _note(message: Message, report: DeliveryReport) -> None:
    is_complaint = report.kind == "complaint"
    event = TrackingEvent(
        campaign_id=message.campaign_id,
        message_id=message.id,
        contact_id=message.contact_id,
        kind=report.kind,
        actor="human" if is_complaint else "machine",
        reason=f"{report.status} {report.said}".strip()[:300] or None,
        at=datetime.now(UTC),
    )
    db.session.add(event)
    db.session.flush()


def _stop_writing(message: Message, contact_id: int, report: DeliveryReport) -> None:
    if report.kind == "bounce":
        text = f"{report.status} {report.said}".strip()
        note_bounce(Outcome(message.id, FAILED, report.code, text), contact_id, message.address)
        return
    wording = f"Complaint about a message of campaign {message.campaign_id}"
    withdraw_consent(
        contact_id, method="complaint", state="complained", source="feedback loop", actor="the person", wording=wording
    )
    add_suppression(message.address, "complained", report.said or None)
