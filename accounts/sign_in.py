"""Signing in: address and password first, then, where the user has one, the second factor on the same browser."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.audit import add_audit_entry
from accounts.one_time_links import add_link, count_try, find_link, is_used_up
from accounts.second_factor import has_second_factor, take_code
from accounts.throttle import check_tries, count_failure, forget_failures
from accounts.users import find_user, find_user_by_password
from errors import InputInvalid, LuxError
from extensions import db
from models import OneTimeLink, User

SECOND_STEP = "second_step"
MINUTES_FOR_SECOND_STEP = 10
MOST_CODES = 5

WRONG = "That e-mail address and password do not go together."
WRONG_CODE = "That code is not right, or has been used already. Wait for the next one."


class SignInOver(LuxError):
    """The second step came too late, too often, or on another browser: the person begins again."""

    status = 401
    title = "Please sign in again"

    def __init__(self) -> None:
        super().__init__("This sign-in took too long or had too many wrong codes. Please begin again.")


@dataclass(frozen=True)
class SecondStep:
    """A sign-in whose first step is done: who it is, and where they wanted to go."""

    link: OneTimeLink
    user: User

    @property
    def next_path(self) -> str:
        return str(self.link.detail.get("next") or "/")

    @property
    def way(self) -> str:
        return str(self.link.detail.get("way") or "password")


def prove_password(email: str, password: str, *, peer: str) -> User:
    """The user whom address and password prove; commits the attempt.

    Raises TooMany after many failures, and InputInvalid with the same sentence for unknown accounts, disabled ones
    and wrong passwords.
    """
    check_tries("password", email, peer=peer)
    user, is_proved = find_user_by_password(email, password)
    if user is None or not is_proved:
        count_failure("password", email, peer=peer)
        # What was typed for an unknown account stays unwritten: people type passwords there.
        known = (user.id, user.email) if user is not None else (None, None)
        add_audit_entry(
            "sign_in_failed", actor="somebody", user_id=known[0], subject=known[1], peer=peer, way="password"
        )
        db.session.commit()
        raise InputInvalid({"password": WRONG})
    forget_failures("password", email)
    db.session.commit()
    return user


def note_sign_in(user: User, *, peer: str, way: str) -> None:
    """Writes down that somebody is in; the caller commits."""
    add_audit_entry("sign_in", actor=user.name, user_id=user.id, peer=peer, way=way)


def start_second_step(user: User, *, next_path: str, way: str) -> str | None:
    """The token of the second step for this browser's cookie, or None where the user has no second factor; commits."""
    if not has_second_factor(user):
        return None
    detail = {"next": next_path, "way": way}
    hours = MINUTES_FOR_SECOND_STEP / 60
    token = add_link(SECOND_STEP, user_id=user.id, hours=hours, detail=detail, ends_earlier=False)
    db.session.commit()
    return token


def find_second_step(token: str) -> SecondStep | None:
    """The sign-in that waits for its code on the browser with this token."""
    link = find_link(SECOND_STEP, token)
    user = find_user(link.user_id) if link is not None and link.user_id is not None else None
    return SecondStep(link, user) if link is not None and user is not None and user.is_active else None


def finish_second_step(token: str, code: str, *, peer: str) -> SecondStep:
    """Takes the code; commits. Raises SignInOver, TooMany, and InputInvalid for a wrong or used code."""
    step = find_second_step(token)
    if step is None:
        raise SignInOver
    user = step.user
    check_tries("code", str(user.id), peer=peer)
    if not take_code(user, code):
        count_failure("code", str(user.id), peer=peer)
        add_audit_entry("second_factor_failed", actor=user.name, user_id=user.id, peer=peer)
        if count_try(step.link) >= MOST_CODES:
            is_used_up(step.link)
        db.session.commit()
        raise InputInvalid({"code": WRONG_CODE})
    if not is_used_up(step.link):
        db.session.rollback()
        raise SignInOver
    forget_failures("code", str(user.id))
    db.session.commit()
    return step
