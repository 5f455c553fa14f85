"""Signing in and out by e-mail and password, and the page of those who wait for approval."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.sessions import end_session, start_session
from accounts.sign_in import sign_in
from accounts.users import has_owner
from errors import InputInvalid, TooMany
from models import User

page = Blueprint("sign_in", __name__)


@page.get("/sign-in")
def index() -> ResponseReturnValue:
    """The sign-in card."""
    if current_user.is_authenticated:
        return redirect(safe_next(request.args.get("next")))
    return _card(request.args.get("next"))


@page.post("/sign-in")
def submit() -> ResponseReturnValue:
    """Proves address and password, then opens a new session."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    try:
        user = sign_in(email, password, peer=peer())
    except InputInvalid as error:
        return _card(request.form.get("next"), email=email, errors=error.fields), 422
    except TooMany as error:
        answer = _card(request.form.get("next"), email=email, errors={"password": error.detail})
        return answer, 429, {"Retry-After": str(error.retry_after_seconds)}
    open_session(user)
    return redirect(safe_next(request.form.get("next")), 303)


@page.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Ends the session on the server and forgets the cookie."""
    token = session.get("token")
    if isinstance(token, str):
        end_session(token)
    session.clear()
    flash("You are signed out.", "info")
    return redirect(url_for("sign_in.index"), 303)


@page.get("/waiting")
def waiting() -> ResponseReturnValue:
    """What a person without a role sees."""
    if current_user.role is not None:
        return redirect("/")
    return render_template("sign_in/waiting.html")


def open_session(user: User) -> None:
    """Starts a session with a new token; whatever the browser had before is forgotten."""
    session.clear()
    session.permanent = True
    session["token"] = start_session(user, peer=peer(), user_agent=request.user_agent.string)


def safe_next(target: str | None) -> str:
    """The path to go on to: of this site only, otherwise the dashboard."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    parts = urlsplit(target.replace("\\", "/"))
    is_own = not parts.scheme and not parts.netloc and target.isprintable()
    return target if is_own else "/"


def _card(next_path: str | None, *, email: str = "", errors: dict[str, str] | None = None) -> str:
    return render_template(
        "sign_in/index.html", next_path=safe_next(next_path), email=email, errors=errors or {}, has_owner=has_owner()
    )
