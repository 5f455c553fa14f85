"""A forgotten password: asked for by anyone, answered by mail, chosen anew through a link that works once for an hour.

Whether an address has an account shows nowhere: the same answer, after the same work, in the same time.
"""

from __future__ import annotations

from accounts.audit import add_audit_entry
from accounts.letters import HOURS, RESET
from accounts.one_time_links import add_link, end_links_of, find_link, is_used_up
from accounts.passwords import find_password_complaint, hash_password
from accounts.sessions import end_sessions_of
from accounts.throttle import check_tries, count_failure, forget_failures
from accounts.users import find_user
from errors import InputInvalid, NotFound
from extensions import db, defer
from lib.clean_text import one_line
from models import User

LONGEST_ADDRESS = 254
SPENT = "This link has been used or has expired. Ask for a new one."


def ask_for_reset(email: str, *, peer: str) -> None:
    """Queues the mail; commits. Raises InputInvalid for what is no address at all, TooMany after many of them.

    The account is looked up by the worker only.
    """
    address = one_line(email)
    if "@" not in address or len(address) > LONGEST_ADDRESS:
        raise InputInvalid({"email": "Enter your e-mail address, such as anna@example.com."})
    check_tries("reset", address, peer=peer)
    count_failure("reset", address, peer=peer)
    add_audit_entry("password_reset_asked", actor="somebody", peer=peer)
    defer(db.session, "send_reset_mail", address=address)
    db.session.commit()


def make_reset_link(user: User) -> str:
    """The token of a reset, for an operator at the server's shell; commits."""
    token = add_link(RESET, user_id=user.id, hours=HOURS[RESET])
    add_audit_entry("password_link_made", actor="LUX command", subject=user.email)
    db.session.commit()
    return token


def get_reset_user(token: str) -> User:
    """Whose password the link changes; raises NotFound when it is spent."""
    link = find_link(RESET, token)
    user = find_user(link.user_id) if link is not None and link.user_id is not None else None
    if user is None or not user.is_active:
        raise NotFound(SPENT)
    return user


def reset_password(token: str, password: str, *, peer: str) -> User:
    """Sets the password, uses the link up, ends every session and other link; commits.

    Raises NotFound when the link is spent, and InputInvalid, which leaves it usable.
    """
    user = get_reset_user(token)
    complaint = find_password_complaint(password, email=user.email)
    if complaint:
        raise InputInvalid({"password": complaint})
    hashed = hash_password(password)
    link = find_link(RESET, token)
    if link is None or not is_used_up(link):
        db.session.rollback()
        raise NotFound(SPENT)
    user.password_hash = hashed
    end_sessions_of(user)
    end_links_of(user)
    forget_failures("password", user.email)
    add_audit_entry("password_reset", actor=user.name, user_id=user.id, peer=peer)
    defer(db.session, "send_notice_mail", address=user.email, notice="password_reset")
    db.session.commit()
    return user
