"""Settings › Users: who waits, who may sign in with which role, who is invited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.invitations import (
    HOURS,
    VALID_HOURS,
    accept_invitation,
    get_invited,
    invite,
    invite_again,
    is_invited,
    list_invitations,
    revoke_invitation,
)
from accounts.roles import approve_user, change_user, delete_user, refuse_user, take_second_factor
from accounts.second_factor import list_users_with_factor
from accounts.users import list_users
from config import current_settings
from errors import Conflict, InputInvalid
from models import User
from pages.sign_in import admit

page = Blueprint("users", __name__)


@page.get("/settings/users")
def index() -> str:
    """Everybody with an account, waiting ones first."""
    return _users()


@page.post("/settings/users")
def add() -> ResponseReturnValue:
    """Invites a person: the link goes out by mail, or is shown this one time."""
    form = request.form
    hours = form.get("hours", str(VALID_HOURS))
    try:
        user, token = invite(
            email=form.get("email", ""),
            name=form.get("name", ""),
            role=form.get("role", ""),
            by=current_user,
            peer=peer(),
            hours=int(hours) if hours in map(str, HOURS) else 0,
            is_mailed=form.get("way") == "mail",
        )
    except InputInvalid as error:
        return _users(values=form.to_dict(), errors=error.fields), 422
    return _show_invited(user, token)


@page.post("/settings/users/<int:user_id>")
def change(user_id: int) -> ResponseReturnValue:
    """Changes a role, disables an account or enables it again."""
    form = request.form

    def act() -> str:
        state = form.get("state", "active")
        user = change_user(user_id, role=form.get("role") or None, state=state, by=current_user, peer=peer())
        return f"{user.name} is now {user.role or 'waiting'}{'' if user.is_active else ', disabled'}."

    return _act(act)


@page.post("/settings/users/<int:user_id>/approve")
def approve(user_id: int) -> ResponseReturnValue:
    """Lets a waiting person in with a role."""

    def act() -> str:
        user = approve_user(user_id, role=request.form.get("role", ""), by=current_user, peer=peer())
        return f"{user.name} is in as {user.role}. A mail tells them."

    return _act(act)


@page.post("/settings/users/<int:user_id>/refuse")
def refuse(user_id: int) -> ResponseReturnValue:
    """Keeps a waiting person out."""
    return _act(lambda: f"{refuse_user(user_id, by=current_user, peer=peer()).name} stays out.")


@page.post("/settings/users/<int:user_id>/second-factor/reset")
def reset_factor(user_id: int) -> ResponseReturnValue:
    """Takes away a second factor that somebody has lost."""
    taken = "signs in without a code now. They were signed out, and a mail tells them."
    return _act(lambda: f"{take_second_factor(user_id, by=current_user, peer=peer()).name} {taken}")


@page.post("/settings/users/<int:user_id>/delete")
def delete(user_id: int) -> ResponseReturnValue:
    """Deletes an account."""
    return _act(lambda: f"The account of {delete_user(user_id, by=current_user, peer=peer())} is deleted.")


@page.post("/settings/users/<int:user_id>/invite-again")
def send_again(user_id: int) -> ResponseReturnValue:
    """A fresh link for somebody who has not come yet."""
    try:
        user, token = invite_again(user_id, by=current_user, peer=peer(), is_mailed=request.form.get("way") == "mail")
    except Conflict as error:
        flash(error.detail, "info")
        return redirect(url_for("users.index"), 303)
    return _show_invited(user, token)


@page.post("/settings/users/<int:user_id>/revoke-invitation")
def revoke(user_id: int) -> ResponseReturnValue:
    """Takes an invitation back."""
    return _act(lambda: f"The invitation of {revoke_invitation(user_id, by=current_user, peer=peer())} is revoked.")


@page.route("/invitation/<token>", methods=["GET", "POST"])
def accept(token: str) -> ResponseReturnValue:
    """The invited person chooses a password and is signed in."""
    person = get_invited(token)
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            user = accept_invitation(token, password=request.form.get("password", ""), peer=peer())
        except InputInvalid as error:
            errors = error.fields
        else:
            return redirect(admit(user, "/", way="invitation"), 303)
    response = make_response(render_template("users/accept.html", person=person, errors=errors), 422 if errors else 200)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _act(act: Callable[[], str]) -> ResponseReturnValue:
    """Does it and says so; says why not where it cannot be done."""
    try:
        flash(act(), "success")
    except (Conflict, InputInvalid) as error:
        flash(error.detail, "danger")
    return redirect(url_for("users.index"), 303)


def _show_invited(user: User, token: str | None) -> str:
    if token is None:
        return _users(invited=user.email)
    return _users(invited=user.email, link=current_settings().lux_public_url + url_for("users.accept", token=token))


def _users(**more: Any) -> str:
    users = list_users()
    shown: dict[str, Any] = {"values": {"role": "marketer"}, "errors": {}, "invited": "", "link": "", **more}
    return render_template(
        "users/index.html",
        waiting=[user for user in users if user.role is None and user.is_active],
        users=[user for user in users if not is_invited(user) and (user.role is not None or not user.is_active)],
        invitations=list_invitations(),
        with_factor=list_users_with_factor(),
        choices=[(str(hours), words) for hours, words in HOURS.items()],
        has_mail=current_settings().smtp_url is not None,
        **shown,
    )
