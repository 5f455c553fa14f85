"""Settings › Users: who may sign in, with which role; invitations."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.invitations import VALID_HOURS, accept_invitation, get_invited, invite
from accounts.users import change_user, list_users
from config import current_settings
from errors import Conflict, InputInvalid
from pages.sign_in import open_session

page = Blueprint("users", __name__)


@page.get("/settings/users")
def index() -> str:
    """Everybody with an account, waiting ones first."""
    return _users()


@page.post("/settings/users")
def add() -> ResponseReturnValue:
    """Invites a person and shows the link once."""
    form = request.form
    try:
        user, token = invite(
            email=form.get("email", ""),
            name=form.get("name", ""),
            role=form.get("role", ""),
            by=current_user,
            peer=peer(),
        )
    except InputInvalid as error:
        return _users(values=form.to_dict(), errors=error.fields), 422
    link = current_settings().lux_public_url + url_for("users.accept", token=token)
    return _users(invited=user.email, link=link)


@page.post("/settings/users/<int:user_id>")
def change(user_id: int) -> ResponseReturnValue:
    """Changes a role or disables an account."""
    role = request.form.get("role") or None
    try:
        user = change_user(user_id, role=role, state=request.form.get("state", "active"), by=current_user, peer=peer())
    except Conflict as error:
        flash(error.detail, "danger")
    else:
        flash(f"{user.name} is now {user.role or 'waiting'}{'' if user.is_active else ', disabled'}.", "success")
    return redirect(url_for("users.index"), 303)


@page.route("/invitation/<token>", methods=["GET", "POST"])
def accept(token: str) -> ResponseReturnValue:
    """The invited person chooses a password and is signed in."""
    person = get_invited(token)
    if request.method == "GET":
        return render_template("users/accept.html", person=person, errors={})
    try:
        user = accept_invitation(token, password=request.form.get("password", ""), peer=peer())
    except InputInvalid as error:
        return render_template("users/accept.html", person=person, errors=error.fields), 422
    open_session(user)
    return redirect("/", 303)


def _users(
    *, values: dict[str, str] | None = None, errors: dict[str, str] | None = None, invited: str = "", link: str = ""
) -> str:
    return render_template(
        "users/index.html",
        users=list_users(),
        values=values or {"role": "marketer"},
        errors=errors or {},
        invited=invited,
        link=link,
        hours=VALID_HOURS,
    )
