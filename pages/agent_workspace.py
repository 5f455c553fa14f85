"""What the workspace's templates are given: the brief's form, the state of a run, its draft in one of its views."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import render_template, request, url_for

import ai
from access import has_role
from agents import get_agent
from agents.actions import find_action
from agents.base import Agent, Task
from agents.drafts import get_result, get_version, list_differences, list_failures, list_versions
from agents.editing import list_edit_fields
from agents.figures import sum_agent_cost_since
from agents.proposals import find_address, list_run_proposals
from agents.runs import ENDED, estimate_run_cost, list_runs, read_stream
from agents.schedules import EVERY, list_schedules
from audience.segments import find_segment, list_segments
from campaigns.audience_count import AudienceCount, count_audience
from campaigns.brand import get_brand, list_links, measure_brand
from campaigns.figures import list_recent_campaigns
from config import current_settings
from creative.assets import list_assets
from errors import NotAllowed, NotFound
from models import AgentRun, AgentRunVersion

VIEWS = ("draft", "edit", "diff", "preview")
MOST_PICTURES = 100
MOST_CAMPAIGNS = 100
RUN_STATUS = {
    "waiting": ("running", "In the queue"),
    "running": ("running", "Writing…"),
    "done": ("success", "Draft ready"),
    "failed": ("danger", "Not finished"),
    "stopped": ("paused", "Stopped"),
}


def show_time(at: datetime | str | None) -> str:
    """A moment of a run as people of the house read it."""
    if at is None:
        return "–"
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    local = moment.astimezone(ZoneInfo(current_settings().timezone))
    return f"{local.day} {local:%b, %H:%M}"


def open_agent(key: str) -> Agent:
    """The agent, for whoever may see it. Raises NotFound, NotAllowed."""
    agent = get_agent(key)
    if not has_role(agent.role):
        raise NotAllowed(f"{agent.label} needs the role {agent.role}.")
    return agent


def run_address(key: str, run_id: int) -> str:
    """The page of a run, at its draft: on a phone that stands below the brief."""
    return url_for("agent_runs.show", key=key, run_id=run_id, _anchor="result")


def task_or_first(agent: Agent, key: str) -> Task[Any, Any]:
    """The agent's task of that key, its first without one. Raises NotFound."""
    task = agent.find_task(key or agent.tasks[0].key)
    if task is None:
        raise NotFound("This agent has no such task.")
    return task


def show_workspace(
    agent: Agent,
    task: Task[Any, Any],
    *,
    values: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    run: AgentRun | None = None,
    view: str = "",
    draft_errors: Mapping[str, str] | None = None,
) -> str:
    """The whole page: brief on the left, draft on the right."""
    budget = ai.get_budget()
    obstacle = ai.find_obstacle()
    settings = current_settings()
    own_left = settings.ai_agent_budget_usd - sum_agent_cost_since(agent.key, budget.since)
    more = describe_run(agent, run, view=view, errors=draft_errors) if run is not None else {}
    return render_template(
        "agents/workspace.html",
        **{"agent": agent, "task": task, "may_write": has_role("marketer"), "every": EVERY, **more},
        values=values,
        errors=errors or {},
        has_run=run is not None,
        runs=list_runs(agent.key),
        run_status=RUN_STATUS,
        options=_options_of(task),
        completeness=measure_brand(get_brand()),
        count=count_people(str(values.get("segment_id") or "")),
        obstacle=obstacle,
        estimate=None if obstacle else estimate_run_cost(agent, task),
        left_usd=max(0.0, min(budget.left_usd, own_left)),
        run_cap_usd=settings.ai_run_budget_usd,
        schedules=list_schedules(agent.key),
    )


