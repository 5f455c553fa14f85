"""Signed-in browsers: one row each, found by the token in the cookie, ended by a change of the row."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import joinedload

from accounts.audit import add_audit_entry
from errors import NotFound
from extensions import db
from lib.digests import sha256
from models import User, UserSession

IDLE_HOURS = 12
ABSOLUTE_DAYS = 30
KEPT = timedelta(days=30)
_SEEN_EVERY = timedelta(minutes=1)


def start_session(user: User, *, peer: str, user_agent: str) -> str:
    """Signs the user in on one browser; commits; returns the token for its cookie."""
    token = secrets.token_urlsafe(32)
    db.session.add(
        UserSession(user_id=user.id, token_sha256=sha256(token), peer=peer[:64], user_agent=user_agent[:300])
    )
    user.signed_in_at = datetime.now(UTC)
    db.session.commit()
    return token


def find_session_user(token: str) -> User | None:
    """The user of a live session, or None. Notes once a minute that the session is in use, and commits that."""
    row = db.session.scalar(
        select(UserSession)
        .options(joinedload(UserSession.user))
        .where(UserSession.token_sha256 == sha256(token), *_is_live())
    )
    if row is None or not row.user.is_active:
        return None
    now = datetime.now(UTC)
    if now - row.seen_at > _SEEN_EVERY:
        db.session.execute(update(UserSession).where(UserSession.id == row.id).values(seen_at=now))
        db.session.commit()
    return row.user


def list_sessions(user: User) -> list[UserSession]:
    """The browsers on which the user is signed in now, the latest used first."""
    mine = select(UserSession).where(UserSession.user_id == user.id, *_is_live())
    return list(db.session.scalars(mine.order_by(UserSession.seen_at.desc(), UserSession.id.desc())))


def is_session_of(row: UserSession, token: str) -> bool:
    """Whether the row is the session of that token."""
    return secrets.compare_digest(row.token_sha256, sha256(token))


def end_session(token: str) -> None:
    """Signs one browser out; commits."""
    db.session.execute(
        update(UserSession).where(UserSession.token_sha256 == sha256(token)).values(ended_at=datetime.now(UTC))
    )
    db.session.commit()


def revoke_session(user: User, session_id: int, *, peer: str) -> None:
    """Signs one of the user's own browsers out; commits. Raises NotFound for what is none of theirs."""
    own = select(UserSession).where(UserSession.id == session_id, UserSession.user_id == user.id).with_for_update()
    row = db.session.scalars(own).one_or_none()
    if row is None:
        db.session.rollback()
        raise NotFound("You have no such browser.")
    if row.ended_at is None:
        row.ended_at = datetime.now(UTC)
        add_audit_entry("session_ended", actor=user.name, user_id=user.id, peer=peer)
    db.session.commit()


def sign_out_everywhere(user: User, *, peer: str) -> None:
    """Signs the user out on every browser, this one too; commits."""
    end_sessions_of(user)
    add_audit_entry("signed_out_everywhere", actor=user.name, user_id=user.id, peer=peer)
    db.session.commit()


def end_sessions_of(user: User, *, except_token: str | None = None) -> None:
    """Signs the user out everywhere, but for the session of `except_token`; the caller commits."""
    ended = update(UserSession).where(UserSession.user_id == user.id, UserSession.ended_at.is_(None))
    if except_token is not None:
        ended = ended.where(UserSession.token_sha256 != sha256(except_token))
    db.session.execute(ended.values(ended_at=datetime.now(UTC)))


def delete_old_sessions() -> int:
    """Forgets sessions that have been over for a month; commits; returns how many. For the clock."""
    before = datetime.now(UTC) - KEPT
    is_over = or_(UserSession.ended_at < before, UserSession.seen_at < before)
    gone = db.session.execute(delete(UserSession).where(is_over).returning(UserSession.id)).all()
    db.session.commit()
    return len(gone)


def _is_live() -> tuple[ColumnElement[bool], ...]:
    now = datetime.now(UTC)
    return (
        UserSession.ended_at.is_(None),
        UserSession.seen_at > now - timedelta(hours=IDLE_HOURS),
        UserSession.created_at > now - timedelta(days=ABSOLUTE_DAYS),
    )
