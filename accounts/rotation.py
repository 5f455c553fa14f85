"""Changing SESSION_SECRET without losing anything: what is stored is encrypted again, and what remains is told.

A new encrypted column is one more line in COLUMNS.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute

from accounts.audit import add_audit_entry
from accounts.encryption import Undecryptable, decrypt, encrypt, is_current
from accounts.sessions import ABSOLUTE_DAYS
from config import current_settings
from extensions import db
from models import (
    AuditEntry,
    Message,
    OutgoingWebhook,
    ReplitAttempt,
    ReplitOAuth,
    SecondFactor,
    TestMessage,
    UserSession,
)

FIRST_USED = "session_secret_first_used"
BATCH = 200
# How long a link to unsubscribe works at least: a year, twelve times what the law of the United States asks for.
MAIL_DAYS = 365

# Every encrypted column, with the key of its table.
COLUMNS: list[tuple[InstrumentedAttribute[int], list[InstrumentedAttribute[Any]]]] = [
    (SecondFactor.user_id, [SecondFactor.secret]),
    (ReplitOAuth.id, [ReplitOAuth.access_token, ReplitOAuth.refresh_token, ReplitOAuth.id_token]),
    (ReplitAttempt.id, [ReplitAttempt.nonce, ReplitAttempt.verifier]),
    (OutgoingWebhook.id, [OutgoingWebhook.secret, OutgoingWebhook.former_secret]),
]


@dataclass(frozen=True)
class Rotation:
    """How far a change of SESSION_SECRET has come. `until` is when the former values may go; None: at once."""

    former_count: int
    renewed_count: int
    lost_count: int
    began_at: datetime
    session_count: int
    sessions_until: datetime | None
    mail_count: int
    mails_until: datetime | None

    @property
    def until(self) -> datetime | None:
        return max(filter(None, (self.sessions_until, self.mails_until)), default=None)


def rotate_secrets() -> Rotation:
    """Encrypts under the first SESSION_SECRET whatever a former one encrypted; commits batch by batch.

    May be run again at any time, while LUX runs. What no value can read is counted, and left as it is.
    """
    renewed = lost = 0
    for key, columns in COLUMNS:
        done, unreadable = _renew_table(key, columns)
        renewed, lost = renewed + done, lost + unreadable
    began_at = _note_first_use()
    sessions, sessions_until = _count_sessions(began_at)
    mails, mails_until = _count_mails(began_at)
    former = len(current_settings().session_secrets) - 1
    return Rotation(former, renewed, lost, began_at, sessions, sessions_until, mails, mails_until)


def tell_rotation(rotation: Rotation) -> list[str]:
    """The same in sentences, for whoever has asked on the command line."""
    said = []
    if rotation.renewed_count:
        said.append(f"{rotation.renewed_count} stored secrets are encrypted under the first SESSION_SECRET now.")
    if rotation.lost_count:
        said.append(
            f"{rotation.lost_count} stored secrets can be read with no value of SESSION_SECRET. "
            "Add the value that is missing at the end, start LUX again, and run this once more."
        )
    if not rotation.former_count:
        said.append("SESSION_SECRET has one value. To change it, put a new one before it: SESSION_SECRET=new,former")
        return said
    said.append("The new value reads everything that is stored.")
    said += _tell_remains(rotation)
    return said


def _tell_remains(rotation: Rotation) -> list[str]:
    said = []
    if rotation.sessions_until:
        said.append(
            f"{_several(rotation.session_count, 'browser')} signed in before {_day(rotation.began_at)} and may have to "
            f"sign in again without the former value. The last of these ends on {_day(rotation.sessions_until)}."
        )
    if rotation.mail_count:
        said.append(
            f"{_several(rotation.mail_count, 'mail')} sent before {_day(rotation.began_at)} "
            "carry links of the former value, to unsubscribe among them."
        )
    if rotation.until is None:
        said.append("The former value may go: take it out of SESSION_SECRET and start LUX again.")
    else:
        said.append(f"Keep the former value until {_day(rotation.until)}; then take it out and start LUX again.")
    return said


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _day(at: datetime) -> str:
    return at.strftime("%-d %B %Y")


def _renew_table(key: InstrumentedAttribute[int], columns: list[InstrumentedAttribute[Any]]) -> tuple[int, int]:
    renewed = lost = last = 0
    while True:
        rows = db.session.scalars(
            select(key.class_).where(key > last).order_by(key).limit(BATCH).with_for_update()
        ).all()
        if not rows:
            db.session.commit()
            return renewed, lost
        for row in rows:
            last = getattr(row, key.key)
            for column in columns:
                stored = getattr(row, column.key)
                if not stored or is_current(stored):
                    continue
                try:
                    setattr(row, column.key, encrypt(decrypt(stored)))
                    renewed += 1
                except Undecryptable:
                    lost += 1
        db.session.commit()


def _note_first_use() -> datetime:
    """When the first value came into use: written down the first time that anybody asks."""
    newest = current_settings().session_secrets[0]
    fingerprint = hashlib.blake2b(newest.encode(), digest_size=8, person=b"lux-rotation").hexdigest()
    same = AuditEntry.action == FIRST_USED, AuditEntry.subject == fingerprint
    first = select(func.min(AuditEntry.at)).where(*same)
    if db.session.scalar(first) is None:
        add_audit_entry(FIRST_USED, actor="LUX", subject=fingerprint)
        db.session.commit()
    return db.session.scalar(first) or datetime.now(UTC)


def _count_sessions(before: datetime) -> tuple[int, datetime | None]:
    live = UserSession.ended_at.is_(None), UserSession.created_at < before
    ends = timedelta(days=ABSOLUTE_DAYS)
    young = UserSession.created_at > datetime.now(UTC) - ends
    count, last = db.session.execute(select(func.count(), func.max(UserSession.created_at)).where(*live, young)).one()
    return count, last + ends if last else None


def _count_mails(before: datetime) -> tuple[int, datetime | None]:
    """Messages whose links a former value has signed, and how long those have to work."""
    sent = select(func.count(), func.max(Message.finished_at)).where(
        Message.finished_at < before, Message.state.in_(("sent", "unknown"))
    )
    tests = select(func.count(), func.max(TestMessage.at)).where(TestMessage.at < before)
    found = [db.session.execute(query).one() for query in (sent, tests)]
    last = max((at for _, at in found if at), default=None)
    until = last + timedelta(days=MAIL_DAYS) if last else None
    return sum(count for count, _ in found), until if until and until > datetime.now(UTC) else None
