"""Settings › Profile, what lies behind it: browsers, the second factor, a new address."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.profile import ask_for_new_address, ask_for_password_link, confirm_new_address, get_new_address
from accounts.second_factor import (
    confirm_enrolment,
    count_recovery_codes,
    disable_second_factor,
    find_enrolment,
    has_second_factor,
    renew_recovery_codes,
    start_enrolment,
)
from accounts.sessions import is_session_of, list_sessions, revoke_session, sign_out_everywhere
from errors import Conflict, InputInvalid, TooMany
from lib.qr_code import qr_code_address
from lib.user_agents import device_words
from pages.settings import profile_page

page = Blueprint("profile", __name__)


@page.get("/settings/sessions")
def sessions() -> str:
    """The browsers on which the person is signed in."""
    token = _token()
    rows = [(row, device_words(row.user_agent), is_session_of(row, token)) for row in list_sessions(current_user)]
    return render_template("profile/sessions.html", rows=rows)


@page.post("/settings/sessions/<int:session_id>/end")
def end_one(session_id: int) -> ResponseReturnValue:
    """Signs one browser out."""
    revoke_session(current_user, session_id, peer=peer())
    flash("That browser is signed out.", "success")
    return redirect(url_for("profile.sessions"), 303)


@page.post("/settings/sessions/end")
def end_all() -> ResponseReturnValue:
    """Signs every browser out, this one too."""
    sign_out_everywhere(current_user, peer=peer())
    session.clear()
    flash("You are signed out everywhere.", "info")
    return redirect(url_for("sign_in.index"), 303)


@page.get("/settings/second-factor")
def second_factor() -> str:
    """Whether a code is asked for at sign-in; the enrolment under way."""
    return _second_factor({})


@page.post("/settings/second-factor")
def enrol() -> ResponseReturnValue:
    """Makes a secret, which waits for its first code."""
    try:
        start_enrolment(current_user)
    except Conflict as error:
        flash(error.detail, "info")
    return redirect(url_for("profile.second_factor"), 303)


@page.post("/settings/second-factor/confirm")
def confirm() -> ResponseReturnValue:
    """The first code turns it on; the recovery codes are shown this one time."""
    try:
        codes = confirm_enrolment(current_user, request.form.get("code", ""), token=_token(), peer=peer())
    except InputInvalid as error:
        return _second_factor(error.fields), 422
    except Conflict as error:
        flash(error.detail, "info")
        return redirect(url_for("profile.second_factor"), 303)
    return _second_factor({}, codes=codes)


@page.post("/settings/second-factor/codes")
def renew_codes() -> ResponseReturnValue:
    """New recovery codes, shown this one time."""
    try:
        codes = renew_recovery_codes(current_user, password=request.form.get("codes_password", ""), peer=peer())
    except InputInvalid as error:
        return _second_factor({"codes_password": error.fields["password"]}), 422
    except TooMany as error:
        return _second_factor({"codes_password": error.detail}), 429
    return _second_factor({}, codes=codes)


@page.post("/settings/second-factor/off")
def turn_off() -> ResponseReturnValue:
    """Turns it off, with the password."""
    password = request.form.get("password", "")
    try:
        disable_second_factor(current_user, password=password, token=_token(), peer=peer())
    except InputInvalid as error:
        return _second_factor(error.fields), 422
    except TooMany as error:
        return _second_factor({"password": error.detail}), 429
    flash("Your second factor is off. Other browsers were signed out.", "success")
    return redirect(url_for("profile.second_factor"), 303)


@page.post("/settings/address")
def ask_for_address() -> ResponseReturnValue:
    """Sends the link that confirms a new address to that address."""
    form = request.form
    values = {"name": current_user.name, "email": form.get("email", "")}
    try:
        address = ask_for_new_address(
            current_user, form.get("email", ""), password=form.get("email_password", ""), peer=peer()
        )
    except InputInvalid as error:
        return profile_page(values=values, errors=error.fields), 422
    except TooMany as error:
        return profile_page(values=values, errors={"email_password": error.detail}), 429
    flash(f"Open the link in the mail to {address}. Until then you sign in with the old address.", "info")
    return redirect(url_for("settings.index"), 303)


@page.post("/settings/password-link")
def ask_for_password() -> ResponseReturnValue:
    """Sends somebody without a password a link with which to choose one."""
    ask_for_password_link(current_user, peer=peer())
    flash(f"A link is on its way to {current_user.email}.", "info")
    return redirect(url_for("settings.index"), 303)


@page.route("/new-address/<token>", methods=["GET", "POST"])
def confirm_address(token: str) -> ResponseReturnValue:
    """The account takes the new address; opening the link alone changes nothing."""
    person, address = get_new_address(token)
    if request.method == "GET":
        response = make_response(render_template("profile/new_address.html", person=person, address=address))
        response.headers["Referrer-Policy"] = "no-referrer"
        return response
    confirm_new_address(token, peer=peer())
    flash(f"You sign in with {address} from now on.", "success")
    return redirect(url_for("settings.index"), 303)


def _second_factor(errors: dict[str, str], *, codes: list[str] | None = None) -> str:
    enrolment = find_enrolment(current_user)
    more: dict[str, Any] = {"qr_address": qr_code_address(enrolment.address)} if enrolment is not None else {}
    return render_template(
        "profile/second_factor.html",
        is_on=has_second_factor(current_user),
        enrolment=enrolment,
        codes=codes,
        codes_left=count_recovery_codes(current_user),
        errors=errors,
        **more,
    )


def _token() -> str:
    return str(session.get("token"))
