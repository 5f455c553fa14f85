"""A forgotten password: asking for the mail, and choosing a new one through its link."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from access import peer
from accounts.password_reset import ask_for_reset, get_reset_user, reset_password
from errors import InputInvalid, TooMany

page = Blueprint("password_reset", __name__)


@page.get("/")
def index() -> str:
    """Where somebody asks for the mail."""
    return render_template("password_reset/index.html", errors={}, email="", is_sent=False)


@page.post("/")
def ask() -> ResponseReturnValue:
    """Queues the mail; the answer is the same whether or not the address has an account."""
    email = request.form.get("email", "")
    try:
        ask_for_reset(email, peer=peer())
    except InputInvalid as error:
        return render_template("password_reset/index.html", errors=error.fields, email=email, is_sent=False), 422
    except TooMany as error:
        errors = {"email": error.detail}
        answer = render_template("password_reset/index.html", errors=errors, email=email, is_sent=False)
        return answer, 429, {"Retry-After": str(error.retry_after_seconds)}
    return render_template("password_reset/index.html", errors={}, email=email, is_sent=True)


@page.route("/<token>", methods=["GET", "POST"])
def choose(token: str) -> ResponseReturnValue:
    """The new password, through the mail's link."""
    person = get_reset_user(token)
    if request.method == "GET":
        return _unreferred(render_template("password_reset/choose.html", person=person, errors={}))
    try:
        reset_password(token, request.form.get("password", ""), peer=peer())
    except InputInvalid as error:
        return _unreferred(render_template("password_reset/choose.html", person=person, errors=error.fields), 422)
    flash("Your new password is set, and every browser was signed out. Sign in with it now.", "success")
    return redirect(url_for("sign_in.index"), 303)


def _unreferred(page_text: str, status: int = 200) -> Response:
    """A page whose address is a key: no link on it tells anybody where it was followed."""
    response = make_response(page_text, status)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
