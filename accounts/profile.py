"""What a signed-in person changes about their own account."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from accounts.audit import add_audit_entry
from accounts.letters import NEW_ADDRESS
from accounts.one_time_links import end_links_of, find_link, is_used_up
from accounts.passwords import find_password_complaint, hash_password, is_right_password
from accounts.sessions import end_sessions_of
from accounts.throttle import check_tries, count_failure
from accounts.users import checked_address, find_user
from errors import Conflict, InputInvalid, NotFound
from extensions import db, defer
from lib.clean_text import one_line
from models import User

SPENT = "This link has been used or has expired. Ask for a new one on your profile."
TAKEN = "There is an account with this address by now. Nothing was changed."


def check_own_password(user: User, password: str, *, field: str = "password", peer: str) -> None:
    """Raises InputInvalid for a wrong password, TooMany after many: a session left open is not a way to guess it."""
    if user.password_hash is None:
        raise InputInvalid({field: "Your account has no password yet. Ask for a link to choose one."})
    check_tries("own password", str(user.id), peer=peer)
    if not is_right_password(user.password_hash, password):
        count_failure("own password", str(user.id), peer=peer)
        db.session.commit()
        raise InputInvalid({field: "This is not your current password."})


def change_name(user: User, name: str) -> None:
    """Changes the name shown beside what the person does; commits. Raises InputInvalid."""
    if not one_line(name):
        raise InputInvalid({"name": "Enter your name."})
    before, user.name = user.name, one_line(name)[:200]
    if user.name != before:
        add_audit_entry("name_changed", actor=user.name, user_id=user.id, before=before)
    db.session.commit()


def change_password(user: User, *, current: str, new: str, token: str, peer: str) -> None:
    """Changes the password, signs all other browsers out and ends open links; commits.

    Raises InputInvalid, naming the field, and TooMany.
    """
    check_own_password(user, current, field="current", peer=peer)
    complaint = find_password_complaint(new, email=user.email)
    if complaint:
        raise InputInvalid({"new": complaint})
    user.password_hash = hash_password(new)
    end_sessions_of(user, except_token=token)
    end_links_of(user)
    add_audit_entry("password_changed", actor=user.name, user_id=user.id, peer=peer)
    defer(db.session, "send_notice_mail", address=user.email, notice="password_changed")
    db.session.commit()


def ask_for_password_link(user: User, *, peer: str) -> None:
    """Sends somebody who came from outside a link with which to choose a first password; commits."""
    add_audit_entry("password_reset_asked", actor=user.name, user_id=user.id, peer=peer)
    defer(db.session, "send_password_link", user_id=user.id)
    db.session.commit()


def ask_for_new_address(user: User, email: str, *, password: str, peer: str) -> str:
    """Sends a link to the new address; the account keeps the old one until it is opened; commits.

    Raises InputInvalid and TooMany. Whether the address has an account already shows only in a mail that stays away.
    """
    fields: dict[str, str] = {}
    address = checked_address(email, fields)
    if address and address.lower() == user.email.lower():
        fields["email"] = "This is your address already."
    if fields:
        raise InputInvalid(fields)
    check_own_password(user, password, field="email_password", peer=peer)
    add_audit_entry("new_address_asked", actor=user.name, user_id=user.id, subject=address, peer=peer)
    defer(db.session, "send_address_mail", user_id=user.id, address=address)
    db.session.commit()
    return address


def get_new_address(token: str) -> tuple[User, str]:
    """Whose address the link changes, and to what; raises NotFound when it is spent."""
    link = find_link(NEW_ADDRESS, token)
    user = find_user(link.user_id) if link is not None and link.user_id is not None else None
    if link is None or user is None or not user.is_active:
        raise NotFound(SPENT)
    return user, str(link.detail["address"])


def confirm_new_address(token: str, *, peer: str) -> User:
    """The account takes the new address, and a notice goes to the old one; commits. Raises NotFound and Conflict."""
    user, address = get_new_address(token)
    link = find_link(NEW_ADDRESS, token)
    if link is None or not is_used_up(link):
        db.session.rollback()
        raise NotFound(SPENT)
    before = user.email
    end_links_of(user)
    add_audit_entry("address_changed", actor=user.name, user_id=user.id, subject=address, peer=peer, before=before)
    defer(db.session, "send_notice_mail", address=before, notice="address_changed")
    user.email = address
    try:
        db.session.commit()
    except IntegrityError as error:
        db.session.rollback()
        raise Conflict(TAKEN) from error
    return user
