"""Tells operators by mail about new, returned and swelling error groups: one digest, a group once an hour at most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr

from sqlalchemy import and_, func, or_, select

from campaigns.channel_states import find_pause_reason
from channels import find_channel
from channels.base import Parcel, send
from config import current_settings
from extensions import db
from models import ErrorGroup, ErrorHour, User

SPIKE_FACTOR = 10
LEAST_SPIKE = 20
QUIET_HOURS = 1
MOST_IN_DIGEST = 25
REASONS = {
    "new": "new",
    "regression": "came back",
    "spike": "far more than usual",
    "repair_failed": "a repair did not hold",
}


def send_error_digest() -> int:
    """Sends one digest of what is new to every owner and operator; how many groups it told. For the clock; commits.

    The groups are marked before the mail server is spoken to: a digest is sent at most once, and the diagnostics page
    shows the same. Raises ChannelError when the mail server refuses.
    """
    _note_spikes()
    if find_pause_reason("email") is not None:
        # What is due waits with the queue: each refused sign-in would bring a lock-out nearer.
        return 0
    groups = _take_due()
    people = _list_people()
    settings = current_settings()
    channel = find_channel("email")
    if not groups or not people or not settings.mail_from or channel is None:
        return len(groups)
    sender = parseaddr(settings.mail_from)[1]
    content = _write_digest(groups, settings.mail_from, settings.lux_public_url)
    session = channel.open(settings, connections=1)
    try:
        for number, person in enumerate(people):
            content.replace_header("To", person)
            send(session, Parcel(10**12 + number, sender, person, content.as_bytes(policy=SMTP)))
    finally:
        session.close()
    return len(groups)


def list_spiking() -> set[int]:
    """The ids of groups whose last hour is ten times their usual hour of the last week."""
    now = datetime.now(UTC)
    hour, week = now - timedelta(hours=1), now - timedelta(hours=169)
    latest = func.sum(ErrorHour.count).filter(ErrorHour.hour > hour)
    usual = func.coalesce(func.sum(ErrorHour.count).filter(ErrorHour.hour <= hour), 0) / 168.0
    spiking = (
        select(ErrorHour.group_id)
        .where(ErrorHour.hour > week)
        .group_by(ErrorHour.group_id)
        .having(and_(latest >= LEAST_SPIKE, usual > 0, latest >= SPIKE_FACTOR * usual))
    )
    return set(db.session.scalars(spiking))


def _note_spikes() -> None:
    quiet = datetime.now(UTC) - timedelta(hours=QUIET_HOURS)
    due = or_(ErrorGroup.alerted_at.is_(None), ErrorGroup.alerted_at < quiet)
    for group in db.session.scalars(select(ErrorGroup).where(ErrorGroup.id.in_(list_spiking()), due)):
        group.alert_reason = group.alert_reason or "spike"
    db.session.commit()


def _take_due() -> list[tuple[int, str, str, str, int]]:
    quiet = datetime.now(UTC) - timedelta(hours=QUIET_HOURS)
    query = (
        select(ErrorGroup)
        .where(
            ErrorGroup.alert_reason.is_not(None),
            ErrorGroup.is_noise.is_(False),
            or_(ErrorGroup.alerted_at.is_(None), ErrorGroup.alerted_at < quiet),
        )
        .order_by(ErrorGroup.last_seen.desc())
        .with_for_update(skip_locked=True)
    )
    taken = []
    for group in db.session.scalars(query):
        taken.append((group.id, group.error_type, group.title, group.alert_reason or "", group.count))
        group.alert_reason, group.alerted_at = None, datetime.now(UTC)
    db.session.commit()
    return taken


def _list_people() -> list[str]:
    query = select(User.email).where(User.role.in_(("owner", "operator")), User.state == "active").order_by(User.id)
    people = list(db.session.scalars(query))
    db.session.rollback()
    return people


def _write_digest(groups: list[tuple[int, str, str, str, int]], sender: str, public_url: str) -> EmailMessage:
    lines = [
        f"{error_type}: {title}\n  {REASONS.get(reason, reason)}, {count} so far\n"
        f"  {public_url}/diagnostics/groups/{group_id}\n"
        for group_id, error_type, title, reason, count in groups[:MOST_IN_DIGEST]
    ]
    if len(groups) > MOST_IN_DIGEST:
        lines.append(f"and {len(groups) - MOST_IN_DIGEST} more: {public_url}/diagnostics/\n")
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ""
    message["Subject"] = f"LUX: {len(groups)} error {'group needs' if len(groups) == 1 else 'groups need'} a look"
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2] or "lux.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(lines))
    return message
