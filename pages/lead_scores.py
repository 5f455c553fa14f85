"""Settings › Lead scores: how much each rule counts, who is warm and hot, and when contacts were scored last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from audience.scores import (
    RULES,
    Points,
    change_scoring,
    count_kept_leads,
    count_leads,
    current_points,
    find_scoring,
    stop_scoring,
)
from errors import InputInvalid

page = Blueprint("lead_scores", __name__)


@page.get("/")
def index() -> str:
    """The rules with their points."""
    points = current_points()
    values = {key: str(number) for key, number in points.of_rule.items()}
    return _form({**values, "hot_from": str(points.hot_from), "warm_from": str(points.warm_from)}, {})


@page.post("/")
def save() -> ResponseReturnValue:
    """Turns scores on with these points, or off."""
    form = request.form
    if form.get("to") == "off":
        stop_scoring()
        flash("Lead scores are off. Segments that ask for one find nobody until they are on again.", "success")
        return redirect(url_for("lead_scores.index"), 303)
    try:
        change_scoring(_read(form), actor=current_user.name or current_user.email)
    except InputInvalid as error:
        return _form(form, error.fields), 422
    flash("Saved, and contacts are scored by it.", "success")
    return redirect(url_for("lead_scores.index"), 303)


def _read(form: Mapping[str, str]) -> Points:
    """The points as typed. Raises InputInvalid by field."""
    names = [*(rule.key for rule in RULES), "hot_from", "warm_from"]
    typed = {name: form.get(name, "").strip() for name in names}
    wrong = {
        name: "Enter a whole number."
        for name, text in typed.items()
        if not (text.isascii() and text.isdigit() and len(text) < 5)
    }
    if wrong:
        raise InputInvalid(wrong)
    numbers = {name: int(text) for name, text in typed.items()}
    return Points({rule.key: numbers[rule.key] for rule in RULES}, numbers["hot_from"], numbers["warm_from"])


def _form(values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    points, scoring = current_points(), find_scoring()
    return render_template(
        "settings/lead_scores.html",
        values=values,
        errors=errors,
        scoring=scoring,
        rules={part: [rule for rule in RULES if rule.part == part] for part in ("fit", "intent")},
        most=points.most,
        counts=count_leads(points) if scoring is None else count_kept_leads(points),
    )
