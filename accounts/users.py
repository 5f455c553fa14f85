"""Users: who they are, which role they have."""

from __future__ import annotations

from datetime import UTC, datetime

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select

from accounts.audit import add_audit_entry
from accounts.passwords import find_password_complaint, hash_password, is_outdated_hash, is_right_password
from accounts.sessions import end_sessions_of
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import ROLES, User


def find_user(user_id: int) -> User | None:
    """The user of that id, or None."""
    return db.session.get(User, user_id)


def get_user(user_id: int) -> User:
    """The user of that id; raises NotFound."""
    user = find_user(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def find_user_by_email(email: str) -> User | None:
    """The user of that address, whatever its case."""
    return db.session.scalar(select(User).where(func.lower(User.email) == email.strip().lower()))


def list_users() -> list[User]:
    """All users, waiting ones first."""
    return list(db.session.scalars(select(User).order_by(User.role.is_not(None), User.id)))


def has_owner() -> bool:
    """Whether somebody owns this LUX."""
    return db.session.scalar(select(User.id).where(User.role == "owner").limit(1)) is not None


def add_user(*, email: str, name: str, password: str | None, role: str | None) -> User:
    """Adds a user and flushes; the caller commits. Raises InputInvalid, naming each field that is wrong."""
    fields: dict[str, str] = {}
    address = _checked_address(email, fields)
    if not name.strip():
        fields["name"] = "Enter your name."
    if password is not None:
        complaint = find_password_complaint(password, email=email)
        if complaint:
            fields["password"] = complaint
    if role is not None and role not in ROLES:
        fields["role"] = "Choose a role."
    if address and find_user_by_email(address):
        fields["email"] = "There is already a user with this address."
    if fields:
        raise InputInvalid(fields)
    user = User(
        email=address, name=name.strip()[:200], password_hash=hash_password(password) if password else None, role=role
    )
    db.session.add(user)
    db.session.flush()
    return user


def find_user_by_password(email: str, password: str) -> User | None:
    """The active user whom address and password prove; the same work is done for unknown ones. Commits a new hash."""
    user = find_user_by_email(email)
    is_right = is_right_password(user.password_hash if user else None, password)
    if user is None or not is_right or not user.is_active:
        return None
    if user.password_hash and is_outdated_hash(user.password_hash):
        user.password_hash = hash_password(password)
    user.signed_in_at = datetime.now(UTC)
    db.session.commit()
    return user


def _checked_address(email: str, fields: dict[str, str]) -> str:
    try:
        return validate_email(email.strip(), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        fields["email"] = "Enter an e-mail address, such as anna@example.com."
        return ""


def change_user(user_id: int, *, role: str | None, state: str, by: User, peer: str) -> User:
    """Changes a user's role and state, signs them out everywhere and writes it down; commits.

    Raises NotFound, InputInvalid, and Conflict when nobody would be left as owner.
    """
    user = get_user(user_id)
    if role is not None and role not in ROLES:
        raise InputInvalid({"role": "Choose a role."})
    if state not in ("active", "disabled"):
        raise InputInvalid({"state": "Choose active or disabled."})
    _keep_an_owner(user, role, state)
    add_audit_entry(
        "user_changed", actor=by.name, user_id=by.id, subject=user.email, peer=peer, role=role or "", state=state
    )
    if (user.role, user.state) != (role, state):
        user.role, user.state = role, state
        end_sessions_of(user)
    db.session.commit()
    return user


def _keep_an_owner(user: User, role: str | None, state: str) -> None:
    if user.role != "owner" or (role == "owner" and state == "active"):
        return
    others = select(User.id).where(User.role == "owner", User.state == "active", User.id != user.id).with_for_update()
    if db.session.scalars(others).first() is None:
        raise Conflict("LUX needs an owner: make somebody else one first.")
