"""The webhook inbox: what other programs posted, what became of it, and what a person does about the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from accounts.webhook_credentials import find_first_credential, list_credentials
from audience.intake_answers import IntakeAnswer
from audience.intake_bodies import Received
from audience.intake_inbox import (
    PERIODS,
    REASONS,
    InboxFilter,
    count_by_state,
    count_dead_by_reason,
    find_contact,
    get_body,
    list_bodies,
    list_senders,
    note_deed,
)
from audience.intake_mappings import add_mapping, delete_mapping, list_keys, list_mappings
from audience.intake_replay import replay_body, replay_edited, replay_reason
from config import current_settings
from errors import Conflict, InputInvalid
from extensions import db
from lib.clean_text import clean_text, decode_bytes
from lib.field_names import FIELDS
from models import IntakeBody
from pages.webhook import ADDRESS

page = Blueprint("webhook_inbox", __name__)

SHOWN_CHARACTERS = 20_000
STATES = {"new": ("waiting", "Waiting"), "done": ("success", "Done"), "dead": ("danger", "Needs a person")}
PERIOD_WORDS = {"day": "Last 24 hours", "week": "Last 7 days", "month": "Last 30 days"}
FIELD_WORDS = {
    "email": "E-mail",
    "name": "Name",
    "first_name": "First name",
    "last_name": "Last name",
    "phone": "Phone",
    "source": "Source",
    "form": "Form",
    "ignore": "Ignore it",
}


@page.get("/")
def index() -> ResponseReturnValue:
    """The bodies that came, newest first."""
    wanted = _wanted()
    listed = list_bodies(wanted, before=_number("before"), after=_number("after"))
    senders = {row.id: row.label for row in list_senders()}
    return render_template(
        "webhook_inbox/index.html",
        wanted=wanted,
        listed=listed,
        senders=senders,
        counts=count_by_state(),
        dead=count_dead_by_reason(),
        chips=_chips(wanted, senders),
        options=_options(senders),
        newer=_beside(wanted, after=listed.newer_than),
        older=_beside(wanted, before=listed.older_than),
        **_connection(),
    )


@page.get("/connect")
def connect() -> str:
    """How another program posts contacts here."""
    return render_template("webhook_inbox/connect.html", **_connection())


@page.get("/<int:body_id>")
def show(body_id: int) -> str:
    """One body: as it came, what it became, and what can be done about it."""
    return _show(get_body(body_id))


@page.get("/<int:body_id>/raw")
def download(body_id: int) -> Response:
    """The body byte for byte, as a file that no browser runs."""
    row = get_body(body_id)
    headers = {"Content-Disposition": f'attachment; filename="webhook-{row.receipt}.bin"'}
    return Response(row.body, headers=headers, mimetype="application/octet-stream")


@page.post("/<int:body_id>/replay")
def replay(body_id: int) -> ResponseReturnValue:
    """Reads a dead body again, as it is or as the person edited it."""
    row = get_body(body_id)
    edited = request.form.get("body")
    shown = _shown(row)
    try:
        if edited is not None and edited.replace("\r\n", "\n") != shown.replace("\r\n", "\n"):
            answer: IntakeAnswer | None = replay_edited(row.id, _edited(row, edited))
        else:
            answer = replay_body(row.id)
    except Conflict as error:
        return _show(row, edited=edited, error=error.detail), 409
    if answer is None:
        flash("This body was dealt with in the meantime.", "info")
        return redirect(url_for("webhook_inbox.show", body_id=body_id), 303)
    _note("webhook_body_replayed", row.receipt)
    if answer.status >= 400:
        return _show(get_body_or(row), edited=edited, error=str(answer.body.get("detail", ""))), 422
    flash(_told(answer), "success")
    return redirect(url_for("webhook_inbox.show", body_id=body_id), 303)


@page.post("/replay")
def replay_all() -> ResponseReturnValue:
    """Reads all dead bodies of one reason again."""
    reason = request.form.get("reason", "")
    woken, done = replay_reason(reason)
    _note("webhook_reason_replayed", reason)
    if woken > done:
        flash(f"{done} of {woken} bodies were read again; the rest follows within a minute.", "info")
    else:
        flash(f"{woken} {'body was' if woken == 1 else 'bodies were'} read again.", "success")
    return redirect(url_for("webhook_inbox.index"), 303)


@page.post("/mappings")
def map_key() -> ResponseReturnValue:
    """Says what a key means and reads the body again that it was said for."""
    body_id = int(request.form.get("body_id", "0") or 0)
    try:
        add_mapping(request.form.get("key", ""), request.form.get("field", ""))
    except InputInvalid as error:
        if not body_id:
            flash(error.detail, "danger")
            return redirect(url_for("webhook_inbox.connect"), 303)
        return _show(get_body(body_id), errors=error.fields), 422
    _note("webhook_key_mapped", request.form.get("key", ""))
    if not body_id:
        return redirect(url_for("webhook_inbox.connect"), 303)
    answer = replay_body(body_id)
    if answer is not None and answer.status >= 400:
        flash("The mapping is kept, but this body still cannot be used.", "warn")
    else:
        flash(f"The mapping is kept. {_told(answer)}" if answer else "The mapping is kept.", "success")
    return redirect(url_for("webhook_inbox.show", body_id=body_id), 303)


@page.post("/mappings/<int:mapping_id>/delete")
def unmap_key(mapping_id: int) -> ResponseReturnValue:
    """Forgets what a key meant."""
    delete_mapping(mapping_id)
    _note("webhook_mapping_deleted", str(mapping_id))
    flash("The mapping is gone.", "success")
    return redirect(url_for("webhook_inbox.connect"), 303)


@page.app_template_global()
def intake_time(at: datetime | None) -> str:
    """A moment in the settings' time zone, to the second: one post a second is nothing special here."""
    return f"{at.astimezone(ZoneInfo(current_settings().timezone)):%d %b %Y, %H:%M:%S}" if at else "–"


