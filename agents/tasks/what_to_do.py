"""What to do now: from figures of campaigns under way to a pause, another hour, or nothing at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Table, Text
from agents.parts.brief_fields import Ask, Told, Words
from agents.parts.documents import make_task
from agents.parts.result_parts import Part, Step, show_steps, summarise_list
from agents.sources.analytics import read_campaigns_under_way, read_periods
from agents.sources.marketing import read_audience
from agents.sources.readings import gather, shown
from agents.tasks.campaign.brief import WEEKDAYS
from agents.tasks.campaign.context import USUAL_TIME, read_hours
from campaigns.drafting import get_campaign
from config import current_settings
from errors import NotFound

# From these shares on it is wiser to stop and look than to go on.
MANY_FAILED_PERCENT, MANY_LEFT_PERCENT = 20.0, 2.0


class DoBrief(Part):
    """What a person is after."""

    aim: Annotated[Told, Ask("What are you after?", "More clicks, fewer unsubscribes, a calm week.", "text")] = ""


class DoAnswer(Part):
    """What the model words."""

    reading: Words
    steps: Annotated[list[Step], Field(min_length=1, max_length=6)]


class Advice(DoAnswer):
    """The whole result."""

    rows: list[list[str]]


def read(_brief: DoBrief) -> Context:
    """Campaigns under way, the last periods, the audience, and when people click."""
    return gather((read_campaigns_under_way(), 0.3), (read_periods(), 0.4), (read_audience(), 0.2), (read_hours(), 0.1))


def complete(_brief: DoBrief, context: Context, answer: DoAnswer) -> Advice:
    """The words with what is under way."""
    rows = [
        [
            one["campaign"],
            one["state"],
            shown(one["sent"]),
            _share(one["failed_percent"]),
            _share(one["left_percent"]),
            one["scheduled_for"] or "–",
        ]
        for one in context.facts["under_way"]
    ]
    return Advice(**answer.model_dump(), rows=rows)


def playbook(_brief: DoBrief, context: Context) -> DoAnswer:
    """Rules: what goes badly is stopped, what waits gets a good hour, what is quiet is asked."""
    facts = context.facts
    steps = [
        Step(title=f"Pause “{one['campaign']}”"[:80], why=_reason(one))
        for one in facts["under_way"]
        if _goes_badly(one)
    ]
    time = facts["send_time"]
    waiting = [one for one in facts["under_way"] if one["scheduled_for"]]
    if waiting and time != USUAL_TIME.model_dump():
        why = f"{time['reason']} Campaigns that wait could go out then."
        steps.append(Step(title="Send when people click", why=why[:700]))
    audience = facts["audience"]
    if audience["quiet_or_lost"]:
        why = (
            f"{audience['quiet_or_lost']:,} subscribers were not seen for three months. The retention agent drafts it."
        )
        steps.append(Step(title="Ask the quiet ones", why=why))
    changed = [one for one in facts["kpis"] if one["is_more_than_chance"] == one["is_worse"] == "yes"]
    steps += [
        Step(
            title=f"Look into “{one['kpi']}”",
            why=f"It went from {one['before_percent']}% to {one['percent']}%, more than chance.",
        )
        for one in changed
    ]
    if not steps:
        steps = [Step(title="Nothing today", why="Nothing goes badly and nothing waits. A calm day is a result, too.")]
        return DoAnswer(reading="Nothing under way needs a hand.", steps=steps)
    return DoAnswer(
        reading=f"{len(facts['under_way'])} campaigns are under way or wait. The most urgent step comes first.",
        steps=steps[:6],
    )


def _goes_badly(one: dict[str, Any]) -> bool:
    is_failing = (one["failed_percent"] or 0) >= MANY_FAILED_PERCENT or (one["left_percent"] or 0) >= MANY_LEFT_PERCENT
    return one["state"] == "sending" and is_failing


def _reason(one: dict[str, Any]) -> str:
    return (
        f"{_share(one['failed_percent'])} of its messages failed and {_share(one['left_percent'])} of its readers left."
    )


def _share(percent: float | None) -> str:
    return shown(percent, "%")


def check(_brief: DoBrief, context: Context, advice: Advice) -> list[Check]:
    """Whether what goes badly is spoken of."""
    bad = [one["campaign"] for one in context.facts["under_way"] if _goes_badly(one)]
    words = " ".join([advice.reading, *(f"{step.title} {step.why}" for step in advice.steps)]).lower()
    missed = [name for name in bad if name.lower()[:60] not in words]
    if missed:
        return [Check("urgent", "What goes badly", "fail", f"“{missed[0]}” goes badly, and nothing is said about it.")]
    return [Check("urgent", "What goes badly", "pass", "Everything that goes badly is spoken of.")]


def propose(_brief: DoBrief, context: Context, _advice: Advice) -> list[ProposedAction]:
    """A pause of what goes badly; a better hour for what waits."""
    ids: dict[str, int] = context.kept["under_way_ids"]
    found = []
    for one in context.facts["under_way"]:
        campaign_id = ids[one["campaign"]]
        if _goes_badly(one):
            payload: dict[str, Any] = {"campaign_id": campaign_id, "reason": _reason(one)}
            effect = "Nothing more of it leaves until somebody resumes it. What was sent stays sent."
            title = f"Pause “{one['campaign']}”"
            found.append(ProposedAction("pause_campaign", title, payload, _reason(one), effect, f"pause-{campaign_id}"))
        elif one["scheduled_for"]:
            found += _propose_hour(one["campaign"], campaign_id, context.facts["send_time"])
    return found


def _propose_hour(name: str, campaign_id: int, send_time: dict[str, Any]) -> list[ProposedAction]:
    if send_time == USUAL_TIME.model_dump():
        return []
    try:
        planned = get_campaign(campaign_id).scheduled_at
    except NotFound:
        return []
    at = next_time(send_time["weekday"], send_time["hour"])
    if planned is None or planned < datetime.now(UTC) or abs((planned - at).total_seconds()) < 3 * 3600:
        return []
    payload = {"campaign_id": campaign_id, "at": at.isoformat()}
    local = at.astimezone(ZoneInfo(current_settings().timezone))
    title = f"Send “{name}” on {local:%A} at {local:%H:%M}"
    effect = "Only its time changes. People clicked most in the hour after it."
    return [ProposedAction("reschedule_campaign", title, payload, send_time["reason"], effect, f"hour-{campaign_id}")]


def next_time(weekday: str, hour: int) -> datetime:
    """The next such hour of such a day that is at least an hour away."""
    zone = ZoneInfo(current_settings().timezone)
    soon = datetime.now(zone) + timedelta(hours=1)
    days = (WEEKDAYS.index(weekday) - soon.weekday()) % 7
    at = (soon + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
    return (at if at > soon else at + timedelta(days=7)).astimezone(UTC)


def show(advice: Advice) -> list[Block]:
    """The advice for page and document."""
    columns = ("Campaign", "State", "Sent", "Failed", "Left", "Planned for")
    return [
        Text(advice.reading, "In short"),
        show_steps(advice.steps),
        Table("Under way", columns, advice.rows, frozenset({2, 3, 4}), "No campaign is under way or waits."),
    ]


WHAT_TO_DO = make_task(
    key="what_to_do",
    label="What to do",
    verb="Say what to do now",
    job="Advise what to do now about campaigns. Every campaign that fails much or that many leave must be spoken of "
    "by its name. reading: two or three sentences. steps: the most urgent first, each with its reason in figures "
    "of the data. 'Nothing today' is a good answer where nothing goes badly. Keep the brief's aim in mind.",
    brief=DoBrief,
    answer=DoAnswer,
    result=Advice,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    propose=propose,
    show=show,
    summarise=lambda advice: summarise_list(len(advice.steps), "step", advice.steps[0].title),
    examples=(
        BriefExample("Each morning", "What needs a hand?", {"aim": ""}),
        BriefExample("More clicks", "What would help most?", {"aim": "More clicks in the next letter"}),
        BriefExample("Fewer goodbyes", "Why do people leave?", {"aim": "Fewer people should unsubscribe"}),
    ),
    uses_brand=False,
)
