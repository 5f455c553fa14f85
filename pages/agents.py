"""The agents: their tiles, a workspace for each, what runs on the clock. A run's own pages are in agent_runs.py."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from agents import AGENTS
from agents.figures import list_agent_states
from agents.runs import Way, read_brief, start_run
from agents.schedules import change_schedule, delete_schedule, get_schedule
from errors import InputInvalid
from lib.light_markdown import render_light_markdown
from pages.agent_workspace import (
    RUN_STATUS,
    count_people,
    name_errors,
    open_agent,
    run_address,
    show_time,
    show_workspace,
    task_or_first,
)

page = Blueprint("agents", __name__)

page.add_app_template_filter(render_light_markdown, "light_markdown")
page.add_app_template_global(show_time, "agent_time")


@page.get("/")
def index() -> str:
    """The eleven agents."""
    states = list_agent_states([agent.key for agent in AGENTS])
    return render_template("agents/index.html", agents=AGENTS, states=states, run_status=RUN_STATUS)


@page.get("/<key>")
def workspace(key: str) -> ResponseReturnValue:
    """An agent's workspace with an empty brief, or with one of the examples."""
    agent = open_agent(key)
    task = task_or_first(agent, request.args.get("task", ""))
    values = {field.name: request.args.get(field.name, field.default)[:3000] for field in task.fields}
    example = request.args.get("example", "")
    if example.isdigit() and int(example) < len(task.examples):
        values |= dict(task.examples[int(example)].values)
    return show_workspace(agent, task, values=values)


@page.post("/<key>/runs")
def start(key: str) -> ResponseReturnValue:
    """Starts a run from the brief."""
    agent = open_agent(key)
    task = task_or_first(agent, request.form.get("task", ""))
    try:
        brief = read_brief(task, request.form)
    except InputInvalid as error:
        return show_workspace(agent, task, values=request.form, errors=name_errors(task, error.fields)), 422
    way: Way = "playbook" if request.form.get("way") == "playbook" else "model"
    run = start_run(agent, task, brief, user_id=current_user.id, way=way)
    return redirect(run_address(key, run.id), 303)


@page.get("/<key>/audience")
def audience(key: str) -> str:
    """How many people the chosen segment means, as a fragment."""
    open_agent(key)
    return render_template("agents/_audience.html", count=count_people(request.args.get("segment_id", "")))


@page.post("/<key>/schedules/<int:schedule_id>")
def change(key: str, schedule_id: int) -> ResponseReturnValue:
    """Pauses a schedule, lets it go on, or deletes it."""
    task = get_schedule(schedule_id, open_agent(key).key).task
    wanted = request.form.get("do", "")
    if wanted == "delete":
        delete_schedule(schedule_id)
        flash("The schedule is deleted. The runs it made stay.", "success")
    else:
        change_schedule(schedule_id, is_active=wanted == "resume")
        flash("It runs on the clock again." if wanted == "resume" else "The schedule is paused.", "success")
    return redirect(url_for("agents.workspace", key=key, task=task, _anchor="clock"), 303)
