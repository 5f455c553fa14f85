"""What a signed-in person changes about their own account."""

from __future__ import annotations

from accounts.audit import add_audit_entry
from accounts.passwords import find_password_complaint, hash_password, is_right_password
from accounts.sessions import end_sessions_of
from errors import InputInvalid
from extensions import db
from models import User


def change_name(user: User, name: str) -> None:
    """Changes the name shown beside what the person does; commits. Raises InputInvalid."""
    if not name.strip():
        raise InputInvalid({"name": "Enter your name."})
    user.name = name.strip()[:200]
    db.session.commit()


def change_password(user: User, *, current: str, new: str, token: str, peer: str) -> None:
    """Changes the password and signs all other browsers out; commits. Raises InputInvalid, naming the field."""
    if not is_right_password(user.password_hash, current):
        raise InputInvalid({"current": "This is not your current password."})
    complaint = find_password_complaint(new, email=user.email)
    if complaint:
        raise InputInvalid({"new": complaint})
    user.password_hash = hash_password(new)
    end_sessions_of(user, except_token=token)
    add_audit_entry("password_changed", actor=user.name, user_id=user.id, peer=peer)
    db.session.commit()
