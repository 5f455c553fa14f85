"""Users: finding and adding them. What is done to them afterwards is in roles.py and profile.py."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select

from accounts.passwords import find_password_complaint, hash_password, is_outdated_hash, is_right_password
from errors import InputInvalid, NotFound
from extensions import db
from lib.clean_text import one_line
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
    return db.session.scalar(select(User).where(func.lower(User.email) == one_line(email).lower()))


def name_of(user_id: int | None) -> str:
    """Whose deed it is, for a record of it: the user's name, or LUX itself."""
    user = find_user(user_id) if user_id is not None else None
    return user.name if user is not None else "LUX"


def list_users() -> list[User]:
    """All users, waiting ones first."""
    return list(db.session.scalars(select(User).order_by(User.role.is_not(None), User.id)))


def has_owner() -> bool:
    """Whether somebody owns this LUX."""
    return db.session.scalar(select(User.id).where(User.role == "owner").limit(1)) is not None


def add_user(*, email: str, name: str, password: str | None, role: str | None) -> User:
    """Adds a user and flushes; the caller commits. Raises InputInvalid, naming each field that is wrong."""
    fields: dict[str, str] = {}
    address = checked_address(email, fields)
    if not one_line(name):
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
        email=address, name=one_line(name)[:200], password_hash=hash_password(password) if password else None, role=role
    )
    db.session.add(user)
    db.session.flush()
    return user


def find_user_by_password(email: str, password: str) -> tuple[User | None, bool]:
    """The user of the address, and whether the password proves them: right, and not disabled.

    The same work is done for unknown addresses. Makes a new hash where the old one is weaker than today's; the caller
    commits.
    """
    user = find_user_by_email(email)
    is_right = is_right_password(user.password_hash if user else None, password)
    if user is None or not is_right or not user.is_active:
        return user, False
    if user.password_hash and is_outdated_hash(user.password_hash):
        user.password_hash = hash_password(password)
    return user, True


def checked_address(email: str, fields: dict[str, str]) -> str:
    """The address in its usual form, or nothing and a sentence in `fields`."""
    try:
        return validate_email(one_line(email), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        fields["email"] = "Enter an e-mail address, such as anna@example.com."
        return ""
