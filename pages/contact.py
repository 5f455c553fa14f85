"""One contact: adding, the person's page with consents and story, changing, exporting, erasing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from audience.consent import find_suppression, list_consents
from audience.contacts import (
    ContactInput,
    add_contact,
    add_to_segment,
    change_contact,
    change_tags,
    find_contact,
    find_contact_by_email,
    get_contact,
    list_other_addresses,
    remove_from_segment,
    shown_attributes,
    subscribe_contact,
    tags_of,
    unsubscribe_contacts,
)
from audience.duplicates import count_pairs_of, find_other_of
from audience.erasure import erase_contact
from audience.exports import contact_document, note_export
from audience.merges import find_survivor_id, list_merges_of
from audience.scores import find_score
from audience.segments import list_segments, list_segments_of
from audience.timeline import PAGE_SIZE, Moment, list_messages_of, list_moments
from campaigns.confirmations import ask_again, find_confirmation
from config import current_settings
from errors import Conflict, InputInvalid
from lib.row_ids import read_id
from models import Contact
from planning.tasks import list_tasks_of_contact

page = Blueprint("contact", __name__)

SPARE_ATTRIBUTES = 2


@page.route("/new", methods=["GET", "POST"])
def add() -> ResponseReturnValue:
    """The form for one person; without JavaScript too."""
    form = request.form
    if request.method == "GET":
        return render_template(
            "contacts/new.html", values={"email": request.args.get("email", "")}, errors={}, **_lists()
        )
    try:
        contact = add_contact(
            _given(form),
            wording=form.get("wording", "") if form.get("agreed") else None,
            segment_ids=[one.id for one in list_segments() if str(one.id) in form.getlist("segments")],
            actor=_actor(),
            region=current_settings().default_phone_region,
        )
    except InputInvalid as error:
        known = find_contact_by_email(form.get("email", ""))
        page_text = render_template("contacts/new.html", values=form, errors=error.fields, known=known, **_lists())
        return page_text, 422
    flash(f"{contact.name or contact.email} is added.", "success")
    return redirect(url_for("contact.show", contact_id=contact.id), 303)


@page.get("/<int:contact_id>")
def show(contact_id: int) -> ResponseReturnValue:
    """One person: who, consents, segments, messages with their reason, the story by day.

    Whoever was merged leads to the contact that was kept.
    """
    survivor_id = find_survivor_id(contact_id) if find_contact(contact_id) is None else None
    if survivor_id is not None:
        return redirect(url_for("contact.show", contact_id=survivor_id), 302)
    return _profile(get_contact(contact_id))


@page.route("/<int:contact_id>/edit", methods=["GET", "POST"])
def edit(contact_id: int) -> ResponseReturnValue:
    """Changes what is known of a person; what was typed stays when something is wrong."""
    contact = get_contact(contact_id)
    if request.method == "GET":
        return render_template("contacts/edit.html", contact=contact, values=_values(contact), errors={})
    try:
        changed = change_contact(
            contact_id,
            _given(request.form),
            seen_at=request.form.get("seen_at", ""),
            actor=_actor(),
            region=current_settings().default_phone_region,
        )
    except InputInvalid as error:
        return _edit_again(get_contact(contact_id), error.fields), 422
    except Conflict as error:
        return _edit_again(get_contact(contact_id), {"form": error.detail}), 409
    flash("Saved.", "success")
    return redirect(url_for("contact.show", contact_id=changed.id), 303)


@page.post("/<int:contact_id>/consent")
def consent(contact_id: int) -> ResponseReturnValue:
    """Subscribes or unsubscribes one person for a stated reason."""
    wording = request.form.get("wording", "")
    try:
        if request.form.get("to") == "subscribed":
            subscribe_contact(contact_id, wording=wording, actor=_actor())
            flash("Subscribed. The reason is in the consent ledger.", "success")
        else:
            get_contact(contact_id)
            unsubscribe_contacts([contact_id], wording=wording, actor=_actor())
            flash("Unsubscribed, from this moment on.", "success")
    except InputInvalid as error:
        return _profile(get_contact(contact_id), errors=error.fields), 422
    return redirect(url_for("contact.show", contact_id=contact_id), 303)


@page.post("/<int:contact_id>/confirmation")
def ask_to_confirm(contact_id: int) -> ResponseReturnValue:
    """Sends the question of the double opt-in once more."""
    ask_again(contact_id)
    flash("The question is on its way.", "success")
    return redirect(url_for("contact.show", contact_id=contact_id), 303)


@page.post("/<int:contact_id>/tags")
def tag(contact_id: int) -> ResponseReturnValue:
    """Adds tags to one person, or takes one off."""
    get_contact(contact_id)
    is_added = "remove" not in request.form
    try:
        change_tags(
            [contact_id], request.form.get("remove") or request.form.get("tag", ""), actor=_actor(), is_added=is_added
        )
    except InputInvalid as error:
        return _profile(get_contact(contact_id), errors=error.fields), 422
    return redirect(url_for("contact.show", contact_id=contact_id), 303)


@page.post("/<int:contact_id>/segments")
def segment(contact_id: int) -> ResponseReturnValue:
    """Adds one person to a segment by hand, or takes them out of one."""
    get_contact(contact_id)
    joined, left = read_id(request.form.get("add")), read_id(request.form.get("remove"))
    if left is not None:
        remove_from_segment(left, [contact_id], actor=_actor())
    elif joined is not None:
        add_to_segment(joined, [contact_id], actor=_actor())
    return redirect(url_for("contact.show", contact_id=contact_id), 303)


@page.route("/<int:contact_id>/erase", methods=["GET", "POST"])
def erase(contact_id: int) -> ResponseReturnValue:
    """Erases one person, after their address was typed."""
    contact = get_contact(contact_id)
    typed = request.form.get("typed", "").strip()
    if request.method == "GET" or typed.casefold() != contact.email.casefold():
        errors = {} if request.method == "GET" else {"typed": f"Type {contact.email} to erase this person."}
        body = render_template("contacts/erase.html", contact=contact, typed=typed, errors=errors)
        return body, 422 if errors else 200
    erase_contact(contact_id, actor=_actor(), user_id=current_user.id, peer=peer())
    flash("Erased. A fingerprint of the address keeps them from being written to again.", "success")
    return redirect(url_for("contacts.index"), 303)


@page.post("/<int:contact_id>/export")
def export_one(contact_id: int) -> ResponseReturnValue:
    """What LUX knows of one person, as a file for them."""
    contact = get_contact(contact_id)
    body = contact_document(contact)
    note_export(actor=_actor(), user_id=current_user.id, peer=peer(), what=f"contact {contact_id}")
    disposition = f'attachment; filename="contact-{contact_id}.csv"'
    return Response(body, mimetype="text/csv", headers={"Content-Disposition": disposition})


def _profile(contact: Contact, *, errors: Mapping[str, str] | None = None) -> str:
    before = _moment("before")
    moments = list_moments(contact.id, before=before)
    return render_template(
        "contacts/show.html",
        contact=contact,
        tags=tags_of(contact),
        attributes=shown_attributes(contact),
        others=list_other_addresses(contact.id),
        consents=list_consents(contact.id),
        confirmation=find_confirmation(contact.id),
        suppression=find_suppression(contact.email),
        segments=list_segments_of(contact.id),
        segment_options=[(str(one.id), one.name) for one in list_segments()],
        messages=list_messages_of(contact.id),
        score=find_score(contact.id),
        tasks=list_tasks_of_contact(contact.id),
        merges=list_merges_of(contact.id),
        duplicate_count=count_pairs_of(contact.id),
        likely_id=find_other_of(contact.id),
        story=_story(moments),
        older=moments[-1].at.isoformat() if len(moments) >= PAGE_SIZE else None,
        errors=errors or {},
        wording=request.form.get("wording", ""),
    )


def _story(moments: list[Moment]) -> list[dict[str, Any]]:
    """The moments as ui.timeline takes them, with a heading for each day."""
    zone = ZoneInfo(current_settings().timezone)
    today = datetime.now(zone).date()
    told: list[dict[str, Any]] = []
    for day, group in groupby(moments, key=lambda moment: moment.at.astimezone(zone).date()):
        told.append({"day": "Today" if day == today else f"{day.day} {day:%B %Y}"})
        for moment in group:
            clock = f"{moment.at.astimezone(zone):%H:%M}"
            told.append(
                {"icon": moment.icon, "title": moment.title, "text": moment.text, "time": clock, "kind": moment.kind}
            )
    return told


def _given(form: Any) -> ContactInput:
    keys, values = form.getlist("attribute_key"), form.getlist("attribute_value")
    return ContactInput(
        email=form.get("email", ""),
        name=form.get("name", ""),
        phone=form.get("phone", ""),
        source=form.get("source", ""),
        tags=form.get("tags", ""),
        attributes=dict(zip(keys, values, strict=False)),
    )


def _values(contact: Contact) -> dict[str, Any]:
    return {
        "email": contact.email,
        "name": contact.name or "",
        "phone": contact.phone or contact.phone_raw or "",
        "source": contact.source or "",
        "tags": ", ".join(tags_of(contact)),
        "seen_at": contact.updated_at.isoformat(),
        "attributes": [*shown_attributes(contact).items(), *[("", "")] * SPARE_ATTRIBUTES],
    }


def _edit_again(contact: Contact, errors: Mapping[str, str]) -> str:
    form = request.form
    pairs = list(zip(form.getlist("attribute_key"), form.getlist("attribute_value"), strict=False))
    return render_template(
        "contacts/edit.html", contact=contact, values={**form.to_dict(), "attributes": pairs}, errors=errors
    )


def _lists() -> dict[str, Any]:
    segments = list_segments()
    return {"segments": segments, "segments_options": [(str(one.id), one.name) for one in segments]}


def _moment(name: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _actor() -> str:
    name: str = current_user.name or current_user.email
    return name
