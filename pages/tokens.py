"""Settings › Tokens: bearer tokens for programs that operate LUX."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.tokens import DAYS, SCOPES, NewToken, add_token, is_live, list_tokens, revoke_token
from config import current_settings
from errors import InputInvalid

page = Blueprint("tokens", __name__)

FOREVER = "0"
USUAL_DAYS = "90"


@page.get("/")
def index() -> str:
    """All tokens, and how to use one."""
    return _tokens()


@page.post("/")
def add() -> ResponseReturnValue:
    """Makes a token and shows it this one time."""
    form = request.form
    label, scopes, days = form.get("label", ""), form.getlist("scopes"), form.get("days", USUAL_DAYS)
    try:
        known = days in (FOREVER, *map(str, DAYS))
        made = add_token(label, scopes=scopes, days=(int(days) or None) if known else -1, by=current_user, peer=peer())
    except InputInvalid as error:
        return _tokens(label=label, scopes=scopes, days=days, errors=error.fields), 422
    return _tokens(made=made)


@page.post("/<int:token_id>/revoke")
def revoke(token_id: int) -> ResponseReturnValue:
    """Takes a token's access away at once."""
    row = revoke_token(token_id, by=current_user, peer=peer())
    flash(f"{row.label} is revoked. What uses it is refused from now on.", "success")
    return redirect(url_for("tokens.index"), 303)


def _tokens(
    *,
    label: str = "",
    scopes: Sequence[str] = ("operator",),
    days: str = USUAL_DAYS,
    errors: dict[str, str] | None = None,
    made: NewToken | None = None,
) -> str:
    settings = current_settings()
    return render_template(
        "settings/tokens.html",
        rows=[(row, is_live(row)) for row in list_tokens()],
        has_setting=settings.operator_token is not None,
        label=label,
        chosen=list(scopes),
        days=days,
        errors=errors or {},
        made=made,
        scopes=[(scope, scope.capitalize(), meaning) for scope, meaning in SCOPES.items()],
        spans=[*((str(count), "1 day" if count == 1 else f"{count} days") for count in DAYS), (FOREVER, "No end")],
        example=settings.lux_public_url + "/api/diagnostics/errors?hours=24",
    )
