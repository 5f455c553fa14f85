"""Making the owner: once, by whoever holds the one-time link of the first start."""

from __future__ import annotations

from accounts.audit import add_audit_entry
from accounts.one_time_links import FIRST_START, add_link, find_link, is_used_up
from accounts.users import add_user, has_owner
from errors import NotFound
from extensions import db
from models import User


def find_owner_token() -> str | None:
    """A fresh one-time token for making the owner, or None when there is one already; commits."""
    if has_owner():
        return None
    token = add_link(FIRST_START)
    db.session.commit()
    return token


def can_make_owner(token: str) -> bool:
    """Whether the link still works."""
    return find_link(FIRST_START, token) is not None and not has_owner()


def add_owner(token: str, *, name: str, email: str, password: str, peer: str) -> User:
    """Makes the owner's account and uses the link up; commits.

    Raises NotFound when the link is spent and InputInvalid for wrong fields, which leaves the link usable.
    """
    link = find_link(FIRST_START, token)
    if link is None or has_owner():
        raise NotFound("This link has been used already, or never was one.")
    user = add_user(email=email, name=name, password=password, role="owner")
    if not is_used_up(link):
        db.session.rollback()
        raise NotFound("This link has been used already.")
    add_audit_entry("owner_made", actor=user.name, user_id=user.id, subject=user.email, peer=peer)
    db.session.commit()
    return user
