"""The audit trail: who did what, when, from where. Rows are only ever added; the database refuses everything else.

Whatever changes who may do what, sends, approves, repairs or takes data out of the house adds an entry in its own
transaction. A new action needs a line in KINDS to be found under its kind; without one it is among the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import has_request_context, request
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from extensions import db
from lib.csv_rows import write_rows
from models import AuditEntry, User

KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sign_in": (
        "Signing in",
        (
            "sign_in", "sign_in_failed", "second_factor_failed", "session_ended", "signed_out", "signed_out_everywhere",
            "replit_sign_in_refused", "replit_session_ended",
        ),
    ),
    "accounts": (
        "Accounts and roles",
        (
            "owner_made", "user_invited", "invitation_accepted", "invitation_revoked", "user_approved", "user_refused",
            "user_changed", "user_deleted", "name_changed", "password_changed", "password_reset_asked",
            "password_reset", "password_link_made", "new_address_asked", "address_changed", "second_factor_on",
            "second_factor_off", "second_factor_reset", "recovery_codes_renewed",
            "replit_account_made", "replit_linked", "replit_unlinked",
        ),
    ),
    "tokens": (
        "Tokens and credentials",
        ("token_made", "token_revoked", "token_used", "webhook_credential_made", "webhook_credential_revoked",
         "session_secret_first_used"),
    ),
}  # fmt: skip
# Actions of other areas, by how their names begin: "campaign_launched", "proposal_approved".
BEGINNINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "campaigns": ("Campaigns and channels", ("campaign", "channel", "brand", "test_message")),
    "publishing": ("Posts, articles and the calendar", ("post_", "article", "calendar", "outgoing_webhook")),
    "approvals": ("Approvals", ("proposal",)),
    "contacts": ("Contacts and exports", ("contact", "import", "segment", "audit_exported")),
    "repairs": ("Errors and repairs", ("error", "repair", "receipt", "kill_switch")),
}
DAYS = {1: "Last day", 7: "Last week", 30: "Last month", 365: "Last year"}
PAGE_SIZE = 50
ROWS_AT_ONCE = 1000
LONGEST_SEARCH = 200


@dataclass(frozen=True)
class AuditFilter:
    """What the page shows. `before` is the id of the last entry of the page before."""

    kind: str = ""
    user_id: int | None = None
    days: int | None = None
    text: str = ""
    before: int | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.kind or self.user_id or self.days or self.text)


def add_audit_entry(
    action: str,
    *,
    actor: str,
    user_id: int | None = None,
    subject: str | None = None,
    peer: str | None = None,
    **detail: Any,
) -> None:
    """Adds a row within the caller's transaction: the deed and its record stand or fall together.

    Without a peer it is the address of the request under way, where there is one.
    """
    if peer is None and has_request_context():
        peer = request.remote_addr
    db.session.add(AuditEntry(action=action, actor=actor, user_id=user_id, subject=subject, peer=peer, detail=detail))


def note_audit_export(user: User, *, peer: str, filters: dict[str, str]) -> None:
    """Writes down that somebody took the trail itself out of the house; commits."""
    add_audit_entry("audit_exported", actor=user.name, user_id=user.id, peer=peer, **filters)
    db.session.commit()


def list_entries(wanted: AuditFilter, *, limit: int = PAGE_SIZE) -> list[AuditEntry]:
    """The newest entries that the filter means."""
    return list(db.session.scalars(_query(wanted).limit(limit)))


def list_actors() -> list[tuple[int, str]]:
    """Everybody with an entry: id and latest name, for the filter."""
    latest = (
        select(AuditEntry.user_id, func.max(AuditEntry.id).label("id"))
        .where(AuditEntry.user_id.is_not(None))
        .group_by(AuditEntry.user_id)
        .subquery()
    )
    rows = select(AuditEntry.user_id, AuditEntry.actor).join(latest, AuditEntry.id == latest.c.id)
    return sorted(
        ((user_id, actor) for user_id, actor in db.session.execute(rows) if user_id is not None), key=lambda row: row[1]
    )


def stream_entries(wanted: AuditFilter) -> Iterator[str]:
    """The same entries as CSV, in pieces, in a session of its own: a download outlives its request."""
    engine, query = db.engine, _query(wanted)

    def rows() -> Iterator[list[object]]:
        with Session(engine) as session:
            for entry in session.scalars(query.execution_options(yield_per=ROWS_AT_ONCE)):
                yield [
                    entry.id,
                    entry.at.astimezone(UTC).isoformat(timespec="seconds"),
                    entry.actor,
                    entry.action,
                    entry.subject,
                    entry.peer,
                    detail_text(entry),
                ]

    return write_rows(("id", "at", "who", "what", "whom", "from", "detail"), rows())


def detail_text(entry: AuditEntry) -> str:
    """The entry's detail in one line."""
    return ", ".join(f"{name}: {_shown(value)}" for name, value in entry.detail.items() if value not in (None, "", []))


def kind_of(action: str) -> str:
    """The kind under which an action is found; "other" for the rest."""
    for kind, (_, actions) in KINDS.items():
        if action in actions:
            return kind
    for kind, (_, beginnings) in BEGINNINGS.items():
        if action.startswith(beginnings):
            return kind
    return "other"


def list_kinds() -> list[tuple[str, str]]:
    """Every kind and its name, in the screen's order."""
    return [(kind, label) for kind, (label, _) in (KINDS | BEGINNINGS).items()] + [("other", "Everything else")]


def _query(wanted: AuditFilter) -> Select[AuditEntry]:
    query = select(AuditEntry).order_by(AuditEntry.id.desc())
    if wanted.kind:
        query = query.where(_is_of_kind(wanted.kind))
    if wanted.user_id is not None:
        query = query.where(AuditEntry.user_id == wanted.user_id)
    if wanted.days is not None:
        query = query.where(AuditEntry.at > datetime.now(UTC) - timedelta(days=wanted.days))
    if wanted.text:
        columns = (AuditEntry.actor, AuditEntry.subject, AuditEntry.peer, AuditEntry.action)
        query = query.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    if wanted.before is not None:
        query = query.where(AuditEntry.id < wanted.before)
    return query


def _is_of_kind(kind: str) -> ColumnElement[bool]:
    if kind in KINDS:
        return AuditEntry.action.in_(KINDS[kind][1])
    named = [action for _, actions in KINDS.values() for action in actions]
    if kind in BEGINNINGS:
        begins = or_(*(AuditEntry.action.startswith(word, autoescape=True) for word in BEGINNINGS[kind][1]))
        return and_(begins, AuditEntry.action.not_in(named))
    return and_(*(~_is_of_kind(other) for other in (*KINDS, *BEGINNINGS)))


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {_shown(part)}" for name, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
