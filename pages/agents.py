"""The agents: their tiles, a workspace for each, and the stream of a run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, Response, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

import ai
from access import has_role, peer
from agents import AGENTS, get_agent
from agents.actions import get_action
from agents.base import Agent, Task
from agents.campaign_brief import KINDS, TONES, EmailCampaign
from agents.drafts import change_draft, get_result, get_version, list_differences, list_failures, list_versions
from agents.drafts import restore_version as bring_back
from agents.figures import list_agent_states
from agents.proposals import add_proposal, carry_out_now, find_address, list_run_proposals
from agents.runs import (
    ENDED,
    Way,
    describe_brief,
    estimate_run_cost,
    get_run,
    list_events,
    list_runs,
    read_brief,
    read_stream,
    retry_run,
    start_run,
    stop_run,
)
from audience.segments import find_segment, list_segments
from campaigns.audience_count import count_audience
from campaigns.brand import get_brand, list_links, measure_brand
from campaigns.mail_brand import get_mail_brand
from campaigns.rendering import render_campaign
from config import current_settings
from errors import Conflict, InputInvalid, LuxError, NotFound
from lib.light_markdown import render_light_markdown
from models import AgentRun, AgentRunEvent, AgentRunVersion

page = Blueprint("agents", __name__)

VIEWS = ("draft", "edit", "diff", "preview")
WAYS: tuple[Way, ...] = ("model", "continue", "playbook")
# A process has few threads: only this many streams are held open in one, the others ask again every second.
HELD_STREAMS = threading.BoundedSemaphore(2)
HOLD_SECONDS = 20.0
POLL_SECONDS = 0.2
PREVIEW_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:"
RUN_STATUS = {
    "waiting": ("running", "In the queue"),
    "running": ("running", "Writing…"),
    "done": ("success", "Draft ready"),
    "failed": ("danger", "Not finished"),
    "stopped": ("paused", "Stopped"),
}


page.add_app_template_filter(render_light_markdown, "light_markdown")


@page.app_template_global()
def agent_time(at: datetime | str | None) -> str:
    """A moment of a run as people of the house read it."""
    if at is None:
        return "–"
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    local = moment.astimezone(ZoneInfo(current_settings().timezone))
    return f"{local.day} {local:%b, %H:%M}"


@page.get("/")
def index() -> str:
    """The eleven agents."""
    states = list_agent_states([agent.key for agent in AGENTS])
    return render_template("agents/index.html", agents=AGENTS, states=states, run_status=RUN_STATUS)


@page.get("/<key>")
def workspace(key: str) -> ResponseReturnValue:
    """An agent's workspace with an empty brief, or with one of the examples; of a planned agent, what it will do."""
    agent = get_agent(key)
    if not agent.is_ready:
        return render_template("agents/planned.html", agent=agent)
    task = _task_of(agent, request.args.get("task", ""))
    values: dict[str, Any] = {"kind": "newsletter", "tone": "brand", "segment_id": request.args.get("segment_id", "")}
    values["words"] = request.args.get("words", "")[:500]
    example = request.args.get("example", "")
    if example.isdigit() and int(example) < len(task.examples):
        values |= task.examples[int(example)].values
    return _show(agent, task, values=values)


@page.post("/<key>/runs")
def start(key: str) -> ResponseReturnValue:
    """Starts a run from the brief."""
    agent = get_agent(key)
    task = _task_of(agent, request.form.get("task", ""))
    try:
        brief = read_brief(task, request.form)
    except InputInvalid as error:
        return _show(agent, task, values=request.form, errors=_named(error.fields)), 422
    way: Way = "playbook" if request.form.get("way") == "playbook" else "model"
    run = start_run(agent, task, brief, user_id=current_user.id, way=way)
    return redirect(_run_address(key, run.id), 303)


@page.get("/<key>/runs/<int:run_id>")
def show_run(key: str, run_id: int) -> ResponseReturnValue:
    """The workspace with a run: its stream while it goes on, its draft afterwards."""
    agent = get_agent(key)
    run = get_run(run_id, key)
    if request.headers.get("HX-Request"):
        result = render_template("agents/_result.html", **_result(agent, run))
        runs = list_runs(agent.key)
        return result + render_template(
            "agents/_runs.html", agent=agent, run=run, runs=runs, run_status=RUN_STATUS, is_fragment=True
        )
    return _show(agent, _task_of(agent, run.task), values=describe_brief(run), run=run)


