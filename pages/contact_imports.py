"""CSV imports: upload, mapping, dry run, progress, result, the rows that were refused, undo."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from audience.imports import (
    BUSY_STATES,
    FIELDS,
    ImportOptions,
    add_import,
    check_import,
    get_import,
    list_columns,
    list_imports,
    list_rows,
    start_import,
    stop_import,
    stream_refused_rows,
    undo_import,
)
from audience.segments import list_segments
from errors import Conflict, InputInvalid
from lib.row_ids import read_id
from models import ContactImport

page = Blueprint("contact_imports", __name__)

STATE_WORDS = {
    "mapping": ("waiting", "Choose what the columns mean"),
    "checking": ("running", "Being checked"),
    "checked": ("waiting", "Checked, not imported yet"),
    "running": ("running", "Being imported"),
    "stopping": ("running", "Stopping"),
    "stopped": ("paused", "Stopped"),
    "done": ("success", "Imported"),
    "failed": ("danger", "Failed"),
    "undoing": ("running", "Being taken back"),
    "undone": ("neutral", "Taken back"),
}
OUTCOME_WORDS = {
    "create": "New",
    "update": "Known, to be updated",
    "skip": "Known, left as is",
    "created": "Added",
    "updated": "Updated",
    "unchanged": "Known, nothing new",
    "skipped": "Known, left as is",
    "repeated": "Again in this file",
    "refused": "Cannot be read",
    "undone": "Taken back",
    "kept": "Kept, changed since",
}


@page.app_template_global()
def import_state(state: str) -> tuple[str, str]:
    """Kind and word of an import's state, for ui.status."""
    return STATE_WORDS.get(state, ("neutral", state))


@page.get("/")
def index() -> ResponseReturnValue:
    """The upload form, and the imports so far."""
    return _index({})


@page.post("/")
def upload() -> ResponseReturnValue:
    """Takes a file and leads to its mapping."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _index({"file": "Choose a CSV file first."}), 422
    try:
        made = add_import(file.filename, file.stream.read(), **_whoever())
    except InputInvalid as error:
        return _index(error.fields), 422
    return redirect(url_for("contact_imports.show", import_id=made.id), 303)


@page.get("/<int:import_id>")
def show(import_id: int) -> ResponseReturnValue:
    """An import where it stands: mapping, dry run, progress or result. It survives a reload."""
    made = get_import(import_id)
    if made.state == "mapping" or (made.state == "checked" and request.args.get("step") == "mapping"):
        return _mapping(made, made.options, {})
    outcome = request.args.get("outcome", "")
    outcome = outcome if outcome in OUTCOME_WORDS else ""
    rows = [] if made.state in BUSY_STATES else list_rows(import_id, outcome=outcome, after=_after())
    return render_template(
        "contact_imports/show.html",
        made=made,
        counts=_counts(made),
        rows=rows,
        outcome=outcome,
        outcome_words=OUTCOME_WORDS,
        is_busy=made.state in BUSY_STATES,
        refused=made.totals.get("refused", 0),
        next_url=url_for(
            "contact_imports.show", import_id=import_id, outcome=outcome or None, after=rows[-1][0].row_number
        )
        if len(rows) == 50
        else None,
        previous_url=url_for("contact_imports.show", import_id=import_id, outcome=outcome or None)
        if _after()
        else None,
    )


@page.get("/<int:import_id>/progress")
def progress(import_id: int) -> ResponseReturnValue:
    """How far it is; when it is over, the page is loaded anew."""
    made = get_import(import_id)
    if made.state not in BUSY_STATES:
        return Response("", 204, {"HX-Refresh": "true"})
    return render_template("contact_imports/_progress.html", made=made)


@page.post("/<int:import_id>/check")
def check(import_id: int) -> ResponseReturnValue:
    """Takes mapping and options, and tries them without writing anything."""
    form = request.form
    made = get_import(import_id)
    chosen = {key.removeprefix("column-"): value for key, value in form.items() if key.startswith("column-")}
    options = ImportOptions(
        duplicates=form.get("duplicates", "skip"),
        is_subscribing=bool(form.get("is_subscribing")),
        statement=form.get("statement", ""),
        source=form.get("source", ""),
        tags=form.get("tags", ""),
        segment_id=form.get("segment_id", ""),
        new_segment=form.get("new_segment", ""),
        columns={int(number): value for number, value in chosen.items() if number.isascii() and number.isdigit()},
    )
    try:
        check_import(import_id, options)
    except InputInvalid as error:
        return _mapping(made, form.to_dict(), error.fields, options.columns), 422
    return redirect(url_for("contact_imports.show", import_id=import_id), 303)


@page.post("/<int:import_id>/start")
def start(import_id: int) -> ResponseReturnValue:
    """Imports what was checked, or goes on after a stop."""
    try:
        start_import(import_id, **_whoever())
    except (Conflict, InputInvalid) as error:
        flash(error.detail, "warn")
    return redirect(url_for("contact_imports.show", import_id=import_id), 303)


@page.post("/<int:import_id>/stop")
def stop(import_id: int) -> ResponseReturnValue:
    """Stops after the rows in hand."""
    import_id = get_import(import_id).id
    try:
        stop_import(import_id)
    except Conflict as error:
        flash(error.detail, "info")
    return redirect(url_for("contact_imports.show", import_id=import_id), 303)


@page.post("/<int:import_id>/undo")
def undo(import_id: int) -> ResponseReturnValue:
    """Takes the import back."""
    try:
        undo_import(import_id, **_whoever())
    except Conflict as error:
        flash(error.detail, "warn")
    return redirect(url_for("contact_imports.show", import_id=import_id), 303)


@page.get("/<int:import_id>/refused.csv")
def refused(import_id: int) -> ResponseReturnValue:
    """The rows that could not be taken, with the reason, to mend and import again."""
    made = get_import(import_id)
    response = Response(stream_refused_rows(made), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="refused-rows-{import_id}.csv"'
    return response


def _whoever() -> dict[str, Any]:
    return {"actor": current_user.name or current_user.email, "user_id": current_user.id}


def _index(errors: dict[str, str]) -> str:
    return render_template("contact_imports/index.html", imports=list_imports(), errors=errors)


def _mapping(made: ContactImport, values: Any, errors: dict[str, str], columns: dict[int, str] | Any = None) -> str:
    segments = [("", "No segment"), ("new", "A new segment…"), *[(str(one.id), one.name) for one in list_segments()]]
    tags = values.get("tags", "")
    return render_template(
        "contact_imports/mapping.html",
        made=made,
        columns=list_columns(made),
        chosen=columns or {},
        fields=FIELDS,
        values=values,
        tags=", ".join(tags) if isinstance(tags, list) else tags,
        segments=segments,
        errors=errors,
    )


def _counts(made: ContactImport) -> list[tuple[str, str, int]]:
    return [(name, word, made.totals[name]) for name, word in OUTCOME_WORDS.items() if made.totals.get(name)]


def _after() -> int:
    return read_id(request.args.get("after")) or 0
