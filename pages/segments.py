"""Segments: the list, one segment in words with its count, the editor of its rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from audience.rule_form import apply_step, list_choices, read_rules, show_rules
from audience.rules import describe_rules, validate_rules
from audience.search import Count, count_in_time
from audience.segment_queries import list_samples, rules_query, segment_query
from audience.segments import (
    RECIPES,
    add_segment,
    archive_segment,
    change_segment,
    describe_segment,
    get_segment,
    list_segments,
)
from errors import Conflict, InputInvalid
from lib.row_ids import read_ids
from models import Contact, Segment

page = Blueprint("segments", __name__)

# The list counts as many segments as fit into the first; the others are asked for when the page is there.
COUNTING_SECONDS, COUNT_SECONDS = 0.1, 5.0
NO_RULES: dict[str, Any] = {"match": "all", "rules": []}


@dataclass(frozen=True)
class Preview:
    """What rules mean at this moment: a sentence, a count, a few people; or what is missing for it."""

    sentence: str
    count: Count | None
    samples: list[Contact]
    at: datetime


@page.get("/")
def index() -> ResponseReturnValue:
    """The segments with their counts, or recipes where there is none yet."""
    q = request.args.get("q", "").strip()[:200]
    segments = list_segments(q)
    counts = _count([segment.id for segment in segments], COUNTING_SECONDS)
    return render_template(
        "segments/index.html",
        segments=segments,
        counts=counts,
        uncounted=[segment.id for segment in segments if segment.id not in counts or not counts[segment.id].is_exact],
        words={segment.id: describe_segment(segment) for segment in segments},
        q=q,
        recipes=RECIPES,
        at=datetime.now(UTC),
    )


@page.get("/counts")
def counts() -> ResponseReturnValue:
    """The counts of some segments, each for its place on the page, in one answer."""
    return render_template("segments/_counts.html", counts=_count(read_ids(request.args.getlist("of")), COUNT_SECONDS))


@page.get("/<int:segment_id>")
def show(segment_id: int) -> ResponseReturnValue:
    """One segment: in words, how many now, five of them."""
    segment = get_segment(segment_id)
    query = segment_query(segment_id)
    return render_template(
        "segments/show.html",
        segment=segment,
        words=describe_segment(segment),
        count=count_in_time(query),
        samples=list_samples(query),
        at=datetime.now(UTC),
    )


@page.route("/new", methods=["GET", "POST"])
def add() -> ResponseReturnValue:
    """The editor for a new segment; a recipe, or rules that an agent made, may fill it."""
    if request.method == "POST":
        return _save(None)
    recipe = _recipe()
    values = {"name": recipe.name if recipe else request.args.get("name", "")[:120], "description": ""}
    rules = (
        recipe.rules.model_dump()
        if recipe
        else _given_rules() or apply_step({"match": "all", "rules": []}, "add rules")
    )
    return _editor(None, values, rules, {})


@page.route("/<int:segment_id>/edit", methods=["GET", "POST"])
def edit(segment_id: int) -> ResponseReturnValue:
    """The editor for a segment; each button works without JavaScript too."""
    segment = get_segment(segment_id)
    if request.method == "POST":
        return _save(segment)
    values = {"name": segment.name, "description": segment.description}
    return _editor(segment, values, segment.rules or NO_RULES, {})


@page.post("/editor")
def editor() -> ResponseReturnValue:
    """The editor's part of the page after one of its buttons or a choice of field."""
    rules = apply_step(read_rules(request.form), request.form.get("do", ""))
    return render_template("segments/_editor.html", **_rules_view(rules, {}, None))


@page.post("/preview")
def preview() -> ResponseReturnValue:
    """What the rules mean as they stand in the form."""
    return render_template("segments/_preview.html", preview=_preview(read_rules(request.form)))


@page.post("/<int:segment_id>/archive")
def archive(segment_id: int) -> ResponseReturnValue:
    """Takes a segment out of use."""
    try:
        archive_segment(segment_id)
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(url_for("segments.show", segment_id=segment_id), 303)
    flash("The segment is archived. Its contacts are untouched.", "success")
    return redirect(url_for("segments.index"), 303)


def _save(segment: Segment | None) -> ResponseReturnValue:
    form = request.form
    rules = read_rules(form)
    step = form.get("do", "save")
    if step != "save":
        return _editor(segment, form, apply_step(rules, step), {})
    is_by_hand = not rules["rules"]
    given = None if is_by_hand else rules
    try:
        if segment is None:
            actor = current_user.name or current_user.email
            segment = add_segment(
                form.get("name", ""), rules=given, description=form.get("description", ""), made_by=actor
            )
        else:
            change_segment(segment.id, name=form.get("name", ""), description=form.get("description", ""), rules=given)
    except InputInvalid as error:
        return _editor(segment, form, rules, error.fields), 422
    flash("Saved.", "success")
    return redirect(url_for("segments.show", segment_id=segment.id), 303)


def _editor(segment: Segment | None, values: Any, rules: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    return render_template(
        "segments/edit.html",
        segment=segment,
        values=values,
        errors=errors,
        **_rules_view(rules, errors, segment),
    )


def _rules_view(rules: Mapping[str, Any], errors: Mapping[str, str], segment: Segment | None) -> dict[str, Any]:
    choices = list_choices(segment.id if segment else None)
    return {"group": show_rules(rules, choices, errors), "choices": choices, "preview": _preview(rules)}


def _preview(rules: Mapping[str, Any]) -> Preview:
    now = datetime.now(UTC)
    if not rules["rules"]:
        return Preview("No rules: contacts are added by hand, by an import or by their source.", None, [], now)
    try:
        checked = validate_rules(dict(rules))
    except InputInvalid:
        return Preview("Some conditions are not complete yet.", None, [], now)
    query = rules_query(checked)
    return Preview(describe_rules(checked), count_in_time(query), list_samples(query), now)


def _recipe() -> Any:
    number = request.args.get("recipe", "")
    return RECIPES[int(number)] if number.isascii() and number.isdigit() and int(number[:3]) < len(RECIPES) else None


def _given_rules() -> dict[str, Any] | None:
    """Rules in the address, as an agent's “use these rules” link brings them; only whole ones."""
    try:
        return validate_rules(json.loads(request.args.get("rules", "")[:8000])).model_dump()
    except (ValueError, InputInvalid, RecursionError):
        return None


def _count(segment_ids: Sequence[int], within_seconds: float) -> dict[int, Count]:
    """The counts of as many segments as can be counted within the time."""
    found: dict[int, Count] = {}
    end = monotonic() + within_seconds
    for segment_id in segment_ids:
        left_ms = int((end - monotonic()) * 1000)
        if left_ms < 1:
            break
        found[segment_id] = count_in_time(segment_query(segment_id), left_ms)
    return found
