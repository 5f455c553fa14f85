"""Bearer tokens for programs that operate LUX: 256 random bits, shown once, kept hashed, with scopes and an end.

To add a scope, add it to SCOPES with what it opens, and ask for it in a guard of access.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import current_app
from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from accounts.audit import add_audit_entry
from config import current_settings
from errors import InputInvalid, NotFound, TooMany
from extensions import db
from lib.clean_text import cut, one_line
from lib.digests import sha256
from lib.rate_limit import SharedBuckets
from models import ApiToken, TokenUse, User

SCOPES: dict[str, str] = {
    "operator": "Diagnostics, repair and the chatbot, as an operator.",
    "metrics": "The figures at /metrics, nothing else.",
    "conversions": "Posting conversions to /api/conversions, nothing else.",
}
DAYS = (1, 7, 30, 90, 365)
PREFIX = "lux_"
SETTING = "OPERATOR_TOKEN"
LONGEST_LABEL = 60
FAILURES_BURST = 20
FAILURES_PER_SECOND = 0.2
_NOTED_EVERY = timedelta(minutes=1)
_USES_KEPT = timedelta(days=2)


@dataclass(frozen=True)
class NewToken:
    """A token just made; its text is not known again later."""

    id: int
    label: str
    text: str


def list_tokens() -> list[ApiToken]:
    """All of them, the live ones first, the newest first."""
    is_over = or_(ApiToken.revoked_at.is_not(None), ApiToken.expires_at <= datetime.now(UTC))
    return list(db.session.scalars(select(ApiToken).order_by(is_over, ApiToken.id.desc())))


def is_live(token: ApiToken) -> bool:
    """Whether the token opens anything now."""
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > datetime.now(UTC))


def add_token(label: str, *, scopes: Sequence[str], days: int | None, by: User, peer: str) -> NewToken:
    """Makes a token, valid for so many days or until revoked; commits. Raises InputInvalid."""
    fields: dict[str, str] = {}
    label = cut(one_line(label), LONGEST_LABEL)
    wanted = [scope for scope in SCOPES if scope in scopes]
    if not label:
        fields["label"] = "Say what will use it, such as Backup script."
    if not wanted or len(wanted) != len(set(scopes)):
        fields["scopes"] = "Choose what it may open."
    if days is not None and days not in DAYS:
        fields["days"] = "Choose how long it is valid."
    if fields:
        raise InputInvalid(fields)
    text = PREFIX + secrets.token_urlsafe(32)
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    row = ApiToken(
        label=label,
        token_sha256=sha256(text),
        ending=text[-4:],
        scopes=wanted,
        created_by_id=by.id,
        expires_at=expires_at,
    )
    db.session.add(row)
    db.session.flush()
    add_audit_entry(
        "token_made", actor=by.name, user_id=by.id, subject=_name(row), peer=peer, scopes=wanted, days=days or 0
    )
    db.session.commit()
    return NewToken(row.id, label, text)


def revoke_token(token_id: int, *, by: User, peer: str) -> ApiToken:
    """Takes a token's access away at once; commits. Raises NotFound."""
    row = db.session.get(ApiToken, token_id)
    if row is None:
        raise NotFound("There is no such token.")
    if row.revoked_at is None:
        row.revoked_at = datetime.now(UTC)
        add_audit_entry("token_revoked", actor=by.name, user_id=by.id, subject=_name(row), peer=peer)
    db.session.commit()
    return row


def revoke_tokens_of(user: User) -> None:
    """Ends the tokens that somebody made who may not have any longer; the caller commits."""
    mine = update(ApiToken).where(ApiToken.created_by_id == user.id, ApiToken.revoked_at.is_(None))
    for row in db.session.scalars(mine.values(revoked_at=datetime.now(UTC)).returning(ApiToken)):
        add_audit_entry("token_revoked", actor="LUX", subject=_name(row), owner=user.email)


def find_token(bearer: str) -> ApiToken | None:
    """The live token of that text, asked of the database each time: a revoked one is refused at once."""
    if not bearer.startswith(PREFIX):
        return None
    row = db.session.scalar(select(ApiToken).where(ApiToken.token_sha256 == sha256(bearer)))
    return row if row is not None and is_live(row) else None


def note_token_use(token: ApiToken | None, *, peer: str) -> None:
    """Notes when a token was last used, and tells the audit trail once per token, address and hour; commits.

    None is the token of the settings. Losing such a note must not keep an operator out while the database is ill.
    """
    now = datetime.now(UTC)
    try:
        if token is not None and (token.used_at is None or now - token.used_at > _NOTED_EVERY):
            token.used_at, token.used_from = now, peer[:64]
        name, key = (_name(token), str(token.id)) if token is not None else (SETTING, SETTING)
        hour = now.replace(minute=0, second=0, microsecond=0)
        used = insert(TokenUse).values(token=key, peer=peer[:64], hour=hour).on_conflict_do_nothing()
        if db.session.execute(used.returning(TokenUse.token)).first() is not None:
            add_audit_entry("token_used", actor=f"token {name}", subject=name, peer=peer)
        db.session.commit()
    except SQLAlchemyError:
        db.session.rollback()


def count_wrong_token(peer: str) -> None:
    """Counts a wrong token. Raises TooMany for an address that tries too many; right ones are always let in."""
    wait = _failures().take(peer)
    if wait:
        raise TooMany("Too many attempts with a wrong token.", wait)


def delete_old_uses() -> int:
    """Forgets which hours have been told of; commits; returns how many. For the clock."""
    old = delete(TokenUse).where(TokenUse.hour < datetime.now(UTC) - _USES_KEPT).returning(TokenUse.token)
    gone = db.session.execute(old).all()
    db.session.commit()
    return len(gone)


def _name(token: ApiToken) -> str:
    return f"{token.label} (…{token.ending})"


def _failures() -> SharedBuckets:
    found: SharedBuckets | None = current_app.extensions.get("lux_wrong_tokens")
    if found is None:
        path = current_settings().lux_data_dir / "wrong_tokens.rate"
        fresh = SharedBuckets(path, rate=FAILURES_PER_SECOND, burst=FAILURES_BURST)
        found = current_app.extensions.setdefault("lux_wrong_tokens", fresh)
    return found
