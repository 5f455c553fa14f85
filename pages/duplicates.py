"""Duplicates: contacts that may be one person, side by side before they are merged, and merges taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from audience.contacts import find_contact
from audience.duplicates import (
    count_pairs,
    doubt_again,
    find_pair,
    find_searched_at,
    keep_apart,
    list_labels,
    list_pairs,
    start_search,
    word_of,
)
from audience.merge_plans import SIDES, suggest_kept
from audience.merge_rows import count_rows_of
from audience.merges import list_merges, merge_now, preview_merge, undo_now
from errors import Conflict, InputInvalid, NotFound
from lib.row_ids import read_id
from models import Contact, ContactMerge

page = Blueprint("duplicates", __name__)

CHOICE = "choice."
LIKELIHOOD_KINDS = {"Very likely": "warn", "Likely": "info", "Possible": "neutral"}


@dataclass(frozen=True)
class ListedMerge:
    """A merge as the page shows it: the contact that was kept, what the other one was, whether undo is offered."""

    merge: ContactMerge
    kept: Contact | None
    gone_name: str
    can_undo: bool


@page.get("/")
def index() -> str:
    """Pairs to look at, the likeliest first; or those that are two people."""
    state = "apart" if request.args.get("view") == "apart" else "open"
    pairs, after = list_pairs(state, after=_place())
    more = url_for(
        "duplicates.index", view="apart" if state == "apart" else None, after="-".join(map(str, after or ()))
    )
    return render_template(
        "duplicates/index.html",
        view=state,
        pairs=pairs,
        open_count=count_pairs(),
        apart_count=count_pairs("apart"),
        searched_at=find_searched_at(),
        next_url=more if after else None,
        list_labels=list_labels,
        word_of=word_of,
        kinds=LIKELIHOOD_KINDS,
    )


@page.get("/merged")
def merged() -> str:
    """What was merged, the newest first, with the way back."""
    merges = list_merges(before=read_id(request.args.get("before")))
    newest: dict[int, int] = {}
    for one in merges:
        if one.undone_at is None:
            newest.setdefault(one.contact_id, one.id)
    shown = [
        ListedMerge(one, find_contact(one.contact_id), _gone_name(one), newest.get(one.contact_id) == one.id)
        for one in merges
    ]
    return render_template(
        "duplicates/merged.html",
        merges=shown,
        open_count=count_pairs(),
        apart_count=count_pairs("apart"),
        next_url=url_for("duplicates.merged", before=merges[-1].id) if len(merges) == 50 else None,
    )


@page.post("/search")
def search() -> ResponseReturnValue:
    """Looks through all contacts, or has the worker do it."""
    if start_search():
        flash("All contacts are looked through.", "success")
    else:
        flash("All contacts are being looked through. Come back in a minute.", "info")
    return redirect(url_for("duplicates.index"), 303)


@page.get("/<int:first_id>/<int:second_id>")
def preview(first_id: int, second_id: int) -> ResponseReturnValue:
    """Both side by side, and what a merge would make of them."""
    first, second = find_contact(first_id), find_contact(second_id)
    if first is None or second is None or first_id == second_id:
        raise NotFound("One of these contacts is not there any more. It may have been merged or erased.")
    kept_id = read_id(request.args.get("keep"))
    kept = {first.id: first, second.id: second}.get(kept_id or 0) or suggest_kept(first, second)
    gone = second if kept is first else first
    plan = preview_merge(kept.id, gone.id, _choices(request.args))
    pair = find_pair(first_id, second_id)
    return render_template(
        "duplicates/preview.html",
        plan=plan,
        pair=pair,
        reasons=list_labels(pair.reasons) if pair is not None else [],
        word=word_of(pair.confidence) if pair is not None and pair.confidence else None,
        kinds=LIKELIHOOD_KINDS,
        choice=CHOICE,
        choices=_choices(request.args),
        rows={kept.id: count_rows_of(kept.id), gone.id: count_rows_of(gone.id)},
        swap_url=url_for("duplicates.preview", first_id=first_id, second_id=second_id, keep=gone.id),
    )


@page.post("/<int:first_id>/<int:second_id>")
def merge(first_id: int, second_id: int) -> ResponseReturnValue:
    """Merges the two as the preview said."""
    kept_id = read_id(request.form.get("keep"))
    gone_id = second_id if kept_id == first_id else first_id
    if kept_id not in (first_id, second_id):
        raise InputInvalid({"keep": "Choose which of the two contacts is kept."})
    made = merge_now(kept_id, gone_id, choices=_choices(request.form), actor=_actor(), user_id=current_user.id)
    flash("Merged. If they are two people after all, undo brings both back.", "success")
    return redirect(url_for("contact.show", contact_id=made.contact_id), 303)


@page.post("/<int:first_id>/<int:second_id>/apart")
def apart(first_id: int, second_id: int) -> ResponseReturnValue:
    """Notes that they are two people, or takes that back."""
    if request.form.get("back"):
        doubt_again(first_id, second_id)
        flash("They are looked at again.", "success")
        return redirect(url_for("duplicates.index", view="apart"), 303)
    keep_apart(first_id, second_id, actor=_actor())
    flash("Two people. They are not shown as duplicates again.", "success")
    return redirect(url_for("duplicates.index"), 303)


@page.post("/merged/<int:merge_id>/undo")
def undo(merge_id: int) -> ResponseReturnValue:
    """Brings both contacts back."""
    try:
        made = undo_now(merge_id, actor=_actor(), user_id=current_user.id)
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(url_for("duplicates.merged"), 303)
    flash("Undone. Both contacts are back as they were; what arrived since stays.", "success")
    return redirect(url_for("duplicates.preview", first_id=made.survivor_id, second_id=made.gone_id), 303)


def _choices(given: Any) -> dict[str, str]:
    return {
        key.removeprefix(CHOICE): value for key, value in given.items() if key.startswith(CHOICE) and value in SIDES
    }


def _place() -> tuple[int, int, int] | None:
    confidence, *ids = request.args.get("after", "").split("-")
    first, second = (read_id(part) for part in ids) if len(ids) == 2 else (None, None)
    is_known = confidence in map(str, range(101)) and first is not None and second is not None
    return (int(confidence), first or 0, second or 0) if is_known else None


def _gone_name(merge: ContactMerge) -> str:
    """Who the other one was: kept with the merge, and with the contact once it is back."""
    if merge.undone_at is not None:
        back = find_contact(merge.gone_id)
        return (back.name or back.email) if back is not None else "a contact that is gone"
    row = merge.kept.get("gone", {})
    return str(row.get("name") or row.get("email") or "–")


def _actor() -> str:
    name: str = current_user.name or current_user.email
    return name
