"""Contacts: the list with its filters, acting on several at once, exporting, sample data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import has_role, peer
from audience.contacts import (
    add_to_segment,
    change_tags,
    tags_of,
    unsubscribe_contacts,
)
from audience.duplicates import count_pairs
from audience.erasure import delete_contacts
from audience.exports import note_export, stream_contacts
from audience.imports import list_imports
from audience.sample import add_sample_data, count_sample_contacts, delete_sample_data
from audience.scores import Points, current_points, find_points, find_scoring, level_of
from audience.search import (
    ADDED_DAYS,
    SORTS,
    ContactFilter,
    count_matching,
    list_contacts,
    list_sources,
    read_filter,
)
from audience.segments import find_segment, list_segments
from config import current_settings
from errors import InputInvalid
from lib.row_ids import read_id, read_ids
from models import SUBSCRIPTIONS, Segment

page = Blueprint("contacts", __name__)

SUBSCRIPTION_WORDS = {
    "none": ("neutral", "No consent"),
    "pending": ("info", "Not confirmed"),
    "subscribed": ("success", "Subscribed"),
    "unsubscribed": ("warn", "Unsubscribed"),
    "bounced": ("danger", "Bounced"),
    "complained": ("danger", "Complained"),
}
ADDED_WORDS = {"1": "the last day", "7": "the last 7 days", "30": "the last 30 days", "90": "the last 90 days"} | {
    "365": "the last year"
}
SORT_WORDS = {
    "newest": "Newest first",
    "oldest": "Oldest first",
    "email": "E-mail, A to Z",
    "score": "Lead score, highest first",
}
COLUMNS = {
    "subscription": "Subscription",
    "phone": "Phone",
    "company": "Company",
    "source": "Source",
    "tags": "Tags",
    "added": "Added",
    "opened": "Last opened",
    "score": "Lead score",
}
SCORE = "score"
USUAL_COLUMNS = ("subscription", "source", "tags", "added")
CONFIRMED = "yes"
MOST_AT_ONCE = 1000


@page.app_template_global()
def contact_time(at: datetime | None) -> str:
    """A moment as people of the house read it."""
    if at is None:
        return "–"
    local = at.astimezone(ZoneInfo(current_settings().timezone))
    return f"{local.day} {local:%b %Y, %H:%M}"


@page.app_template_global()
def contact_day(at: datetime | None) -> str:
    """The day of a moment."""
    if at is None:
        return "–"
    local = at.astimezone(ZoneInfo(current_settings().timezone))
    return f"{local.day} {local:%b %Y}"


@page.app_template_global()
def subscription_status(subscription: str) -> tuple[str, str]:
    """Kind and word of a contact's subscription, for ui.status."""
    return SUBSCRIPTION_WORDS.get(subscription, ("neutral", subscription))


@page.app_template_global()
def is_marketer() -> bool:
    """Whether the signed-in person may change the audience."""
    return has_role("marketer")


page.add_app_template_global(tags_of, "contact_tags")


@page.get("/")
def index() -> ResponseReturnValue:
    """The list; search, filters, order, columns and place are in the address."""
    wanted = read_filter(request.args)
    listed = list_contacts(wanted, after=read_id(request.args.get("after")), before=read_id(request.args.get("before")))
    arguments = _arguments(wanted)
    segments = list_segments()
    points = current_points() if find_scoring() is not None else None
    is_all_empty = not listed.contacts and wanted.is_empty
    return render_template(
        "contacts/index.html",
        listed=listed,
        wanted=wanted,
        count=count_matching(wanted),
        columns=[one for one in _columns() if one != SCORE or points is not None],
        all_columns={key: word for key, word in COLUMNS.items() if key != SCORE or points is not None},
        scores=find_points(one.id for one in listed.contacts) if points is not None else {},
        level=lambda number: level_of(number, points or Points()),
        duplicate_count=count_pairs(),
        chips=_chips(wanted, arguments),
        arguments=arguments,
        segments=segments,
        choices=_choices(segments, wanted, has_scores=points is not None),
        next_url=_beside(arguments, after=listed.after) if listed.after else None,
        previous_url=_beside(arguments, before=listed.before) if listed.before else None,
        sample_count=count_sample_contacts() if not is_all_empty and wanted.source == "Sample data" else 0,
        busy_import=next((one for one in list_imports(5) if one.state in ("checking", "running", "undoing")), None),
    )


@page.post("/export")
def export() -> ResponseReturnValue:
    """Everybody whom the filters in the address mean, as CSV."""
    wanted = read_filter(request.args)
    what = "all contacts" if wanted.is_empty else "contacts by " + ", ".join(wanted.as_arguments())
    note_export(actor=_actor(), user_id=current_user.id, peer=peer(), what=what)
    return _file(stream_contacts(wanted), "contacts.csv")


