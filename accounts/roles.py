"""What an owner decides about people: role, approval, refusal, disabling, a lost second factor.

Every change of role or state signs the person out at once and ends their tokens and links; LUX keeps an owner.
"""

from __future__ import annotations

from sqlalchemy import func, select

from accounts.audit import add_audit_entry
from accounts.one_time_links import end_links_of
from accounts.second_factor import reset_second_factor
from accounts.sessions import end_sessions_of
from accounts.tokens import revoke_tokens_of
from accounts.users import get_user
from config import current_settings
from errors import Conflict, InputInvalid
from extensions import db, defer
from models import ROLES, User

STATES = ("active", "disabled")
MAY_HAVE_TOKENS = ("owner", "operator")


def role_for_new_user(email: str, is_verified: bool) -> str | None:
    """The role of somebody who signs in from outside for the first time: viewer for SIGNUP_DOMAINS, otherwise none.

    Only an address that the provider has verified says anything about its domain.
    """
    name, _, domain = email.strip().lower().rpartition("@")
    known = {name.lower().lstrip("@").rstrip(".") for name in current_settings().signup_domains}
    return "viewer" if is_verified is True and name and domain.rstrip(".") in known else None


def count_waiting() -> int:
    """How many people wait for the owner's word."""
    waiting = User.role.is_(None), User.state == "active"
    return db.session.scalar(select(func.count()).select_from(User).where(*waiting)) or 0


def approve_user(user_id: int, *, role: str, by: User, peer: str) -> User:
    """Gives a waiting person a role and tells them by mail; commits. Raises NotFound, InputInvalid and Conflict."""
    user = get_user(user_id)
    if user.role is not None or not user.is_active:
        raise Conflict(f"{user.name} does not wait for approval any longer.")
    if role not in ROLES:
        raise InputInvalid({"role": "Choose a role."})
    user.role = role
    add_audit_entry("user_approved", actor=by.name, user_id=by.id, subject=user.email, peer=peer, role=role)
    defer(db.session, "send_notice_mail", address=user.email, notice="approved")
    db.session.commit()
    return user


def refuse_user(user_id: int, *, by: User, peer: str) -> User:
    """Keeps a waiting person out for good, or until the owner enables them; commits. Raises NotFound and Conflict."""
    user = get_user(user_id)
    if user.role is not None:
        raise Conflict(f"{user.name} does not wait for approval any longer.")
    user.state = "disabled"
    _shut_out(user)
    add_audit_entry("user_refused", actor=by.name, user_id=by.id, subject=user.email, peer=peer)
    db.session.commit()
    return user


def change_user(user_id: int, *, role: str | None, state: str, by: User, peer: str) -> User:
    """Changes a user's role and state, signs them out everywhere and writes it down; commits.

    Raises NotFound, InputInvalid, and Conflict when nobody would be left as owner.
    """
    user = get_user(user_id)
    if role is not None and role not in ROLES:
        raise InputInvalid({"role": "Choose a role."})
    if state not in STATES:
        raise InputInvalid({"state": "Choose active or disabled."})
    if role != "owner" or state != "active":
        _keep_an_owner(user)
    before = {"role": user.role or "waiting", "state": user.state}
    after = {"role": role or "waiting", "state": state}
    if before == after:
        db.session.rollback()
        return user
    user.role, user.state = role, state
    _shut_out(user)
    add_audit_entry("user_changed", actor=by.name, user_id=by.id, subject=user.email, peer=peer, before=before, **after)
    db.session.commit()
    return user


def delete_user(user_id: int, *, by: User, peer: str) -> str:
    """Deletes an account; what the person did stays in the audit trail under their name; commits; returns the name.

    Raises NotFound, and Conflict when nobody would be left as owner.
    """
    user = get_user(user_id)
    _keep_an_owner(user)
    name = user.name
    user.state = "disabled"
    _shut_out(user)
    add_audit_entry("user_deleted", actor=by.name, user_id=by.id, subject=user.email, peer=peer, name=name)
    db.session.delete(user)
    db.session.commit()
    return name


def take_second_factor(user_id: int, *, by: User, peer: str) -> User:
    """The owner takes somebody's lost second factor away and tells them by mail; commits. Raises NotFound."""
    user = get_user(user_id)
    defer(db.session, "send_notice_mail", address=user.email, notice="second_factor_reset")
    reset_second_factor(user, by=by, peer=peer)
    return user


def _shut_out(user: User) -> None:
    end_sessions_of(user)
    end_links_of(user)
    if user.role not in MAY_HAVE_TOKENS or not user.is_active:
        revoke_tokens_of(user)


def _keep_an_owner(user: User) -> None:
    """Raises Conflict when no owner but this user is left. Two owners who change each other wait for one another."""
    owners = select(User).where(User.role == "owner", User.state == "active").order_by(User.id).with_for_update()
    left = db.session.scalars(owners.execution_options(populate_existing=True)).all()
    if user in left and len(left) == 1:
        db.session.rollback()
        raise Conflict("LUX needs an owner: make somebody else one first.")
