"""The plan for a quarter: objectives whose baseline and target are computed, initiatives, risks."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Card, Cards, Table, Text
from agents.parts.brief_fields import Ask, Line, Name, Told, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.result_parts import Lines, Part, show_lines
from agents.parts.task_proposals import make_task_entry, propose_tasks
from agents.sources.marketing import read_audience, read_brand, read_campaigns, read_segments, read_weeks
from agents.sources.readings import Reading, gather, make_reading, shown
from config import current_settings

# A quarter's stretch that a small team reaches: a tenth more of what grows, a tenth less of what should shrink.
STRETCH_PERCENT = 10
DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")


class PlanBrief(Part):
    """What matters this quarter."""

    focus: Annotated[Line, Ask("What matters most this quarter?", "One sentence.")]
    dates: Annotated[
        Told,
        Ask("Dates and events", "One in each line; a date such as 2026-11-30 goes on the calendar.", "text", rows=4),
    ] = ""
    budget: Annotated[Told, Ask("Budget and people", "What there is, in your own words.", "text", rows=2)] = ""


class Initiative(Part):
    """Something to do: through which channel, when, and what it moves."""

    title: Name
    channel: Name
    when: Line
    text: Words


class PlanAnswer(Part):
    """What the model writes; the objectives' figures are computed."""

    theme: Words
    initiatives: Annotated[list[Initiative], Field(min_length=2, max_length=8)]
    risks: Lines
    first_week: Lines


class Objective(Part):
    """A figure to move, from where to where, until when."""

    kpi: str
    baseline: str
    target: str
    due: str


class QuarterlyPlan(PlanAnswer):
    """The whole result."""

    objectives: list[Objective]


def read(_brief: PlanBrief) -> Context:
    """The figures, and what they would be a tenth better."""
    audience, campaigns = read_audience(), read_campaigns()
    targets = _read_targets(audience.facts["audience"], campaigns.facts["all_campaigns"])
    return gather(
        (read_brand(), 0.3),
        (audience, 0.25),
        (campaigns, 0.3),
        (targets, 0.0),
        (read_segments(), 0.1),
        (read_weeks(), 0.05),
    )


