"""Mail to people who sign in: links that open an account, and notices of what was changed.

The worker makes each link's token in the moment in which it writes the mail, so that no token lies in the queue; for
an address without an account the same task is queued and does nothing. To add a letter, write a function that sends
it, list it in worker.py, and defer it by its name.
"""

from __future__ import annotations

import logging

from accounts.one_time_links import add_link, list_links
from accounts.users import find_user, find_user_by_email
from channels.base import FAILED
from channels.system_mail import send_system_mail
from config import current_settings
from extensions import db
from models import User

RESET = "password_reset"
INVITATION = "invitation"
NEW_ADDRESS = "new_address"
HOURS = {RESET: 1.0, NEW_ADDRESS: 24.0}

NOTICES = {
    "password_reset": ("Your password was changed", "Your LUX password was changed through a link in a mail."),
    "password_changed": ("Your password was changed", "Your LUX password was changed on the profile page."),
    "address_changed": ("Your address was changed", "Your LUX account now signs in with another e-mail address."),
    "second_factor_off": ("Your second factor is off", "Your LUX account no longer asks for a code at sign-in."),
    "second_factor_reset": ("Your second factor was taken away", "The owner took your second factor away."),
    "approved": ("You are in", "The owner of LUX approved your account. You can sign in now."),
}
NOT_YOU = "If that was not you, tell the owner of your LUX at once, and choose a new password here:"

log = logging.getLogger("lux.accounts")


def send_reset_mail(address: str) -> None:
    """A link with which the owner of the address chooses a new password; nothing for unknown addresses. A task."""
    user = find_user_by_email(address)
    if user is None or not user.is_active:
        return
    if user.password_hash is None:
        # Whoever never had a password came by an invitation or from outside: an address alone proves neither.
        text = "Somebody asked for a new password, but your account has none yet. "
        _send(user.email, "Your LUX account", text + "Use your invitation, or sign in the way you did before.")
        return
    token = add_link(RESET, user_id=user.id, hours=HOURS[RESET])
    db.session.commit()
    _send_password_link(user, token)


def send_password_link(user_id: int) -> None:
    """The same link for somebody who is signed in and has no password yet. A task."""
    user = find_user(user_id)
    if user is None or not user.is_active:
        return
    token = add_link(RESET, user_id=user.id, hours=HOURS[RESET])
    db.session.commit()
    _send_password_link(user, token)


def send_invitation_mail(user_id: int, hours: float, by: str) -> None:
    """The invitation's link, while the invitation is open; it replaces the one before. A task."""
    user = find_user(user_id)
    if user is None or user.id not in {link.user_id for link in list_links(INVITATION)}:
        return
    token = add_link(INVITATION, user_id=user.id, hours=hours, detail={"by": by, "way": "mail"})
    db.session.commit()
    link = f"{current_settings().lux_public_url}/invitation/{token}"
    text = f"Hello {user.name},\n\n{by} invites you to LUX. Choose a password here, and you are in:\n\n{link}\n\n"
    _send(user.email, "You are invited to LUX", text + f"The link works once, for {hours:g} hours.")


def send_address_mail(user_id: int, address: str) -> None:
    """A link to the new address, which confirms it; nothing where another account has the address. A task."""
    user = find_user(user_id)
    if user is None or not user.is_active or find_user_by_email(address) is not None:
        return
    token = add_link(NEW_ADDRESS, user_id=user.id, hours=HOURS[NEW_ADDRESS], detail={"address": address})
    db.session.commit()
    link = f"{current_settings().lux_public_url}/new-address/{token}"
    text = f"Hello {user.name},\n\nto sign in to LUX with this address from now on, open this link:\n\n{link}\n\n"
    _send(address, "Confirm your new address", text + "It works once, for 24 hours. If you did not ask, do nothing.")


def send_notice_mail(address: str, notice: str) -> None:
    """Tells somebody what was changed on their account. A task."""
    subject, sentence = NOTICES[notice]
    public_url = current_settings().lux_public_url
    if notice == "approved":
        _send(address, subject, f"{sentence}\n\n{public_url}")
    else:
        _send(address, subject, f"{sentence}\n\n{NOT_YOU}\n\n{public_url}/password-reset")


def _send_password_link(user: User, token: str) -> None:
    link = f"{current_settings().lux_public_url}/password-reset/{token}"
    text = f"Hello {user.name},\n\nchoose a new password for LUX here:\n\n{link}\n\nThe link works once, for one hour. "
    _send(user.email, "Choose a new password", text + "If you did not ask for it, do nothing.")


def _send(recipient: str, subject: str, text: str) -> None:
    outcome = send_system_mail(current_settings(), recipient=recipient, subject=f"LUX: {subject}", text=text + "\n")
    if outcome.state == FAILED:
        log.warning("The mail server refused a mail of LUX to one of its users: %s", outcome.text)