@page.post("/bulk")
def bulk() -> ResponseReturnValue:
    """Acts on the chosen contacts; what cannot be taken back is asked about first."""
    form = request.form
    ids = read_ids(form.getlist("contact_id")[:MOST_AT_ONCE])
    back = redirect(_safe_back(form.get("back", "")), 303)
    if not ids:
        flash("Choose at least one contact first.", "warn")
        return back
    action = form.get("action", "")
    if action in ("unsubscribe", "delete") and form.get("confirmed") != CONFIRMED:
        return render_template("contacts/confirm.html", what=action, ids=ids, back=form.get("back", ""))
    if action == "export":
        note_export(actor=_actor(), user_id=current_user.id, peer=peer(), what=f"{len(ids)} chosen contacts")
        return _file(stream_contacts(ContactFilter(), ids), "contacts.csv")
    try:
        flash(_act(action, ids, form), "success")
    except InputInvalid as error:
        flash(error.detail, "warn")
    return back


@page.post("/sample")
def sample() -> ResponseReturnValue:
    """Adds invented people, or takes them away again."""
    if request.form.get("action") == "remove":
        flash(f"{delete_sample_data()} sample contacts are gone.", "success")
        return redirect(url_for("contacts.index"), 303)
    flash(f"{add_sample_data(actor=_actor())} invented contacts are added. They are marked “Sample data”.", "success")
    return redirect(url_for("contacts.index", source="Sample data"), 303)


def _act(action: str, ids: list[int], form: Mapping[str, str]) -> str:
    match action:
        case "tag" | "untag":
            count = change_tags(ids, form.get("tag", ""), actor=_actor(), is_added=action == "tag")
            return f"{_people(count)} {'tagged' if action == 'tag' else 'freed of the tag'}."
        case "segment":
            segment_id = read_id(form.get("segment_id"))
            if segment_id is None:
                raise InputInvalid({"segment_id": "Choose a segment first."})
            return f"{_people(add_to_segment(segment_id, ids, actor=_actor()))} added to the segment."
        case "unsubscribe":
            count = unsubscribe_contacts(ids, wording=form.get("wording", ""), actor=_actor())
            return f"{_people(count)} unsubscribed."
        case "delete":
            return f"{_people(delete_contacts(ids, actor=_actor(), user_id=current_user.id, peer=peer()))} deleted."
    raise InputInvalid({"action": "Choose what to do."})


def _choices(segments: list[Segment], wanted: ContactFilter, *, has_scores: bool) -> dict[str, list[Any]]:
    sources = list_sources()
    if wanted.source and wanted.source not in sources:
        sources.append(wanted.source)
    return {
        "subscription": [("", "Any subscription"), *[(one, SUBSCRIPTION_WORDS[one][1]) for one in SUBSCRIPTIONS]],
        "segment": [("", "Any segment"), *[(str(one.id), one.name) for one in segments]],
        "source": [("", "Any source"), *[(one, one) for one in sources]],
        "added": [("", "Added at any time"), *[(one, f"Added in {ADDED_WORDS[one]}") for one in ADDED_DAYS]],
        "phone": [("", "With or without phone"), ("yes", "Has a phone"), ("no", "Has no phone")],
        "sort": [(one, SORT_WORDS[one]) for one in SORTS if one != SCORE or has_scores],
    }


def _chips(wanted: ContactFilter, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    chosen = find_segment(wanted.segment_id) if wanted.segment_id else None
    words = {
        "q": f"“{wanted.q}”",
        "subscription": SUBSCRIPTION_WORDS.get(wanted.subscription, ("", ""))[1],
        "segment": f"Segment: {chosen.name if chosen else 'gone'}",
        "source": f"Source: {wanted.source}",
        "tag": f"Tag: {wanted.tag}",
        "added": f"Added in {ADDED_WORDS.get(wanted.added, '')}",
        "phone": "Has a phone" if wanted.phone == "yes" else "Has no phone",
    }
    return [
        (word, url_for("contacts.index", **{key: value for key, value in arguments.items() if key != name}))
        for name, word in words.items()
        if name in arguments
    ]


def _columns() -> list[str]:
    chosen = [one for one in COLUMNS if one in request.args.getlist("columns")] or list(USUAL_COLUMNS)
    is_by_score = request.args.get("sort") == SCORE and SCORE not in chosen
    return [*chosen, SCORE] if is_by_score else chosen


def _arguments(wanted: ContactFilter) -> dict[str, Any]:
    columns = _columns()
    if wanted.sort == SCORE and columns == [*USUAL_COLUMNS, SCORE]:
        columns = list(USUAL_COLUMNS)
    return wanted.as_arguments() | ({} if columns == list(USUAL_COLUMNS) else {"columns": columns})


def _beside(arguments: Mapping[str, Any], **place: int | None) -> str:
    return url_for("contacts.index", **{**arguments, **place})


def _file(body: Any, name: str) -> Response:
    response = Response(body, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _safe_back(target: str) -> str:
    is_own = target.startswith("/contacts") and target.isprintable() and "\\" not in target
    return target if is_own else url_for("contacts.index")


def _people(count: int) -> str:
    return "1 contact" if count == 1 else f"{count:,} contacts"


def _actor() -> str:
    name: str = current_user.name or current_user.email
    return name