def end_of_quarter(today: date) -> date:
    """The last day of the quarter after the first two weeks of which one still plans for it, else of the next."""
    month = 3 * ((today.month - 1) // 3) + 3
    end = date(today.year, month, calendar.monthrange(today.year, month)[1])
    if (end - today).days >= 30:
        return end
    year, month = (today.year + 1, 3) if month == 12 else (today.year, month + 3)
    return date(year, month, calendar.monthrange(year, month)[1])


def _read_targets(audience: dict[str, Any], sent: dict[str, Any]) -> Reading:
    due = end_of_quarter(datetime.now(ZoneInfo(current_settings().timezone)).date())
    wanted = [
        ("Subscribed contacts", audience["subscribed"], "", 1),
        ("New contacts in a quarter", audience["added_last_90_days"], "", 1),
        ("Clicked", sent["clicked_percent"], "%", 1),
        ("Never seen", audience["never_seen"], "", -1),
    ]
    rows = [
        {"kpi": kpi, "baseline": shown(number, unit), "target": _target(number, unit, way), "due": f"{due:%Y-%m-%d}"}
        for kpi, number, unit, way in wanted
    ]
    how = f"{STRETCH_PERCENT}% better than today, until the end of the quarter"
    return make_reading("targets", "Targets", f"{len(rows)} objectives", {"objectives": rows}, how=how)


def _target(number: float | None, unit: str, way: int) -> str:
    if not number:
        return "a first figure"
    better = number * (1 + way * STRETCH_PERCENT / 100)
    return shown(round(better, 1) if unit else round(better), unit)


def complete(_brief: PlanBrief, context: Context, answer: PlanAnswer) -> QuarterlyPlan:
    """The words with the objectives."""
    return QuarterlyPlan(**answer.model_dump(), objectives=context.facts["objectives"])


def playbook(brief: PlanBrief, context: Context) -> PlanAnswer:
    """A plan of the basics, with the dates of the brief as initiatives of their own."""
    audience = context.facts["audience"]
    company = str(context.facts["brand"]["company"]) or "the house"
    dated = [
        Initiative(
            title=line[:80],
            channel="E-mail",
            when="At its date",
            text=f"Announce it, remind once, say thank you: {line}."[:700],
        )
        for line in lines_of(brief.dates)[:4]
    ]
    steady = Initiative(
        title="A letter in a steady rhythm",
        channel="E-mail",
        when="Every other week",
        text="One thing in each letter, so that people know what they open. Readers first, offers second.",
    )
    quiet = Initiative(
        title="An honest question to the quiet",
        channel="E-mail",
        when="In the first month",
        text=f"{audience['quiet_or_lost']:,} subscribers were not seen for three months. Ask once, then write less.",
    )
    form = Initiative(
        title="One more door in",
        channel="Website",
        when="In the first month",
        text="A form where people already are, with one sentence that says what they get and how often.",
    )
    return PlanAnswer(
        theme=f"{brief.focus.rstrip('.')}. Everything that {company} does this quarter is measured by that.",
        initiatives=[*dated, steady, quiet, form][:8],
        risks=[
            "Too many things at once: stop the last one on the list before the first.",
            "Figures of few messages swing; look at them monthly, not daily.",
        ],
        first_week=[
            "Put the dates in a calendar that everybody sees.",
            "Have the first letter drafted by Email & CRM.",
            "Say who looks at the objectives, and when.",
        ],
    )


def check(_brief: PlanBrief, context: Context, _plan: QuarterlyPlan) -> list[Check]:
    """Whether there is a baseline at all."""
    bare = [row["kpi"] for row in context.facts["objectives"] if row["target"] == "a first figure"]
    if bare:
        return [Check("baseline", "Baselines", "warn", f"There is no baseline yet for {', '.join(bare).lower()}.")]
    return [Check("baseline", "Baselines", "pass", "Every objective has a baseline of your own data.")]


def propose(_brief: PlanBrief, context: Context, plan: QuarterlyPlan) -> list[ProposedAction]:
    """What has a day: the initiatives that name one, and the end of the quarter with its targets."""
    due = date.fromisoformat(context.facts["objectives"][0]["due"])
    targets = "\n".join(f"{one.kpi}: from {one.baseline} to {one.target}" for one in plan.objectives)
    entries = [
        {"title": one.title[:120], "detail": one.text, "starts_on": day.isoformat()}
        for one in plan.initiatives
        if (day := _find_day(f"{one.when} {one.title}")) is not None
    ]
    entries.append({"title": "End of the quarter: the objectives", "detail": targets, "starts_on": due.isoformat()})
    return [
        ProposedAction(
            action="add_calendar_entries",
            title="The quarter’s dates on the calendar",
            payload={"entries": entries, "made_by": "Brand & Strategy"},
            reason=plan.theme[:300],
            effect="Everybody sees them beside what goes out. Nothing goes out by itself on them.",
            slot="dates",
        ),
        *propose_tasks(
            "Brand & Strategy",
            [make_task_entry(line, "", due_in_days=7) for line in plan.first_week],
            "A plan begins in its first week.",
        ),
    ]


def _find_day(words: str) -> date | None:
    """The first day that is written as 2026-11-30, and has not passed."""
    for found in DAY.findall(words):
        try:
            day = date.fromisoformat(found)
        except ValueError:
            continue
        if day >= datetime.now(ZoneInfo(current_settings().timezone)).date():
            return day
    return None


def show(plan: QuarterlyPlan) -> list[Block]:
    """The plan for page and document."""
    cards = [Card(one.title, one.text, (("Channel", one.channel), ("When", one.when))) for one in plan.initiatives]
    return [
        Text(plan.theme, "Theme"),
        Table(
            "Objectives",
            ("Objective", "Today", "Target", "Until"),
            [(one.kpi, one.baseline, one.target, one.due) for one in plan.objectives],
            frozenset({1, 2}),
        ),
        Cards(cards, "Initiatives"),
        *show_lines(plan.risks, "Risks"),
        *show_lines(plan.first_week, "In the first week"),
    ]


QUARTERLY_PLAN = make_task(
    key="quarterly_plan",
    label="Quarterly plan",
    verb="Plan the quarter",
    job="Plan a marketing quarter for a small team. The objectives with baseline, target and date are computed and "
    "stand in the data: do not repeat or change their figures. theme: what the quarter is about. initiatives: "
    "two to eight, each with its channel, when, and what it moves; the dates of the brief first. risks. "
    "first_week: what happens at once. Plan only what the budget and people of the brief allow.",
    brief=PlanBrief,
    answer=PlanAnswer,
    result=QuarterlyPlan,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    propose=propose,
    show=show,
    summarise=lambda plan: f"{len(plan.objectives)} objectives, {len(plan.initiatives)} initiatives.",
    assume=lambda brief, _context: [
        "A target is a tenth better than today; change it where you know more.",
        *([] if brief.budget else ["You named no budget, so nothing that costs money is planned."]),
    ],
    examples=(
        BriefExample("More first orders", "Growth.", {"focus": "More people order for the first time"}),
        BriefExample(
            "Two events",
            "A quarter around dates.",
            {"focus": "Fill our two events", "dates": "Tasting on the first Saturday\nHarvest day"},
        ),
        BriefExample(
            "Keep who is there", "Retention.", {"focus": "Keep the people who know us", "budget": "One person"}
        ),
    ),
    longest_answer_tokens=3000,
)
