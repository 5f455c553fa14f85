"""Failed tries at somebody's account, and how long the next one waits: slowed down, never locked out.

A new kind of try is a key of its own: `count_failure("reset", …)` knows nothing of `count_failure("password", …)`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select

from errors import TooMany
from extensions import db
from lib.digests import sha256
from models import SignInAttempt

WINDOW = timedelta(minutes=15)
FREE_TRIES_PER_ACCOUNT = 5
FREE_TRIES_PER_PEER = 20
LONGEST_WAIT_SECONDS = 300


def check_tries(kind: str, account: str, *, peer: str) -> None:
    """Raises TooMany after many failures, with the seconds to wait: doubling, 5 minutes at most."""
    wait = max(
        _wait_seconds(SignInAttempt.account_sha256 == _account_key(kind, account), FREE_TRIES_PER_ACCOUNT),
        _wait_seconds(SignInAttempt.peer == _peer_key(kind, peer), FREE_TRIES_PER_PEER),
    )
    if wait > 0:
        raise TooMany(f"Too many tries. Wait {wait} seconds, then try again.", wait)


def count_failure(kind: str, account: str, *, peer: str) -> None:
    """Counts a failed try; the caller commits."""
    db.session.add(SignInAttempt(account_sha256=_account_key(kind, account), peer=_peer_key(kind, peer)))


def forget_failures(kind: str, account: str) -> None:
    """A success forgives the failures of its account; the caller commits."""
    db.session.execute(delete(SignInAttempt).where(SignInAttempt.account_sha256 == _account_key(kind, account)))


def delete_old_attempts() -> int:
    """Forgets failures older than a day; commits; returns how many. For the clock."""
    before = datetime.now(UTC) - timedelta(days=1)
    gone = db.session.execute(delete(SignInAttempt).where(SignInAttempt.at < before).returning(SignInAttempt.id)).all()
    db.session.commit()
    return len(gone)


def _wait_seconds(who: ColumnElement[bool], free_tries: int) -> int:
    now = datetime.now(UTC)
    count, last = db.session.execute(
        select(func.count(), func.max(SignInAttempt.at)).where(who, SignInAttempt.at > now - WINDOW)
    ).one()
    if count < free_tries:
        return 0
    pause = min(2 ** (count - free_tries + 1), LONGEST_WAIT_SECONDS)
    return max(0, int((last + timedelta(seconds=pause) - now).total_seconds() + 0.999))


def _account_key(kind: str, account: str) -> str:
    return sha256(f"{kind} {account.strip().lower()}")


def _peer_key(kind: str, peer: str) -> str:
    return f"{kind} {peer}"
