"""Signed-in browsers: one row each, found by the token in the cookie, ended by a change of the row."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from extensions import db
from models import User, UserSession

IDLE_HOURS = 12
ABSOLUTE_DAYS = 30
_SEEN_EVERY = timedelta(minutes=1)


def start_session(user: User, *, peer: str, user_agent: str) -> str:
    """Signs the user in on one browser; commits; returns the token for its cookie."""
    token = secrets.token_urlsafe(32)
    db.session.add(
        UserSession(user_id=user.id, token_sha256=_sha256(token), peer=peer[:64], user_agent=user_agent[:300])
    )
    db.session.commit()
    return token


def find_session_user(token: str) -> User | None:
    """The user of a live session, or None. Notes once a minute that the session is in use, and commits that."""
    row = db.session.scalar(
        select(UserSession).options(joinedload(UserSession.user)).where(UserSession.token_sha256 == _sha256(token))
    )
    if row is None or row.ended_at is not None or not row.user.is_active:
        return None
    now = datetime.now(UTC)
    if now - row.seen_at > timedelta(hours=IDLE_HOURS) or now - row.created_at > timedelta(days=ABSOLUTE_DAYS):
        return None
    if now - row.seen_at > _SEEN_EVERY:
        db.session.execute(update(UserSession).where(UserSession.id == row.id).values(seen_at=now))
        db.session.commit()
    return row.user


def end_session(token: str) -> None:
    """Signs one browser out; commits."""
    db.session.execute(
        update(UserSession).where(UserSession.token_sha256 == _sha256(token)).values(ended_at=datetime.now(UTC))
    )
    db.session.commit()


def end_sessions_of(user: User, *, except_token: str | None = None) -> None:
    """Signs the user out everywhere, but for the session of `except_token`; the caller commits."""
    ended = update(UserSession).where(UserSession.user_id == user.id, UserSession.ended_at.is_(None))
    if except_token is not None:
        ended = ended.where(UserSession.token_sha256 != _sha256(except_token))
    db.session.execute(ended.values(ended_at=datetime.now(UTC)))


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