def describe_run(
    agent: Agent, run: AgentRun, *, view: str = "", errors: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What the right side shows: the stream, the draft in one of its views, or what went wrong."""
    task = task_or_first(agent, run.task)
    wanted = view or request.args.get("view", "draft")
    shown: dict[str, Any] = {
        "agent": agent,
        "task": task,
        "run": run,
        "status": RUN_STATUS[run.state],
        "is_live": run.state not in ENDED,
        "view": wanted if wanted in VIEWS else "draft",
        "envelope": run.result or {},
        "may_write": has_role("marketer"),
        "draft_errors": errors or {},
        "version": None,
        "every": EVERY,
    }
    if shown["is_live"] or run.version == 0:
        shown["text"], shown["steps"], shown["number"] = read_stream(run.id)
        return shown
    version = wanted_version(run)
    versions = list_versions(run.id)
    draft = get_result(run, version)
    older = _older_version(versions, version)
    return shown | {
        "version": version,
        "versions": versions,
        "draft": draft,
        "blocks": [] if task.form else task.show(draft),
        "edit_fields": [] if task.form else list_edit_fields(task, draft),
        "link_options": _link_options(run),
        "failures": list_failures(run),
        "proposed": _list_proposed(run),
        "proposals": [(proposal, find_address(proposal)) for proposal in list_run_proposals(run.id)],
        "older": older,
        "differences": list_differences(run, older, version) if older and shown["view"] == "diff" else [],
    }


def wanted_version(run: AgentRun) -> AgentRunVersion:
    """The version that the address asks for, the current one without. Raises NotFound."""
    wanted = request.args.get("version", "")
    number = int(wanted) if wanted.isdigit() and len(wanted) < 9 else run.version
    return get_version(run.id, number)


def count_people(segment_id: str) -> AudienceCount | None:
    """How many people a chosen segment means; None without one."""
    if not segment_id.isdigit() or len(segment_id) > 12:
        return None
    return count_audience(int(segment_id)) if find_segment(int(segment_id)) is not None else None


def name_errors(task: Task[Any, Any], errors: Mapping[str, str]) -> dict[str, str]:
    """Errors with the field's own words, so that the summary says which field each is of."""
    labels = {field.name: field.ask.label for field in task.fields}
    return {name: f"{labels[name]}: {text}" if name in labels else text for name, text in errors.items()}


def _options_of(task: Task[Any, Any]) -> dict[str, list[tuple[str, str]]]:
    """What the choices of the brief's form offer, by field."""
    options: dict[str, list[tuple[str, str]]] = {}
    for field in task.fields:
        kind = field.ask.kind
        if kind == "choice":
            options[field.name] = list(field.ask.choices)
        elif kind == "segment":
            nobody = "Everybody" if field.ask.hint else "Choose later"
            options[field.name] = [("", nobody), *((str(one.id), one.name) for one in list_segments())]
        elif kind == "campaign":
            campaigns = list_recent_campaigns(MOST_CAMPAIGNS)
            options[field.name] = [("", "All of them"), *((str(one.id), one.name) for one in campaigns)]
        elif kind == "picture":
            pictures = list_assets(limit=MOST_PICTURES)
            options[field.name] = [("", "None"), *((str(one.id), one.name) for one in pictures)]
    return options


def _list_proposed(run: AgentRun) -> list[dict[str, Any]]:
    """What the current version would do, each with the word for its button."""
    found = []
    for one in (run.result or {}).get("proposed", []):
        action = find_action(one["action"])
        if action is not None:
            found.append({**one, "accept": action.accept, "may_accept": has_role(action.role), "role": action.role})
    return found


def _link_options(run: AgentRun) -> list[str]:
    brief_link = run.brief.get("link")
    links = [link.url for link in list_links(get_brand())]
    return list(dict.fromkeys([*([brief_link] if brief_link else []), *links]))


def _older_version(versions: list[AgentRunVersion], version: AgentRunVersion) -> AgentRunVersion | None:
    wanted = request.args.get("against", "")
    against = int(wanted) if wanted.isdigit() and len(wanted) < 9 else version.number - 1
    return next((one for one in versions if one.number == against), None)