def get_body_or(row: IntakeBody) -> IntakeBody:
    """The row as it is now; it may have been counted on another one with the same bytes."""
    db.session.expire_all()
    return db.session.get(IntakeBody, row.id) or row


def _show(row: IntakeBody, *, edited: str | None = None, error: str = "", errors: dict[str, str] | None = None) -> str:
    senders = {sender.id: sender.label for sender in list_senders()}
    return render_template(
        "webhook_inbox/show.html",
        row=row,
        shown=_shown(row),
        edited=edited,
        is_cut=len(row.body) > SHOWN_CHARACTERS,
        contact=find_contact(row),
        sender=senders.get(row.credential_id or 0, "a sender that is gone"),
        keys=list_keys(row.body, row.content_type) if row.state == "dead" else [],
        fields=[(name, FIELD_WORDS[name]) for name in FIELDS],
        reason=REASONS.get(row.reason or "", ("", "")),
        states=STATES,
        error=error,
        errors=errors or {},
    )


def _shown(row: IntakeBody) -> str:
    return clean_text(decode_bytes(row.body[:SHOWN_CHARACTERS]))


def _edited(row: IntakeBody, text: str) -> Received:
    return Received(
        body=text.encode("utf-8", "replace"),
        content_type=row.content_type,
        headers={"Edited-From": row.receipt, "Edited-By": current_user.name},
        credential_id=row.credential_id,
    )


def _told(answer: IntakeAnswer) -> str:
    email = answer.body.get("email")
    if answer.status == 202:
        return "It waits and will be read within a minute."
    return f"It became {email}." if email else "Its items were read."


def _wanted() -> InboxFilter:
    values = request.args
    period = values.get("period", "")
    return InboxFilter(
        state=values.get("state", "") if values.get("state", "") in STATES else "",
        reason=values.get("reason", "") if values.get("reason", "") in REASONS else "",
        credential_id=_number("sender"),
        period=period if period in PERIODS else "",
        q=clean_text(values.get("q", "")).strip()[:200],
    )


def _options(senders: dict[int, str]) -> dict[str, list[tuple[str, str]]]:
    return {
        "state": [("", "Any state"), *((key, word) for key, (_, word) in STATES.items())],
        "reason": [("", "Any reason"), *((key, word) for key, (word, _) in REASONS.items())],
        "sender": [("", "Any sender"), *((str(key), label) for key, label in senders.items())],
        "period": [("", "Any time"), *PERIOD_WORDS.items()],
    }


def _chips(wanted: InboxFilter, senders: dict[int, str]) -> list[tuple[str, str]]:
    words = {
        "state": STATES.get(wanted.state, ("", ""))[1],
        "reason": REASONS.get(wanted.reason, ("", ""))[0],
        "sender": senders.get(wanted.credential_id or 0, ""),
        "period": PERIOD_WORDS.get(wanted.period, ""),
        "q": f"“{wanted.q}”" if wanted.q else "",
    }
    arguments = wanted.arguments()
    return [
        (word, url_for("webhook_inbox.index", **{key: value for key, value in arguments.items() if key != name}))
        for name, word in words.items()
        if word
    ]


def _beside(wanted: InboxFilter, **place: int | None) -> str | None:
    if not any(place.values()):
        return None
    arguments: dict[str, Any] = {**wanted.arguments(), **place}
    return url_for("webhook_inbox.index", **arguments)


def _connection() -> dict[str, object]:
    """What the instructions show. The first credential's password is there until the owner has seen it."""
    live = [row for row in list_credentials() if row.revoked_at is None]
    first = find_first_credential() if current_user.role == "owner" else None
    return {
        "address": current_settings().lux_public_url + ADDRESS,
        "credentials": live,
        "first": first,
        "username": first.username if first else live[0].username if live else "USERNAME",
        "password": first.password if first else "PASSWORD",
        "mappings": list_mappings(),
        "field_words": FIELD_WORDS,
        "fields": [(name, FIELD_WORDS[name]) for name in FIELDS],
        "reasons": REASONS,
        "states": STATES,
    }


def _number(name: str) -> int | None:
    value = request.args.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def _note(action: str, subject: str) -> None:
    note_deed(action, subject, by=current_user, peer=peer())
