"""Settings: the person's own profile and password, and the settings that LUX was started with."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.profile import change_name, change_password
from config import current_settings
from errors import InputInvalid

page = Blueprint("settings", __name__)


@page.get("/")
def index() -> str:
    """The profile."""
    return render_template("settings/profile.html", errors={}, values={"name": current_user.name})


@page.post("/name")
def save_name() -> ResponseReturnValue:
    """Changes one's own name."""
    try:
        change_name(current_user, request.form.get("name", ""))
    except InputInvalid as error:
        return render_template("settings/profile.html", errors=error.fields, values=request.form), 422
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
        values = {"name": current_user.name}
        return render_template("settings/profile.html", errors=error.fields, values=values), 422
    flash("Your password is changed. Other browsers were signed out.", "success")
    return redirect(url_for("settings.index"), 303)


@page.get("/environment")
def environment() -> str:
    """What LUX was started with, secrets masked."""
    return render_template("settings/environment.html", rows=current_settings().masked())
