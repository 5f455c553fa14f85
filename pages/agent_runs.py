"""A run of an agent: its stream, its draft and versions, what is done with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, Response, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from access import peer
from agents.actions import get_action
from agents.drafts import change_draft, get_result, get_version, restore_version, task_of
from agents.editing import read_edit
from agents.parts.documents import document_of
from agents.proposals import add_proposals, carry_out_now, find_address
from agents.runs import (
    ENDED,
    Way,
    describe_brief,
    find_state,
    get_run,
    list_events,
    list_runs,
    retry_run,
    run_topic,
    start_run,
    stop_run,
)
from agents.schedules import EVERY, add_schedule
from campaigns.mail_brand import get_mail_brand
from campaigns.rendering import render_campaign
from config import current_settings
from errors import Conflict, InputInvalid, LuxError, NotFound
from lib.held_places import stream_places
from lib.request_gate import leave_gate
from models import AgentRun, AgentRunEvent
from news import news
from pages.agent_workspace import (
    RUN_STATUS,
    describe_run,
    open_agent,
    run_address,
    show_time,
    show_workspace,
    task_or_first,
    wanted_version,
)

page = Blueprint("agent_runs", __name__)

WAYS: tuple[Way, ...] = ("model", "continue", "playbook")
HOLD_SECONDS = 55.0
PREVIEW_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:"


@page.get("/<key>/runs/<int:run_id>")
def show(key: str, run_id: int) -> ResponseReturnValue:
    """The workspace with a run: its stream while it goes on, its draft afterwards."""
    agent = open_agent(key)
    run = get_run(run_id, open_agent(key).key)
    if request.headers.get("HX-Request"):
        result = render_template("agents/_result.html", **describe_run(agent, run))
        runs = list_runs(agent.key)
        return result + render_template(
            "agents/_runs.html", agent=agent, run=run, runs=runs, run_status=RUN_STATUS, is_fragment=True
        )
    return show_workspace(agent, task_or_first(agent, run.task), values=describe_brief(run), run=run)


@page.get("/<key>/runs/<int:run_id>/events")
def events(key: str, run_id: int) -> Response:
    """The run's events as a stream that a browser resumes by the number of the last one it saw."""
    get_run(run_id, open_agent(key).key)
    given = request.headers.get("Last-Event-ID") or request.args.get("after", "0")
    after = int(given) if given.isdigit() and len(given) < 10 else 0
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the documented way to the app itself
    leave = partial(leave_gate, request.environ)
    response = Response(_stream(app, run_id, after, leave), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response


@page.post("/<key>/runs/<int:run_id>/stop")
def stop(key: str, run_id: int) -> ResponseReturnValue:
    """Stops a run; what was drafted stays."""
    get_run(run_id, open_agent(key).key)
    stop_run(run_id)
    return redirect(run_address(key, run_id), 303)


@page.post("/<key>/runs/<int:run_id>/retry")
def retry(key: str, run_id: int) -> ResponseReturnValue:
    """Tries a run again: with the model, from the partial draft, or with the playbook."""
    get_run(run_id, open_agent(key).key)
    wanted = request.form.get("way", "model")
    way: Way = next((one for one in WAYS if one == wanted), "model")
    try:
        retry_run(run_id, way)
    except Conflict as error:
        flash(error.detail, "warn")
    return redirect(run_address(key, run_id), 303)


@page.post("/<key>/runs/<int:run_id>/draft")
def save_draft(key: str, run_id: int) -> ResponseReturnValue:
    """Saves a person's edit as a version."""
    agent = open_agent(key)
    run = get_run(run_id, open_agent(key).key)
    try:
        change_draft(run_id, _read_draft(run), made_by=current_user.name)
    except InputInvalid as error:
        values = describe_brief(run)
        task = task_or_first(agent, run.task)
        return show_workspace(agent, task, values=values, run=run, view="edit", draft_errors=error.fields), 422
    flash("Your version is saved.", "success")
    return redirect(run_address(key, run_id), 303)


@page.post("/<key>/runs/<int:run_id>/draft/autosave")
def autosave(key: str, run_id: int) -> ResponseReturnValue:
    """Saves the edit while its author types."""
    run = get_run(run_id, open_agent(key).key)
    try:
        change_draft(run_id, _read_draft(run), made_by=current_user.name, is_autosave=True)
    except LuxError as error:
        return jsonify(message=error.detail), error.status
    return jsonify(saved_at=f"{datetime.now(ZoneInfo(current_settings().timezone)):%H:%M}")


@page.post("/<key>/runs/<int:run_id>/versions/<int:number>/restore")
def restore(key: str, run_id: int, number: int) -> ResponseReturnValue:
    """Makes an older version the current one."""
    get_run(run_id, open_agent(key).key)
    restore_version(run_id, number, made_by=current_user.name)
    flash(f"Version {number} is the current one again.", "success")
    return redirect(run_address(key, run_id), 303)


@page.post("/<key>/runs/<int:run_id>/propose")
def propose(key: str, run_id: int) -> ResponseReturnValue:
    """Sends all that the current version would do for approval."""
    get_run(run_id, open_agent(key).key)
    try:
        proposals = add_proposals(run_id)
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(run_address(key, run_id), 303)
    flash("Sent for approval.", "success")
    if len(proposals) == 1:
        return redirect(url_for("approvals.show", proposal_id=proposals[0].id), 303)
    return redirect(url_for("approvals.index"), 303)


@page.post("/<key>/runs/<int:run_id>/accept")
def accept(key: str, run_id: int) -> ResponseReturnValue:
    """Approves one thing of the current version at once and leads to what it has made."""
    get_run(run_id, open_agent(key).key)
    try:
        proposal = carry_out_now(run_id, current_user, slot=request.form.get("slot"), peer=peer())
    except (Conflict, InputInvalid) as error:
        flash(error.detail, "warn")
        return redirect(run_address(key, run_id), 303)
    flash(get_action(proposal.action).done, "success")
    return redirect(find_address(proposal) or run_address(key, run_id), 303)


@page.post("/<key>/runs/<int:run_id>/again")
def again(key: str, run_id: int) -> ResponseReturnValue:
    """Starts a new run of the same brief, on today's figures."""
    run = get_run(run_id, open_agent(key).key)
    agent, task = task_of(run)
    brief = task.brief.model_validate(run.brief)
    fresh = start_run(agent, task, brief, user_id=current_user.id)
    return redirect(run_address(key, fresh.id), 303)


@page.post("/<key>/runs/<int:run_id>/schedule")
def schedule(key: str, run_id: int) -> ResponseReturnValue:
    """Repeats the run's brief on the clock."""
    run = get_run(run_id, open_agent(key).key)
    hour = request.form.get("hour", "")
    try:
        made = add_schedule(
            run_id,
            every=request.form.get("every", ""),
            hour=int(hour) if hour.isdigit() and len(hour) < 3 else -1,
            user_id=current_user.id,
        )
    except (Conflict, InputInvalid) as error:
        flash(error.detail, "warn")
        return redirect(run_address(key, run_id), 303)
    words = f"{EVERY[made.every]}, next on {show_time(made.next_at)}. What it proposes waits for approval."
    flash(words, "success")
    return redirect(url_for("agents.workspace", key=key, task=run.task, _anchor="clock"), 303)


@page.get("/<key>/runs/<int:run_id>/preview")
def preview(key: str, run_id: int) -> Response:
    """The draft as the mail that it would be, for a sandboxed frame."""
    run = get_run(run_id, open_agent(key).key)
    _, task = task_of(run)
    if task.preview is None:
        raise NotFound("This draft has no preview.")
    content = task.preview(get_result(run, wanted_version(run)))
    html = render_campaign(content, get_mail_brand(), is_tracked=False).preview().html
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = f"{PREVIEW_POLICY}; frame-ancestors 'self'"
    return response


@page.get("/<key>/runs/<int:run_id>/document")
def document(key: str, run_id: int) -> Response:
    """The draft as a markdown file."""
    run = get_run(run_id, open_agent(key).key)
    agent, task = task_of(run)
    version = wanted_version(run)
    by = "a playbook" if (run.result or {}).get("drafted_by") == "playbook" else run.model or "a model"
    foot = [f"{agent.label} · run {run.id}, version {version.number} · {show_time(version.created_at)} · by {by}"]
    foot += ["", "Data used:", *(f"- {one['label']}: {one['value']}" for one in run.evidence)]
    words = document_of(task, get_result(run, version), foot)
    response = Response(words, mimetype="text/markdown")
    response.headers["Content-Disposition"] = f'attachment; filename="{task.key}-{run.id}.md"'
    return response


def _read_draft(run: AgentRun) -> dict[str, Any]:
    _, task = task_of(run)
    if run.version == 0:
        raise NotFound("There is no draft to change.")
    return read_edit(task, get_result(run, get_version(run.id, run.version)), request.form)


def _stream(app: Flask, run_id: int, after: int, leave: Callable[[], None]) -> Iterator[str]:
    """Events as they come. Held open while there is a free place; nothing of the database is kept between two looks."""
    places = stream_places()
    is_held = places.acquire(blocking=False)
    try:
        yield f"retry: {300 if is_held else 1000}\n\n"
        until = time.monotonic() + (HOLD_SECONDS if is_held else 0)
        with app.app_context():
            listener = news()
        with listener.waiting(run_topic(run_id)) as waiter:
            while True:
                with app.app_context():
                    found = [(event.number, event.kind, _message(event)) for event in list_events(run_id, after)]
                    state = "" if found else find_state(run_id)
                yield from (message for _, _, message in found)
                after = found[-1][0] if found else after
                if state in ENDED:
                    yield f"event: over\ndata: {json.dumps({'state': state})}\n\n"
                    return
                if any(kind == "end" for _, kind, _ in found):
                    continue
                if time.monotonic() > until:
                    return
                if not found:
                    yield ": \n\n"
                leave()
                waiter.wait()
    finally:
        if is_held:
            places.release()


def _message(event: AgentRunEvent) -> str:
    return f"id: {event.number}\nevent: {event.kind}\ndata: {json.dumps(event.detail)}\n\n"
