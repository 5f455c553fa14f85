"""Analytics › Conversions: which sites may report, under which names, how long a click counts; the snippet to copy."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from analytics.conversion_rules import LONGEST_WINDOW_DAYS, change_rules, get_rules
from analytics.conversions import list_newest
from config import current_settings
from errors import InputInvalid

page = Blueprint("conversions", __name__)

MOST_NEWEST = 20


@page.get("/")
def index() -> str:
    """The rules as they are, how to report, and what came last."""
    rules = get_rules()
    values = {"sites": "\n".join(rules.sites), "names": " ".join(rules.names), "window_days": rules.window_days}
    return _form(values, {})


@page.post("/")
def save() -> ResponseReturnValue:
    """Changes the rules."""
    given = {name: request.form.get(name, "")[:4000] for name in ("sites", "names", "window_days")}
    try:
        change_rules(**given, by=current_user, peer=peer())
    except InputInvalid as error:
        return _form(given, error.fields), 422
    flash("Saved. It holds from now on.", "success")
    return redirect(url_for("conversions.index"), 303)


def _form(values: Mapping[str, object], errors: Mapping[str, str]) -> str:
    rules = get_rules()
    return render_template(
        "analytics/conversions.html",
        values=values,
        errors=errors,
        rules=rules,
        longest_days=LONGEST_WINDOW_DAYS,
        newest=list_newest(MOST_NEWEST),
        address=current_settings().lux_public_url,
        timezone=current_settings().timezone,
        zone=ZoneInfo(current_settings().timezone),
    )
