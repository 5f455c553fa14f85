"""Inviting a person: the account is made by the owner, its password by the person, through a link that works once."""

from __future__ import annotations

from accounts.audit import add_audit_entry
from accounts.one_time_links import add_link, find_link, is_used_up
from accounts.passwords import find_password_complaint, hash_password
from accounts.users import add_user, get_user
from errors import InputInvalid, NotFound
from extensions import db
from models import User

INVITATION = "invitation"
VALID_HOURS = 72
SPENT = "This invitation has been used or has expired. Ask the owner for a new one."


def invite(*, email: str, name: str, role: str, by: User, peer: str) -> tuple[User, str]:
    """Makes an account without a password and the token of its link; commits. Raises InputInvalid."""
    user = add_user(email=email, name=name, password=None, role=role)
    add_audit_entry("user_invited", actor=by.name, user_id=by.id, subject=user.email, peer=peer, role=role)
    return user, add_link(INVITATION, user_id=user.id, hours=VALID_HOURS)


def get_invited(token: str) -> User:
    """The person whom the link invites; raises NotFound when it is spent."""
    link = find_link(INVITATION, token)
    if link is None or link.user_id is None:
        raise NotFound(SPENT)
    return get_user(link.user_id)


def accept_invitation(token: str, *, password: str, peer: str) -> User:
    """Sets the password and uses the link up; commits. Raises InputInvalid, which leaves the link usable."""
    user = get_invited(token)
    complaint = find_password_complaint(password, email=user.email)
    if complaint:
        raise InputInvalid({"password": complaint})
    link = find_link(INVITATION, token)
    if link is None or not is_used_up(link):
        db.session.rollback()
        raise NotFound(SPENT)
    user.password_hash = hash_password(password)
    add_audit_entry("invitation_accepted", actor=user.name, user_id=user.id, peer=peer)
    db.session.commit()
    return user
