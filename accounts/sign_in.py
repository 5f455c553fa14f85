"""Signing in by e-mail and password: throttled per account and per address, without ever locking anyone out."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select

from accounts.audit import add_audit_entry
from accounts.users import find_user_by_password
from errors import InputInvalid, TooMany
from extensions import db
from models import SignInAttempt, User

WINDOW = timedelta(minutes=15)
FREE_TRIES_PER_ACCOUNT = 5
FREE_TRIES_PER_PEER = 20
LONGEST_WAIT_SECONDS = 300

WRONG = "That e-mail address and password do not go together."


def sign_in(email: str, password: str, *, peer: str) -> User:
    """The user, proved by address and password; commits the attempt.

    Raises TooMany after many failures, with the seconds to wait (doubling, 5 minutes at most),
    and InputInvalid with the same sentence for unknown accounts and wrong passwords.
    """
    account = hashlib.sha256(email.strip().lower().encode()).hexdigest()
    wait = max(
        _wait_seconds(SignInAttempt.account_sha256 == account, FREE_TRIES_PER_ACCOUNT),
        _wait_seconds(SignInAttempt.peer == peer, FREE_TRIES_PER_PEER),
    )
    if wait > 0:
        raise TooMany(f"Too many tries. Wait {wait} seconds, then try again.", wait)
    user = find_user_by_password(email, password)
    if user is None:
        db.session.add(SignInAttempt(account_sha256=account, peer=peer))
        add_audit_entry("sign_in_failed", actor="somebody", peer=peer)
        db.session.commit()
        raise InputInvalid({"password": WRONG})
    db.session.execute(delete(SignInAttempt).where(SignInAttempt.account_sha256 == account))
    add_audit_entry("sign_in", actor=user.name, user_id=user.id, peer=peer)
    db.session.commit()
    return user


def delete_old_attempts() -> int:
    """Forgets failures older than a day; commits; returns how many. For the clock."""
    gone = db.session.execute(
        delete(SignInAttempt)
        .where(SignInAttempt.at < datetime.now(UTC) - timedelta(days=1))
        .returning(SignInAttempt.id)
    ).all()
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
