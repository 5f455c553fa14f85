"""Settings › Outgoing webhooks: where posts go at their hour, the secret that signs them, a test, the deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from config import current_settings
from errors import Conflict, InputInvalid
from lib.networks import NETWORKS
from models import OutgoingWebhook
from publishing.deliveries import list_attempts, list_deliveries, send_test
from publishing.webhooks import (
    FORMER_SECRET_HOURS,
    NewSecret,
    WebhookDraft,
    add_webhook,
    change_webhook,
    get_webhook,
    host_of,
    list_webhooks,
    pause_webhook,
    remove_webhook,
    renew_secret,
    resume_webhook,
)

page = Blueprint("outgoing_webhooks", __name__)

NETWORK_OPTIONS = [(one.key, one.label) for one in NETWORKS]
POLICY_OPTIONS = [
    ("resend", "Send it again", "Under the same webhook-id, so that a receiver that looks at it posts nothing twice."),
    ("ask", "Leave it to me", "The post is marked as failed, and somebody looks whether it is there."),
]


@page.get("/")
def index() -> str:
    """All outgoing webhooks, and the form for a new one."""
    return _show_index({}, {})


@page.post("/")
def add() -> ResponseReturnValue:
    """Makes one and shows its secret this one time."""
    try:
        made = add_webhook(_read_draft(), user_id=current_user.id)
    except InputInvalid as error:
        return _show_index(_typed(), error.fields), 422
    except Conflict as error:
        return _show_index(_typed(), {"name": error.detail}), 409
    return _show(get_webhook(made.webhook_id), {}, made=made)


@page.get("/<int:webhook_id>")
def show(webhook_id: int) -> str:
    """One of them: its address, its test, what it was sent last."""
    return _show(get_webhook(webhook_id), {})


@page.post("/<int:webhook_id>")
def change(webhook_id: int) -> ResponseReturnValue:
    """Changes name, address, networks and what happens to the unknown."""
    try:
        change_webhook(webhook_id, _read_draft(), user_id=current_user.id)
    except InputInvalid as error:
        return _show(get_webhook(webhook_id), error.fields, values=_typed()), 422
    flash("Saved.", "success")
    return redirect(url_for("outgoing_webhooks.show", webhook_id=webhook_id), 303)


@page.post("/<int:webhook_id>/secret")
def renew(webhook_id: int) -> str:
    """Makes a new secret and shows it this one time."""
    made = renew_secret(webhook_id, user_id=current_user.id)
    return _show(get_webhook(webhook_id), {}, made=made)


@page.post("/<int:webhook_id>/test")
def test(webhook_id: int) -> ResponseReturnValue:
    """Puts a test on its way."""
    send_test(webhook_id, user_id=current_user.id)
    flash("The test is on its way.", "success")
    return redirect(url_for("outgoing_webhooks.show", webhook_id=webhook_id, _anchor="deliveries"), 303)


@page.get("/<int:webhook_id>/deliveries")
def deliveries(webhook_id: int) -> str:
    """The last deliveries as a fragment that asks again while something is on its way."""
    webhook = get_webhook(webhook_id)
    return render_template("settings/outgoing_deliveries.html", webhook=webhook, **_deliveries_of(webhook))


@page.post("/<int:webhook_id>/act")
def act(webhook_id: int) -> ResponseReturnValue:
    """Pauses, resumes or removes it."""
    action, user_id = request.form.get("action", ""), current_user.id
    back = url_for("outgoing_webhooks.show", webhook_id=get_webhook(webhook_id).id)
    try:
        if action == "pause":
            pause_webhook(webhook_id, reason=f"Paused by {current_user.name}.", user_id=user_id)
            flash("Paused. Posts whose hour comes are marked as failed until you resume it.", "success")
        elif action == "resume":
            resume_webhook(webhook_id, user_id=user_id)
            flash("It works again.", "success")
        elif action == "remove":
            webhook = remove_webhook(webhook_id, user_id=user_id)
            flash(f"{webhook.name} is removed. Posts that were to go there are published by hand.", "success")
            back = url_for("outgoing_webhooks.index")
    except Conflict as error:
        flash(error.detail, "danger")
    return redirect(back, 303)


def _read_draft() -> WebhookDraft:
    form = request.form
    return WebhookDraft(
        name=form.get("name", ""),
        url=form.get("url", ""),
        networks=form.getlist("networks"),
        unknown_policy=form.get("unknown_policy", "resend"),
    )


def _typed() -> dict[str, Any]:
    form = request.form
    return {
        "name": form.get("name", ""),
        "url": form.get("url", ""),
        "networks": form.getlist("networks"),
        "unknown_policy": form.get("unknown_policy", "resend"),
    }


def _deliveries_of(webhook: OutgoingWebhook) -> dict[str, Any]:
    rows = list_deliveries(webhook_id=webhook.id)
    is_open = any(row.state in ("waiting", "attempting") for row in rows)
    return {"rows": rows, "attempts": list_attempts([row.id for row in rows]), "is_open": is_open}


def _show_index(values: Mapping[str, Any], errors: dict[str, str]) -> str:
    return render_template(
        "settings/outgoing.html",
        rows=[(one, host_of(one)) for one in list_webhooks()],
        values={"networks": [], "unknown_policy": "resend", **values},
        errors=errors,
        networks=NETWORK_OPTIONS,
        policies=POLICY_OPTIONS,
        is_development=not current_settings().is_production,
    )


def _show(
    webhook: OutgoingWebhook,
    errors: dict[str, str],
    *,
    values: Mapping[str, Any] | None = None,
    made: NewSecret | None = None,
) -> str:
    kept = {
        "name": webhook.name,
        "url": webhook.url,
        "networks": webhook.networks,
        "unknown_policy": webhook.unknown_policy,
    }
    return render_template(
        "settings/outgoing_webhook.html",
        webhook=webhook,
        values=values or kept,
        errors=errors,
        made=made,
        networks=NETWORK_OPTIONS,
        policies=POLICY_OPTIONS,
        former_hours=FORMER_SECRET_HOURS,
        **_deliveries_of(webhook),
    )
