"""Inviting a person: the account is made by the owner, its password by the person, through a link that works once.

The link is shown to the owner, who passes it on, or goes out by mail; then nobody here ever sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from accounts.audit import add_audit_entry
from accounts.letters import INVITATION
from accounts.one_time_links import add_link, find_link, is_used_up, list_links
from accounts.passwords import find_password_complaint, hash_password
from accounts.users import add_user, find_user, get_user
from errors import Conflict, InputInvalid, NotFound
from extensions import db, defer
from models import User

HOURS = {24: "One day", 72: "Three days", 168: "A week"}
VALID_HOURS = 72
SPENT = "This invitation has been used, was revoked or has expired. Ask the owner for a new one."


@dataclass(frozen=True)
class Invitation:
    """An invitation that nobody has taken up yet."""

    user: User
    expires_at: datetime | None
    by: str
    way: str


def invite(
    *, email: str, name: str, role: str, by: User, peer: str, hours: int = VALID_HOURS, is_mailed: bool = False
) -> tuple[User, str | None]:
    """Makes an account without a password, and the token of its link unless that goes out by mail; commits.

    Raises InputInvalid.
    """
    if hours not in HOURS:
        raise InputInvalid({"hours": "Choose how long the invitation is valid."})
    user = add_user(email=email, name=name, password=None, role=role)
    add_audit_entry("user_invited", actor=by.name, user_id=by.id, subject=user.email, peer=peer, role=role)
    token = _open(user, hours, by, is_mailed=is_mailed)
    db.session.commit()
    return user, token


def invite_again(user_id: int, *, by: User, peer: str, is_mailed: bool = False) -> tuple[User, str | None]:
    """A fresh link for somebody who has not taken theirs up; the earlier one ends; commits.

    Raises NotFound, and Conflict for somebody who is in already.
    """
    user = get_user(user_id)
    if not is_invited(user):
        raise Conflict(f"{user.name} is in already.")
    add_audit_entry("user_invited", actor=by.name, user_id=by.id, subject=user.email, peer=peer, role=user.role or "")
    token = _open(user, VALID_HOURS, by, is_mailed=is_mailed)
    db.session.commit()
    return user, token


def list_invitations() -> list[Invitation]:
    """Everybody who has been invited and has not come yet, the newest first; `expires_at` None: the link is over."""
    links = {link.user_id: link for link in list_links(INVITATION)}
    absent = User.password_hash.is_(None), User.signed_in_at.is_(None), User.role.is_not(None), User.state == "active"
    found = []
    for user in db.session.scalars(select(User).where(*absent).order_by(User.id.desc())):
        link = links.get(user.id)
        detail = link.detail if link is not None else {}
        expires_at = link.expires_at if link is not None else None
        found.append(Invitation(user, expires_at, str(detail.get("by", "")), str(detail.get("way", ""))))
    return found


def is_invited(user: User) -> bool:
    """Whether somebody was invited and has not come yet."""
    return user.password_hash is None and user.signed_in_at is None and user.role is not None and user.state == "active"


def revoke_invitation(user_id: int, *, by: User, peer: str) -> str:
    """Takes an invitation back: its link ends and the account, never used, goes; commits; returns the address.

    Raises NotFound, and Conflict for somebody who has come meanwhile.
    """
    user = db.session.get(User, user_id, with_for_update=True, populate_existing=True)
    if user is None:
        raise NotFound("There is no such user.")
    if not is_invited(user):
        db.session.rollback()
        raise Conflict("This invitation has been taken up already.")
    address = user.email
    add_audit_entry("invitation_revoked", actor=by.name, user_id=by.id, subject=address, peer=peer)
    db.session.delete(user)
    db.session.commit()
    return address


def get_invited(token: str) -> User:
    """The person whom the link invites; raises NotFound when it is spent."""
    link = find_link(INVITATION, token)
    user = find_user(link.user_id) if link is not None and link.user_id is not None else None
    if user is None or not user.is_active:
        raise NotFound(SPENT)
    return user


def accept_invitation(token: str, *, password: str, peer: str) -> User:
    """Sets the password and uses the link up; commits. Raises InputInvalid, which leaves the link usable."""
    user = get_invited(token)
    complaint = find_password_complaint(password, email=user.email)
    if complaint:
        raise InputInvalid({"password": complaint})
    hashed = hash_password(password)
    link = find_link(INVITATION, token)
    if link is None or not is_used_up(link):
        db.session.rollback()
        raise NotFound(SPENT)
    user.password_hash = hashed
    add_audit_entry("invitation_accepted", actor=user.name, user_id=user.id, peer=peer)
    db.session.commit()
    return user


def _open(user: User, hours: int, by: User, *, is_mailed: bool) -> str | None:
    way = "mail" if is_mailed else "link"
    token = add_link(INVITATION, user_id=user.id, hours=hours, detail={"by": by.name, "way": way})
    if not is_mailed:
        return token
    # Only the letter's own token will open it: this one is forgotten here and now.
    defer(db.session, "send_invitation_mail", user_id=user.id, hours=hours, by=by.name)
    return None
