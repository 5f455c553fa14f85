"""Settings: the person's own profile and password, and the settings that LUX was started with."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.profile import change_name, change_password
from accounts.second_factor import has_second_factor
from accounts.sessions import list_sessions
from config import current_settings
from errors import InputInvalid, TooMany

page = Blueprint("settings", __name__)


@page.get("/")
def index() -> str:
    """The profile."""
    return profile_page(values={"name": current_user.name}, errors={})


@page.post("/name")
def save_name() -> ResponseReturnValue:
    """Changes one's own name."""
    try:
        change_name(current_user, request.form.get("name", ""))
    except InputInvalid as error:
        return profile_page(values=request.form, errors=error.fields), 422
    flash("Your name is saved.", "success")
    return redirect(url_for("settings.index"), 303)


@page.post("/password")
def save_password() -> ResponseReturnValue:
    """Changes one's own password; other browsers are signed out."""
    form = request.form
    try:
        change_password(
            current_user,
            current=form.get("current", ""),
            new=form.get("new", ""),
            token=str(session.get("token")),
            peer=peer(),
        )
    except InputInvalid as error:
        return profile_page(values={"name": current_user.name}, errors=error.fields), 422
    except TooMany as error:
        return profile_page(values={"name": current_user.name}, errors={"current": error.detail}), 429
    flash("Your password is changed. Other browsers were signed out.", "success")
    return redirect(url_for("settings.index"), 303)


@page.get("/environment")
def environment() -> str:
    """What LUX was started with, secrets masked."""
    return render_template("settings/environment.html", rows=current_settings().masked())


def profile_page(*, values: Mapping[str, str], errors: dict[str, str]) -> str:
    """The profile with what the person typed and what is wrong with it."""
    return render_template(
        "settings/profile.html",
        values=values,
        errors=errors,
        has_second_factor=has_second_factor(current_user),
        session_count=len(list_sessions(current_user)),
    )
