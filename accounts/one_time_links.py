"""Links that work once, stored hashed: the first start, later resets and invitations."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select, update

from extensions import db
from models import OneTimeLink

FIRST_START = "first_start"


def add_link(purpose: str, *, user_id: int | None = None, hours: float | None = None) -> str:
    """Makes a link's token, valid for so many hours or until used; ends earlier ones of its kind; commits."""
    now = datetime.now(UTC)
    same = OneTimeLink.user_id.is_(None) if user_id is None else OneTimeLink.user_id == user_id
    db.session.execute(
        update(OneTimeLink)
        .where(OneTimeLink.purpose == purpose, same, OneTimeLink.used_at.is_(None))
        .values(used_at=now)
    )
    token = secrets.token_urlsafe(32)
    expires_at = now + timedelta(hours=hours) if hours is not None else None
    db.session.add(OneTimeLink(purpose=purpose, user_id=user_id, token_sha256=_sha256(token), expires_at=expires_at))
    db.session.commit()
    return token


def find_link(purpose: str, token: str) -> OneTimeLink | None:
    """The link, if it can still be used."""
    return db.session.scalar(
        select(OneTimeLink).where(
            OneTimeLink.purpose == purpose,
            OneTimeLink.token_sha256 == _sha256(token),
            OneTimeLink.used_at.is_(None),
            or_(OneTimeLink.expires_at.is_(None), OneTimeLink.expires_at > datetime.now(UTC)),
        )
    )


def is_used_up(link: OneTimeLink) -> bool:
    """Uses the link; False when somebody was faster. The caller commits."""
    used = db.session.execute(
        update(OneTimeLink)
        .where(OneTimeLink.id == link.id, OneTimeLink.used_at.is_(None))
        .values(used_at=datetime.now(UTC))
        .returning(OneTimeLink.id)
    ).first()
    return used is not None


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