@page.get("/<key>/runs/<int:run_id>/events")
def events(key: str, run_id: int) -> Response:
    """The run's events as a stream that a browser resumes by the number of the last one it saw."""
    get_run(run_id, key)
    given = request.headers.get("Last-Event-ID") or request.args.get("after", "0")
    after = int(given) if given.isdigit() and len(given) < 10 else 0
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the documented way to the app itself
    response = Response(_stream(app, run_id, after), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response


@page.post("/<key>/runs/<int:run_id>/stop")
def stop(key: str, run_id: int) -> ResponseReturnValue:
    """Stops a run; what was drafted stays."""
    get_run(run_id, key)
    stop_run(run_id)
    return redirect(_run_address(key, run_id), 303)


@page.post("/<key>/runs/<int:run_id>/retry")
def retry(key: str, run_id: int) -> ResponseReturnValue:
    """Tries a run again: with the model, from the partial draft, or with the playbook."""
    get_run(run_id, key)
    wanted = request.form.get("way", "model")
    way: Way = next((one for one in WAYS if one == wanted), "model")
    try:
        retry_run(run_id, way)
    except Conflict as error:
        flash(error.detail, "warn")
    return redirect(_run_address(key, run_id), 303)


@page.post("/<key>/runs/<int:run_id>/draft")
def save_draft(key: str, run_id: int) -> ResponseReturnValue:
    """Saves a person's edit as a version."""
    agent = get_agent(key)
    run = get_run(run_id, key)
    try:
        change_draft(run_id, _read_draft(run), made_by=current_user.name)
    except InputInvalid as error:
        values = describe_brief(run)
        task = _task_of(agent, run.task)
        return _show(agent, task, values=values, run=run, view="edit", draft_errors=error.fields), 422
    flash("Your version is saved.", "success")
    return redirect(_run_address(key, run_id), 303)


@page.post("/<key>/runs/<int:run_id>/draft/autosave")
def autosave(key: str, run_id: int) -> ResponseReturnValue:
    """Saves the edit while its author types."""
    run = get_run(run_id, key)
    try:
        change_draft(run_id, _read_draft(run), made_by=current_user.name, is_autosave=True)
    except LuxError as error:
        return jsonify(message=error.detail), error.status
    return jsonify(saved_at=f"{datetime.now(ZoneInfo(current_settings().timezone)):%H:%M}")


@page.post("/<key>/runs/<int:run_id>/versions/<int:number>/restore")
def restore(key: str, run_id: int, number: int) -> ResponseReturnValue:
    """Makes an older version the current one."""
    get_run(run_id, key)
    bring_back(run_id, number, made_by=current_user.name)
    flash(f"Version {number} is the current one again.", "success")
    return redirect(_run_address(key, run_id), 303)


@page.post("/<key>/runs/<int:run_id>/propose")
def propose(key: str, run_id: int) -> ResponseReturnValue:
    """Sends the current version for approval."""
    get_run(run_id, key)
    try:
        proposal = add_proposal(run_id)
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(_run_address(key, run_id), 303)
    flash("Sent for approval.", "success")
    return redirect(url_for("approvals.show", proposal_id=proposal.id), 303)


@page.post("/<key>/runs/<int:run_id>/accept")
def accept(key: str, run_id: int) -> ResponseReturnValue:
    """Approves the current version at once and leads to what it has made."""
    get_run(run_id, key)
    try:
        proposal = carry_out_now(run_id, current_user, peer=peer())
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(_run_address(key, run_id), 303)
    flash(get_action(proposal.action).done, "success")
    return redirect(find_address(proposal) or _run_address(key, run_id), 303)


@page.get("/<key>/runs/<int:run_id>/preview")
def preview(key: str, run_id: int) -> Response:
    """The draft as the mail that it would be, for a sandboxed frame."""
    run = get_run(run_id, key)
    campaign = get_result(run, _wanted_version(run))
    if not isinstance(campaign, EmailCampaign):
        raise NotFound("This draft has no preview.")
    html = render_campaign(campaign.to_content(), get_mail_brand(), is_tracked=False).preview().html
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = f"{PREVIEW_POLICY}; frame-ancestors 'self'"
    return response


@page.get("/<key>/audience")
def audience(key: str) -> str:
    """How many people the chosen segment means, as a fragment."""
    get_agent(key)
    return render_template("agents/_audience.html", count=_count(request.args.get("segment_id", "")))


def _run_address(key: str, run_id: int) -> str:
    """The page of a run, at its draft: on a phone that stands below the brief."""
    return url_for("agents.show_run", key=key, run_id=run_id, _anchor="result")


def _task_of(agent: Agent, key: str) -> Task[Any, Any]:
    task = agent.find_task(key or (agent.tasks[0].key if agent.tasks else ""))
    if task is None:
        raise NotFound("This agent has no such task.")
    return task


def _show(
    agent: Agent,
    task: Task[Any, Any],
    *,
    values: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    run: AgentRun | None = None,
    view: str = "",
    draft_errors: Mapping[str, str] | None = None,
) -> str:
    brand = get_brand()
    obstacle = ai.find_obstacle()
    more = _result(agent, run, view=view, errors=draft_errors) if run is not None else {}
    return render_template(
        "agents/workspace.html",
        **{"agent": agent, "task": task, "may_write": has_role("marketer"), **more},
        values=values,
        errors=errors or {},
        has_run=run is not None,
        runs=list_runs(agent.key),
        run_status=RUN_STATUS,
        kinds=list(KINDS.items()),
        tones=list(TONES.items()),
        segments=[("", "Choose later"), *((str(one.id), one.name) for one in list_segments())],
        links=list_links(brand),
        completeness=measure_brand(brand),
        count=_count(str(values.get("segment_id") or "")),
        obstacle=obstacle,
        estimate=None if obstacle else estimate_run_cost(agent, task),
        budget=ai.get_budget(),
    )


def _result(agent: Agent, run: AgentRun, *, view: str = "", errors: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the right side shows: the stream, the draft in one of its views, or what went wrong."""
    wanted = view or request.args.get("view", "draft")
    shown: dict[str, Any] = {
        "agent": agent,
        "task": _task_of(agent, run.task),
        "run": run,
        "status": RUN_STATUS[run.state],
        "is_live": run.state not in ENDED,
        "view": wanted if wanted in VIEWS else "draft",
        "envelope": run.result or {},
        "may_write": has_role("marketer"),
        "draft_errors": errors or {},
        "version": None,
    }
    if shown["is_live"] or run.version == 0:
        shown["text"], shown["steps"], shown["number"] = read_stream(run.id)
        return shown
    version = _wanted_version(run)
    versions = list_versions(run.id)
    links = [link.url for link in list_links(get_brand())]
    brief_link = run.brief.get("link")
    older = _older_version(versions, version)
    return shown | {
        "version": version,
        "versions": versions,
        "draft": get_result(run, version),
        "failures": list_failures(run),
        "proposals": [(proposal, find_address(proposal)) for proposal in list_run_proposals(run.id)],
        "link_options": list(dict.fromkeys([*([brief_link] if brief_link else []), *links])),
        "older": older,
        "differences": list_differences(run, older, version) if older and shown["view"] == "diff" else [],
    }


def _wanted_version(run: AgentRun) -> AgentRunVersion:
    wanted = request.args.get("version", "")
    number = int(wanted) if wanted.isdigit() and len(wanted) < 9 else run.version
    return get_version(run.id, number)


def _older_version(versions: list[AgentRunVersion], version: AgentRunVersion) -> AgentRunVersion | None:
    wanted = request.args.get("against", "")
    against = int(wanted) if wanted.isdigit() and len(wanted) < 9 else version.number - 1
    return next((one for one in versions if one.number == against), None)


def _read_draft(run: AgentRun) -> dict[str, Any]:
    """The edit form as a draft's body: a text that was emptied takes its block away."""
    form = request.form
    draft = get_result(run, get_version(run.id, run.version))
    body: dict[str, Any] = draft.model_dump(mode="json")
    body["name"] = form.get("name", body["name"])
    if not isinstance(draft, EmailCampaign):
        return body
    body["preheader"] = form.get("preheader", body["preheader"])
    if "subjects" in form:
        body["subjects"] = [line.strip() for line in form["subjects"].splitlines() if line.strip()]
    chosen = form.get("chosen_subject", "")
    body["chosen_subject"] = int(chosen) - 1 if chosen.isdigit() else body["chosen_subject"]
    body["chosen_subject"] = min(max(body["chosen_subject"], 0), max(len(body["subjects"]) - 1, 0))
    for at, block in enumerate(body["blocks"]):
        for name in ("text", "label", "url"):
            block[name] = form.get(f"blocks-{at}-{name}", block[name])
    body["blocks"] = [
        block
        for block in body["blocks"]
        if block["kind"] == "divider" or block["text"].strip() or block["label"].strip()
    ]
    return body


def _count(segment_id: str) -> Any:
    if not segment_id.isdigit() or len(segment_id) > 12:
        return None
    return count_audience(int(segment_id)) if find_segment(int(segment_id)) is not None else None


def _named(fields: Mapping[str, str]) -> dict[str, str]:
    """Errors with the field's own words where the general sentence would not say which field it is."""
    names = {"goal": "Goal", "offer": "What to tell", "must_include": "Must include", "segment_id": "Segment"}
    return {name: f"{names[name]}: {text}" if name in names else text for name, text in fields.items()}


def _stream(app: Flask, run_id: int, after: int) -> Iterator[str]:
    """Events as they come. Held open while there is a free place; no database connection is kept between two looks."""
    is_held = HELD_STREAMS.acquire(blocking=False)
    try:
        yield f"retry: {300 if is_held else 1000}\n\n"
        until = time.monotonic() + (HOLD_SECONDS if is_held else 0)
        while True:
            with app.app_context():
                state = get_run(run_id).state
                found = [(event.number, _message(event)) for event in list_events(run_id, after)]
            yield from (message for _, message in found)
            after = found[-1][0] if found else after
            if state in ENDED and not found:
                yield f"event: over\ndata: {json.dumps({'state': state})}\n\n"
                return
            if time.monotonic() > until and not (state in ENDED and found):
                return
            if not found:
                yield ": \n\n"
            if state not in ENDED:
                time.sleep(POLL_SECONDS)
    finally:
        if is_held:
            HELD_STREAMS.release()


def _message(event: AgentRunEvent) -> str:
    return f"id: {event.number}\nevent: {event.kind}\ndata: {json.dumps(event.detail)}\n\n"
