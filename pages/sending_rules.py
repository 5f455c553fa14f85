"""Settings › Sending: whether new contacts confirm by mail first, and the hours in which no campaign goes out."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from audience.sending_rules import change_sending_rules, find_quiet_hours, is_double_opt_in
from config import current_settings
from errors import InputInvalid

page = Blueprint("sending_rules", __name__)


@page.get("/")
def index() -> str:
    """Both rules as they are."""
    quiet = find_quiet_hours()
    return _form(
        {
            "is_double_opt_in": is_double_opt_in(),
            "quiet_from": f"{quiet.begin:%H:%M}" if quiet else "",
            "quiet_until": f"{quiet.end:%H:%M}" if quiet else "",
        },
        {},
    )


@page.post("/")
def save() -> ResponseReturnValue:
    """Changes both."""
    form = request.form
    try:
        change_sending_rules(
            is_double_opt_in=form.get("is_double_opt_in") == "1",
            quiet_from=form.get("quiet_from", ""),
            quiet_until=form.get("quiet_until", ""),
            by=current_user,
            peer=peer(),
        )
    except InputInvalid as error:
        return _form({**form, "is_double_opt_in": form.get("is_double_opt_in") == "1"}, error.fields), 422
    flash("Saved. It holds from now on.", "success")
    return redirect(url_for("sending_rules.index"), 303)


def _form(values: Mapping[str, object], errors: Mapping[str, str]) -> str:
    settings = current_settings()
    return render_template(
        "settings/sending.html",
        values=values,
        errors=errors,
        timezone=settings.timezone,
        can_ask=bool(settings.mail_from),
    )
