"""The dashboard: where things stand, what waits for a person, and the way into each of the eleven agents.

The frame comes at once; each slow panel is a fragment of its own address, so that one that fails fails alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Blueprint, render_template, request

from agents import AGENTS
from agents.base import Agent
from agents.figures import (
    AgentState,
    count_waiting_proposals,
    list_agent_states,
    list_waiting_proposals,
    sum_ai_cost_since,
)
from audience.figures import count_contacts, count_contacts_since, count_dead_bodies
from campaigns.figures import (
    Total,
    Week,
    get_totals,
    list_paused_channels,
    list_recent_campaigns,
    list_stuck_campaigns,
    list_weeks,
    sum_period,
)
from campaigns.first_steps import Step, list_first_steps
from config import current_settings
from lib.charts import Chart, Series, bar_chart, line_chart
from models import AgentRun

page = Blueprint("dashboard", __name__)

MOST_PROPOSALS = 3
MOST_CAMPAIGNS = 6
MOST_STUCK = 5
RUN_STATUS = {
    "waiting": ("running", "In the queue"),
    "running": ("running", "Working…"),
    "done": ("success", "Done"),
    "failed": ("danger", "Failed"),
    "stopped": ("paused", "Stopped"),
}
CAMPAIGN_STATUS = {
    "draft": ("neutral", "Draft"),
    "scheduled": ("info", "Scheduled"),
    "sending": ("running", "Sending"),
    "paused": ("paused", "Paused"),
    "finished": ("success", "Finished"),
    "cancelled": ("neutral", "Cancelled"),
}


@dataclass(frozen=True)
class Figure:
    """One of the four figures at the top."""

    label: str
    value: str
    note: str
    endpoint: str
    change: str = ""
    change_kind: str = "flat"


@dataclass(frozen=True)
class AgentTile:
    """What an agent's tile shows."""

    agent: Agent
    state: tuple[str, str]
    meta: str
    is_running: bool


@dataclass(frozen=True)
class Attention:
    """Something that a person should look at."""

    kind: str
    title: str
    text: str
    endpoint: str


@page.get("/")
def index() -> str:
    """The frame, the figures or the first steps, and the tiles."""
    now = datetime.now(UTC)
    steps = list_first_steps()
    contact_count = count_contacts()
    is_new = contact_count == 0 and any(step.state == "open" for step in steps)
    waiting_count = count_waiting_proposals()
    tiles = _make_tiles(now)
    return render_template(
        "dashboard/index.html",
        sentence=_sentence(contact_count, waiting_count, sum(tile.is_running for tile in tiles)),
        steps=_mark_next(steps) if is_new else [],
        figures=[] if is_new else _make_figures(now, contact_count),
        open_steps=0 if is_new else sum(step.state == "open" for step in steps),
        tiles=tiles,
    )


@page.get("/dashboard/approvals")
def approvals() -> str:
    """The panel of proposals that wait for a person."""
    return _panel("approvals", "Waiting for you", proposals=list_waiting_proposals(MOST_PROPOSALS), ago=_ago)


@page.get("/dashboard/attention")
def attention() -> str:
    """The panel of things that do not go as they should."""
    return _panel("attention", "Needs attention", items=_list_attention())


@page.get("/dashboard/weeks")
def weeks() -> str:
    """The panel of the last eight weeks."""
    found = list_weeks(datetime.now(UTC))
    sent, rates = _draw_weeks(found)
    has_sent = any(week.total.sent for week in found)
    return _panel("weeks", "Last eight weeks", sent=sent, rates=rates, has_sent=has_sent)


@page.get("/dashboard/campaigns")
def campaigns() -> str:
    """The panel of campaigns that were touched last."""
    recent = list_recent_campaigns(MOST_CAMPAIGNS)
    totals = get_totals(recent)
    return _panel("campaigns", "Recent campaigns", campaigns=recent, totals=totals, status_of=CAMPAIGN_STATUS, ago=_ago)


def _panel(name: str, title: str, **values: object) -> str:
    """A panel as the fragment that the dashboard asks for, or as a page of its own for a browser without script."""
    template = f"dashboard/{name}.html"
    if request.headers.get("HX-Request"):
        return render_template(template, level=3, **values)
    return render_template("dashboard/panel.html", fragment=template, title=title, level=2, **values)


def _sentence(contact_count: int, waiting_count: int, running_count: int) -> str:
    if contact_count == 0:
        return "Five steps, and the first campaign is on its way."
    parts = []
    if waiting_count:
        parts.append("One proposal waits for you" if waiting_count == 1 else f"{waiting_count} proposals wait for you")
    if running_count:
        parts.append("one agent is at work" if running_count == 1 else f"{running_count} agents are at work")
    if not parts:
        return "Nothing waits for you."
    sentence = ", ".join(parts) + "."
    return sentence[0].upper() + sentence[1:]


