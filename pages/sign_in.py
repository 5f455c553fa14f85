"""Signing in and out: e-mail and password, the code of the second step, and the page of those who wait for approval."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.audit import add_audit_entry
from accounts.sessions import end_session, start_session
from accounts.sign_in import (
    SignInOver,
    find_second_step,
    finish_second_step,
    note_sign_in,
    prove_password,
    start_second_step,
)
from accounts.users import has_owner
from errors import InputInvalid, TooMany
from models import User

page = Blueprint("sign_in", __name__)

SECOND_STEP = "second_step"


@page.get("/sign-in")
def index() -> ResponseReturnValue:
    """The sign-in card."""
    if current_user.is_authenticated:
        return redirect(safe_next(request.args.get("next")))
    return _card(request.args.get("next"))


@page.post("/sign-in")
def submit() -> ResponseReturnValue:
    """Proves address and password, then opens a new session or asks for the code."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    try:
        user = prove_password(email, password, peer=peer())
    except InputInvalid as error:
        return _card(request.form.get("next"), email=email, errors=error.fields), 422
    except TooMany as error:
        answer = _card(request.form.get("next"), email=email, errors={"password": error.detail})
        return answer, 429, {"Retry-After": str(error.retry_after_seconds)}
    return redirect(admit(user, request.form.get("next"), way="password"), 303)


@page.route("/sign-in/code", methods=["GET", "POST"])
def code() -> ResponseReturnValue:
    """The second step, on the browser that did the first: a code of the app, or a recovery code."""
    token = session.get(SECOND_STEP)
    if not isinstance(token, str) or find_second_step(token) is None:
        return _begin_again()
    if request.method == "GET":
        return render_template("sign_in/code.html", errors={})
    try:
        step = finish_second_step(token, request.form.get("code", ""), peer=peer())
    except SignInOver:
        return _begin_again()
    except InputInvalid as error:
        if find_second_step(token) is None:
            return _begin_again()
        return render_template("sign_in/code.html", errors=error.fields), 422
    except TooMany as error:
        answer = render_template("sign_in/code.html", errors={"code": error.detail})
        return answer, 429, {"Retry-After": str(error.retry_after_seconds)}
    note_sign_in(step.user, peer=peer(), way=f"{step.way} and code")
    open_session(step.user)
    return redirect(safe_next(step.next_path), 303)


@page.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Ends the session on the server and forgets the cookie."""
    token = session.get("token")
    if isinstance(token, str):
        add_audit_entry("signed_out", actor=current_user.name, user_id=current_user.id, peer=peer())
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


def admit(user: User, next_path: str | None, *, way: str) -> str:
    """Lets somebody in whom a first step has proved; where they go on to: the code, if they have a second factor."""
    target = safe_next(next_path)
    token = start_second_step(user, next_path=target, way=way)
    if token is not None:
        _forget_browser()
        session[SECOND_STEP] = token
        return url_for("sign_in.code")
    note_sign_in(user, peer=peer(), way=way)
    open_session(user)
    return target


def open_session(user: User) -> None:
    """Starts a session with a new token; whatever the browser had before is ended and forgotten."""
    _forget_browser()
    session.permanent = True
    session["token"] = start_session(user, peer=peer(), user_agent=request.user_agent.string)


def safe_next(target: str | None) -> str:
    """The path to go on to: of this site only, otherwise the dashboard."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    parts = urlsplit(target.replace("\\", "/"))
    is_own = not parts.scheme and not parts.netloc and target.isprintable()
    return target if is_own else "/"


def _forget_browser() -> None:
    former = session.get("token")
    if isinstance(former, str):
        end_session(former)
    session.clear()


def _begin_again() -> ResponseReturnValue:
    session.pop(SECOND_STEP, None)
    flash(SignInOver().detail, "warn")
    return redirect(url_for("sign_in.index"), 303)


def _card(next_path: str | None, *, email: str = "", errors: dict[str, str] | None = None) -> str:
    return render_template(
        "sign_in/index.html", next_path=safe_next(next_path), email=email, errors=errors or {}, has_owner=has_owner()
    )
