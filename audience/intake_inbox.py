"""The webhook inbox as a person looks at it: what came, what became of it, what waits for somebody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Select, bindparam, func, or_, select, text
from sqlalchemy.orm import undefer

from accounts.audit import add_audit_entry
from errors import NotFound
from extensions import db
from models import INTAKE_STATES, Contact, IntakeBody, User, WebhookCredential

PAGE_SIZE = 50
PERIODS = {"day": 1, "week": 7, "month": 30}
# Reasons in words, and what to do about each.
REASONS: dict[str, tuple[str, str]] = {
    "email_missing_or_invalid": (
        "No usable e-mail",
        "Say which key holds the address, or edit the body, and replay it.",
    ),
    "unparseable": ("Not readable", "Mend the text below and replay it; then mend it at the sender."),
    "too_many_keys": ("Too many keys", "Send fewer fields. A body may have 500 keys."),
    "too_many_items": ("Too many items", "Send at most 100 people in one body."),
    "too_large": ("Too large", "A body may have 256 KiB. This one was not kept: make it smaller at the sender."),
    "unsupported_type": ("Wrong content type", "Have the sender post JSON or a form."),
    "unsupported_encoding": ("Compressed", "Have the sender post without Content-Encoding."),
    "idempotency_key_reused": ("Key used before", "The sender used one Idempotency-Key for two bodies."),
    "failed": ("LUX failed", "LUX gave up after several tries. Replay it after the next release, or edit it."),
    "duplicate": ("Duplicate", "The same body came before within 48 hours; nothing was done twice."),
    "edited": ("Edited", "An edited copy of this body was replayed."),
}


@dataclass(frozen=True)
class InboxFilter:
    """What a person wants to see of the inbox. Unknown values count as none."""

    state: str = ""
    reason: str = ""
    credential_id: int | None = None
    period: str = ""
    q: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.state or self.reason or self.credential_id or self.period or self.q)

    def arguments(self) -> dict[str, Any]:
        """The same as parameters of an address."""
        pairs = {
            "state": self.state,
            "reason": self.reason,
            "sender": self.credential_id,
            "period": self.period,
            "q": self.q,
        }
        return {name: value for name, value in pairs.items() if value}


@dataclass(frozen=True)
class InboxPage:
    """A page of rows, newest first, with the ids beyond which the neighbouring pages begin."""

    rows: list[IntakeBody]
    older_than: int | None
    newer_than: int | None


def list_bodies(wanted: InboxFilter, *, before: int | None = None, after: int | None = None) -> InboxPage:
    """A page of the inbox by key, so that the last page is as quick as the first."""
    query = _filtered(wanted)
    if after is not None:
        rows = list(db.session.scalars(query.where(IntakeBody.id > after).order_by(IntakeBody.id).limit(PAGE_SIZE + 1)))
        has_newer, has_older = len(rows) > PAGE_SIZE, True
        rows = rows[:PAGE_SIZE][::-1]
    else:
        if before is not None:
            query = query.where(IntakeBody.id < before)
        rows = list(db.session.scalars(query.order_by(IntakeBody.id.desc()).limit(PAGE_SIZE + 1)))
        has_newer, has_older = before is not None, len(rows) > PAGE_SIZE
        rows = rows[:PAGE_SIZE]
    return InboxPage(
        rows,
        older_than=rows[-1].id if rows and has_older else None,
        newer_than=rows[0].id if rows and has_newer else None,
    )


def get_body(body_id: int) -> IntakeBody:
    """One row with its bytes. Raises NotFound."""
    row = db.session.get(IntakeBody, body_id, options=[undefer(IntakeBody.body)], populate_existing=True)
    if row is None:
        raise NotFound("This body is not in the inbox any more: done ones go after 30 days, dead ones after 90.")
    return row


def find_contact(body: IntakeBody) -> Contact | None:
    """The contact that a body became, if it is there."""
    return db.session.get(Contact, body.contact_id) if body.contact_id else None


def count_by_state() -> dict[str, int]:
    """How many rows each state has."""
    rows = db.session.execute(select(IntakeBody.state, func.count()).group_by(IntakeBody.state))
    return {**dict.fromkeys(INTAKE_STATES, 0), **dict(iter(rows))}


def count_dead_by_reason() -> list[tuple[str, int]]:
    """How many dead rows each reason has, the most frequent first."""
    query = select(IntakeBody.reason, func.count()).where(IntakeBody.state == "dead").group_by(IntakeBody.reason)
    return [(reason or "", count) for reason, count in db.session.execute(query.order_by(func.count().desc()))]


def list_senders() -> list[WebhookCredential]:
    """Every credential that ever was, for the filter."""
    return list(db.session.scalars(select(WebhookCredential).order_by(WebhookCredential.id)))


def note_deed(action: str, subject: str, *, by: User, peer: str) -> None:
    """Notes in the audit trail what a person did to the inbox; commits."""
    add_audit_entry(action, actor=by.name, user_id=by.id, subject=subject[:200], peer=peer)
    db.session.commit()


def _filtered(wanted: InboxFilter) -> Select[IntakeBody]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.state in INTAKE_STATES:
        conditions.append(IntakeBody.state == wanted.state)
    if wanted.reason:
        conditions.append(IntakeBody.reason == wanted.reason)
    if wanted.credential_id is not None:
        conditions.append(IntakeBody.credential_id == wanted.credential_id)
    if wanted.period in PERIODS:
        conditions.append(IntakeBody.received_at > datetime.now(UTC) - timedelta(days=PERIODS[wanted.period]))
    if wanted.q:
        has_bytes = text("position(:needle IN body) > 0").bindparams(
            bindparam("needle", wanted.q.encode("utf-8", "replace"), type_=LargeBinary)
        )
        answered = IntakeBody.answer["email"].astext == wanted.q.lower()
        conditions.append(or_(IntakeBody.receipt == wanted.q, answered, has_bytes))
    return select(IntakeBody).where(*conditions)