def _make_figures(now: datetime, contact_count: int) -> list[Figure]:
    period, before = sum_period(now), sum_period(now, periods_back=1)
    arrived = count_contacts_since(now - timedelta(days=7))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent, budget = sum_ai_cost_since(midnight), current_settings().ai_daily_budget_usd
    return [
        Figure(
            "Contacts",
            f"{contact_count:,}",
            "this week" if arrived else "none new this week",
            "contacts.index",
            change=f"+{arrived:,}" if arrived else "",
            change_kind="up",
        ),
        _rate_figure("Delivered", period.delivered_percent, before.delivered_percent, period),
        _rate_figure("Clicked", period.clicked_percent, before.clicked_percent, period),
        Figure("AI spend today", f"${spent:,.2f}", f"of ${budget:,.2f}", "agents.index"),
    ]


def _rate_figure(label: str, percent: float | None, before: float | None, total: Total) -> Figure:
    if percent is None:
        return Figure(label, "–", "nothing sent in 28 days", "campaigns.index")
    note = f"of {total.sent:,} in 28 days"
    if before is None or abs(percent - before) < 0.05:
        return Figure(label, f"{percent:.1f}%", note, "campaigns.index")
    kind = "up" if percent > before else "down"
    return Figure(
        label, f"{percent:.1f}%", note, "campaigns.index", f"{percent - before:+.1f} points".replace("-", "−"), kind
    )


def _make_tiles(now: datetime) -> list[AgentTile]:
    states = list_agent_states([agent.key for agent in AGENTS])
    return [_make_tile(agent, states[agent.key], now) for agent in AGENTS]


def _make_tile(agent: Agent, state: AgentState, now: datetime) -> AgentTile:
    is_running = state.run is not None and state.run.state in ("waiting", "running")
    if is_running and state.run is not None:
        status = RUN_STATUS[state.run.state]
    elif state.waiting_count:
        status = ("waiting", f"{state.waiting_count} to approve")
    else:
        status = RUN_STATUS[state.run.state] if state.run is not None else ("info", "Ready")
    return AgentTile(agent, status, _last_run(state.run, now), is_running)


def _last_run(run: AgentRun | None, now: datetime) -> str:
    return f"Last run {_ago(run.finished_at or run.created_at, now)}" if run is not None else "Not run yet"


def _ago(moment: datetime, now: datetime | None = None) -> str:
    seconds = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    if seconds < 60:
        return "just now"
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return ""


def _mark_next(steps: list[Step]) -> list[tuple[Step, str]]:
    """Each step with its state on the checklist; the first open one is the next."""
    marked = []
    is_next_given = False
    for step in steps:
        state = "todo" if step.state == "open" else "done"
        if state == "todo" and not is_next_given:
            state, is_next_given = "current", True
        marked.append((step, state))
    return marked


def _list_attention() -> list[Attention]:
    settings = current_settings()
    items = [
        Attention("danger", f"{channel.channel.title()} is paused", channel.reason or "", "channels.index")
        for channel in list_paused_channels()
    ]
    items += [
        Attention("warn", f"{campaign.name} is paused", campaign.pause_reason or "By a person.", "campaigns.index")
        for campaign in list_stuck_campaigns(MOST_STUCK)
    ]
    if dead := count_dead_bodies():
        title = "One body in the inbox became nothing" if dead == 1 else f"{dead:,} bodies in the inbox became nothing"
        items.append(Attention("warn", title, "Edit and replay them.", "webhook_inbox.index"))
    needed = (("sender", settings.mail_from), ("postal address", settings.postal_address))
    if missing := " and ".join(name for name, value in needed if not value):
        items.append(Attention("warn", f"No {missing} yet", "Sending stays blocked until it is set.", "channels.index"))
    if not settings.smtp_url:
        items.append(Attention("info", "Mail goes to the test outbox", "Nothing leaves this machine.", "outbox.index"))
    return items


def _draw_weeks(found: list[Week]) -> tuple[Chart, Chart]:
    labels = [f"{week.starts_at.day} {week.starts_at:%b}" for week in found]
    totals = [week.total for week in found]
    sent = bar_chart("Messages sent", labels, [Series("Sent", [total.sent for total in totals])], heading="Week of")
    rates = line_chart(
        "Opened and clicked by people",
        labels,
        [
            Series("Opened", [_rounded(week.settled.opened_percent) for week in found]),
            Series("Clicked", [_rounded(week.settled.clicked_percent) for week in found]),
        ],
        unit="%",
        heading="Week of",
    )
    return sent, rates


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 1)
