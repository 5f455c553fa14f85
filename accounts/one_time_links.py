"""Tokens that work once, stored hashed: first start, invitation, reset, a new address, the second step of a sign-in.

A new kind is one more purpose, named where it is used.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select, update

from extensions import db
from lib.digests import sha256
from models import OneTimeLink, User

FIRST_START = "first_start"
KEPT = timedelta(days=30)


def add_link(
    purpose: str,
    *,
    user_id: int | None = None,
    hours: float | None = None,
    detail: dict[str, Any] | None = None,
    ends_earlier: bool = True,
) -> str:
    """Makes a token, valid for so many hours or until used; by default it ends earlier ones. The caller commits."""
    now = datetime.now(UTC)
    if ends_earlier:
        same = OneTimeLink.user_id.is_(None) if user_id is None else OneTimeLink.user_id == user_id
        db.session.execute(
            update(OneTimeLink)
            .where(OneTimeLink.purpose == purpose, same, OneTimeLink.used_at.is_(None))
            .values(used_at=now)
        )
    token = secrets.token_urlsafe(32)
    expires_at = now + timedelta(hours=hours) if hours is not None else None
    row = OneTimeLink(
        purpose=purpose, user_id=user_id, token_sha256=sha256(token), expires_at=expires_at, detail=detail or {}
    )
    db.session.add(row)
    db.session.flush()
    return token


def find_link(purpose: str, token: str) -> OneTimeLink | None:
    """The link, if it can still be used."""
    return db.session.scalar(
        select(OneTimeLink).where(
            OneTimeLink.purpose == purpose, OneTimeLink.token_sha256 == sha256(token), *_is_usable()
        )
    )


def list_links(purpose: str) -> list[OneTimeLink]:
    """The links of a kind that can still be used, the newest first."""
    query = select(OneTimeLink).where(OneTimeLink.purpose == purpose, *_is_usable()).order_by(OneTimeLink.id.desc())
    return list(db.session.scalars(query))


def is_used_up(link: OneTimeLink) -> bool:
    """Uses the link; False when somebody was faster. The caller commits."""
    used = db.session.execute(
        update(OneTimeLink)
        .where(OneTimeLink.id == link.id, OneTimeLink.used_at.is_(None))
        .values(used_at=datetime.now(UTC))
        .returning(OneTimeLink.id)
    ).first()
    return used is not None


def count_try(link: OneTimeLink) -> int:
    """Counts a failed try at the link; how many there were. The caller commits."""
    counted = update(OneTimeLink).where(OneTimeLink.id == link.id).values(tries=OneTimeLink.tries + 1)
    return int(db.session.execute(counted.returning(OneTimeLink.tries)).scalar_one())


def end_links_of(user: User) -> None:
    """Ends every link of the user that is still open; the caller commits."""
    is_open = OneTimeLink.user_id == user.id, OneTimeLink.used_at.is_(None)
    db.session.execute(update(OneTimeLink).where(*is_open).values(used_at=datetime.now(UTC)))


def delete_old_links() -> int:
    """Forgets links that ended long ago; commits; returns how many. For the clock."""
    before = datetime.now(UTC) - KEPT
    is_over = or_(OneTimeLink.used_at < before, OneTimeLink.expires_at < before)
    gone = db.session.execute(delete(OneTimeLink).where(is_over).returning(OneTimeLink.id)).all()
    db.session.commit()
    return len(gone)


def _is_usable() -> tuple[ColumnElement[bool], ...]:
    is_valid = or_(OneTimeLink.expires_at.is_(None), OneTimeLink.expires_at > datetime.now(UTC))
    return OneTimeLink.used_at.is_(None), is_valid
