"""Settings › Connections: the credentials with which other programs post contacts."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.webhook_credentials import (
    NewCredential,
    add_credential,
    find_first_credential,
    forget_first_credential,
    list_credentials,
    revoke_credential,
)
from config import current_settings
from errors import InputInvalid
from pages.webhook import ADDRESS

page = Blueprint("settings_connections", __name__)


@page.get("/")
def index() -> str:
    """All credentials, and how to use one."""
    return _connections()


@page.post("/")
def add() -> ResponseReturnValue:
    """Makes a credential and shows its password this one time."""
    label = request.form.get("label", "")
    try:
        made = add_credential(label, by=current_user, peer=peer())
    except InputInvalid as error:
        return _connections(label=label, errors=error.fields), 422
    return _connections(made=made)


@page.post("/<int:credential_id>/revoke")
def revoke(credential_id: int) -> ResponseReturnValue:
    """Takes a credential's access away at once."""
    try:
        row = revoke_credential(credential_id, by=current_user, peer=peer())
    except InputInvalid as error:
        flash(error.detail, "warn")
    else:
        flash(f"{row.label} is revoked. What uses it is refused from now on.", "success")
    return redirect(url_for("settings_connections.index"), 303)


@page.post("/first/seen")
def note_seen() -> ResponseReturnValue:
    """The owner has copied the first credential: its password is not kept any longer."""
    forget_first_credential()
    flash("The password is not kept any longer. Make another credential whenever you need one.", "success")
    return redirect(url_for("settings_connections.index"), 303)


def _connections(*, label: str = "", errors: dict[str, str] | None = None, made: NewCredential | None = None) -> str:
    first = find_first_credential() if current_user.role == "owner" else None
    shown = made or first
    return render_template(
        "settings/connections.html",
        rows=list_credentials(),
        label=label,
        errors=errors or {},
        made=made,
        first=first,
        address=current_settings().lux_public_url + ADDRESS,
        username=shown.username if shown else "USERNAME",
        password=shown.password if shown else "PASSWORD",
    )
