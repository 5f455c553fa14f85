"""Ways to Replit and back: each is a row, used once, by the browser that set out, within ten minutes."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select, update

from accounts.encryption import decrypt, encrypt
from accounts.replit_refusals import Refused
from extensions import db
from lib.digests import sha256
from models import ReplitAttempt

VALID_MINUTES = 10
MOST_PENDING_PER_PEER = 100


@dataclass(frozen=True)
class NewAttempt:
    """What goes to the provider (state, nonce) and what stays here until it answers (verifier)."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Attempt:
    """A way that was taken once, and cannot be taken again. `user_id` is who wanted to link, if that was it."""

    id: int
    nonce: str
    verifier: str
    next_path: str
    user_id: int | None


def add_attempt(*, browser: str, next_path: str, peer: str, user_id: int | None = None) -> NewAttempt:
    """Sets out; commits. Raises Refused for a peer with a hundred ways that lead nowhere."""
    now = datetime.now(UTC)
    pending = ReplitAttempt.peer == peer, ReplitAttempt.expires_at > now, ReplitAttempt.used_at.is_(None)
    count = db.session.scalar(select(func.count()).select_from(ReplitAttempt).where(*pending)) or 0
    if count >= MOST_PENDING_PER_PEER:
        raise Refused("too_many_attempts")
    made = NewAttempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))
    db.session.add(
        ReplitAttempt(
            state_sha256=sha256(made.state),
            browser_sha256=sha256(browser),
            nonce=encrypt(made.nonce),
            verifier=encrypt(made.verifier),
            next_path=next_path,
            peer=peer,
            user_id=user_id,
            expires_at=now + timedelta(minutes=VALID_MINUTES),
        )
    )
    db.session.commit()
    return made


def take_attempt(state: str, *, browser: str) -> Attempt:
    """Uses the way up, whatever comes of it; commits. Raises Refused: unknown, used, expired, of another browser."""
    now = datetime.now(UTC)
    taken = db.session.execute(
        update(ReplitAttempt)
        .where(ReplitAttempt.state_sha256 == sha256(state), ReplitAttempt.used_at.is_(None))
        .values(used_at=now)
        .returning(ReplitAttempt)
    ).scalar_one_or_none()
    db.session.commit()
    if taken is None:
        known = select(ReplitAttempt.id).where(ReplitAttempt.state_sha256 == sha256(state))
        raise Refused("state_used" if db.session.scalar(known) else "state_unknown")
    if taken.expires_at < now:
        raise Refused("state_expired")
    if not hmac.compare_digest(taken.browser_sha256, sha256(browser)):
        raise Refused("state_of_another_browser")
    return Attempt(taken.id, decrypt(taken.nonce), decrypt(taken.verifier), taken.next_path, taken.user_id)


def delete_old_attempts() -> int:
    """Forgets ways that ended an hour ago; commits; returns how many. For the clock."""
    old = ReplitAttempt.expires_at < datetime.now(UTC) - timedelta(hours=1)
    gone = db.session.execute(delete(ReplitAttempt).where(old).returning(ReplitAttempt.id)).all()
    db.session.commit()
    return len(gone)
