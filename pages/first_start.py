"""The first start: a one-time link makes the owner's account, then leads to the steps that get LUX going."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from access import peer
from accounts.first_start import add_owner, can_make_owner
from campaigns.first_steps import list_first_steps, note_step
from errors import InputInvalid, NotFound
from pages.sign_in import open_session

page = Blueprint("first_start", __name__)

SPENT = (
    "This link has been used already, or never was one. Sign in instead, "
    "or print a new link on the server with: flask --app app lux owner-link"
)


@page.route("/<token>", methods=["GET", "POST"])
def make_owner(token: str) -> ResponseReturnValue:
    """The owner's account, made once by whoever holds the link."""
    if not can_make_owner(token):
        raise NotFound(SPENT)
    if request.method == "GET":
        return render_template("first_start/make_owner.html", values={}, errors={})
    form = request.form
    try:
        user = add_owner(
            token,
            name=form.get("name", ""),
            email=form.get("email", ""),
            password=form.get("password", ""),
            peer=peer(),
        )
    except InputInvalid as error:
        return render_template("first_start/make_owner.html", values=form, errors=error.fields), 422
    open_session(user)
    return redirect("/", 303)


@page.get("/")
def index() -> str:
    """The five steps, each with its state."""
    return render_template("first_start/steps.html", steps=list_first_steps())


@page.post("/steps/<key>")
def note(key: str) -> ResponseReturnValue:
    """Skips a step or takes it up again."""
    note_step(key, request.form.get("state", "skipped"))
    return redirect(url_for("first_start.index"), 303)
