"""The provider's tokens of a signed-in browser: encrypted at rest, renewed once for all who wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.exc import OperationalError

from accounts.audit import add_audit_entry
from accounts.encryption import Undecryptable, decrypt, encrypt
from accounts.replit_refusals import PROVIDER_TROUBLE, Refused
from extensions import db
from lib.digests import sha256
from models import ReplitIdentity, ReplitOAuth, User, UserSession

RETRY_SECONDS = 60
LONGEST_WAIT = "20s"
FAR = timedelta(days=365)


@dataclass(frozen=True)
class Tokens:
    """What the provider gave. A refresh may bring no new refresh token and no id_token."""

    access_token: str
    refresh_token: str | None
    id_token: str | None
    expires_in_seconds: int

    def ends_at(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.expires_in_seconds)


def save_tokens(session_token: str, identity: ReplitIdentity, tokens: Tokens) -> datetime:
    """Keeps a fresh session's tokens, encrypted; commits; returns when they end."""
    session_id = db.session.scalars(select(UserSession.id).where(_is(session_token))).one()
    db.session.add(
        ReplitOAuth(
            session_id=session_id,
            identity_id=identity.id,
            access_token=encrypt(tokens.access_token),
            refresh_token=encrypt(tokens.refresh_token) if tokens.refresh_token else None,
            id_token=encrypt(tokens.id_token or ""),
            expires_at=tokens.ends_at(),
        )
    )
    db.session.commit()
    return tokens.ends_at()


def find_id_token(session_token: str) -> str | None:
    """The id_token with which a browser came, for telling the provider who leaves."""
    stored = db.session.scalar(select(ReplitOAuth.id_token).join(UserSession).where(_is(session_token)))
    try:
        return decrypt(stored) or None if stored else None
    except Undecryptable:
        return None


def refresh_tokens(session_token: str, ask: Callable[[str, ReplitIdentity], Tokens], *, peer: str) -> datetime | None:
    """Renews a session's tokens if they have ended; commits; returns when to look again, None when there are none.

    Single flight: the row is locked while `ask` speaks with the provider, and whoever waited finds fresh tokens.
    A provider that is away is asked again in a minute; until then, and at most until its absolute end, the session
    stays. Raises Refused, and ends the session, when the provider takes the sign-in back.
    """
    now = datetime.now(UTC)
    try:
        row = _locked(session_token)
    except OperationalError:
        # Somebody else has been waiting for the provider all this time.
        db.session.rollback()
        return now + timedelta(seconds=RETRY_SECONDS)
    due = _due_at(row) if row is not None else None
    if row is None or due is None or due > now:
        db.session.rollback()
        return due
    try:
        tokens = ask(decrypt(row.refresh_token or ""), row.identity)
    except (Refused, Undecryptable) as error:
        if isinstance(error, Refused) and error.reason in PROVIDER_TROUBLE:
            row.retry_at = now + timedelta(seconds=RETRY_SECONDS)
            db.session.commit()
            return row.retry_at
        _end(row, error.reason if isinstance(error, Refused) else "undecryptable", peer)
        raise Refused("refresh_refused") from error
    row.access_token = encrypt(tokens.access_token)
    row.refresh_token = encrypt(tokens.refresh_token) if tokens.refresh_token else row.refresh_token
    row.id_token = encrypt(tokens.id_token) if tokens.id_token else row.id_token
    row.expires_at, row.refreshed_at, row.retry_at = tokens.ends_at(), now, None
    db.session.commit()
    return row.expires_at


def _locked(session_token: str) -> ReplitOAuth | None:
    db.session.execute(text(f"SET LOCAL lock_timeout = '{LONGEST_WAIT}'"))
    return db.session.scalar(
        select(ReplitOAuth)
        .join(UserSession)
        .where(_is(session_token), UserSession.ended_at.is_(None))
        .with_for_update(of=ReplitOAuth)
        .execution_options(populate_existing=True)
    )


def _due_at(row: ReplitOAuth) -> datetime:
    if row.refresh_token is None:
        # Nothing to renew with: the session lives by LUX's own limits.
        return datetime.now(UTC) + FAR
    return max(row.expires_at, row.retry_at or row.expires_at)


def _end(row: ReplitOAuth, reason: str, peer: str) -> None:
    user = db.session.get_one(User, row.identity.user_id)
    row.session.ended_at = datetime.now(UTC)
    add_audit_entry("replit_session_ended", actor=user.name, user_id=user.id, peer=peer, reason=reason)
    db.session.delete(row)
    db.session.commit()


def _is(session_token: str) -> ColumnElement[bool]:
    return UserSession.token_sha256 == sha256(session_token)
