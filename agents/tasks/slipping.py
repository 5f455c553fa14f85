"""Who is slipping: a score for everybody who gets mail, made of drivers that are said, and a segment to act on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import case, func, select

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Table, Text
from agents.parts.brief_fields import Ask, Line, Told, Words
from agents.parts.documents import make_task
from agents.parts.result_parts import Part, ShownFigure, Step, Steps, make_figure, show_figures, show_steps
from agents.parts.segment_proposals import SUBSCRIBED, all_of, propose_segment, rule
from agents.sources.marketing import LISTENING_DAYS, QUIET_DAYS, read_audience, read_brand, read_campaigns
from agents.sources.readings import Reading, gather, make_reading, percent_of
from extensions import db
from models import Contact, Message, TrackingEvent

AGENT_NAME = "Customer Retention & Loyalty"
# Points of a hundred. What somebody last did weighs most, then whether they used to click, then mail without an echo.
POINTS = {"silence": 50, "lost_habit": 20, "unanswered": 30}
HIGH, MEDIUM = 60, 30
UNANSWERED_MOST = 5
DRIVERS = {
    "silence": "Has not opened or clicked for a while",
    "lost_habit": "Used to click, and does not any more",
    "unanswered": "Got several messages in a row without opening one",
}


class SlippingBrief(Part):
    """What a person knows that LUX does not."""

    about: Annotated[Told, Ask("What happened lately?", "A price change, a pause, a new rhythm.", "text", rows=3)] = ""


class SlippingAnswer(Part):
    """What the model words: the scores are computed."""

    reading: Words
    why: Annotated[list[Line], Field(min_length=1, max_length=6)]
    steps: Steps


class Band(Part):
    """Everybody with a score in a range."""

    name: str
    points: str
    contacts: int
    percent: float | None


class Driver(Part):
    """A reason for points, and how many people have it."""

    name: str
    most_points: int
    contacts: int


class RiskReport(SlippingAnswer):
    """The whole result."""

    figures: list[ShownFigure]
    bands: list[Band]
    drivers: list[Driver]


def read(_brief: SlippingBrief) -> Context:
    """The scores, the audience and how campaigns went."""
    return gather((_read_risk(), 0.6), (read_audience(), 0.2), (read_campaigns(), 0.15), (read_brand(), 0.05))


def _read_risk() -> Reading:
    """Everybody who is subscribed and got a message in the last half year, scored in one statement."""
    now = datetime.now(UTC)
    seen = func.greatest(Contact.opened_at, Contact.clicked_at)
    silent_days = func.extract("epoch", now - func.coalesce(seen, Contact.created_at)) / 86400
    sent = (
        select(Message.contact_id, func.max(Message.finished_at).label("last_at"), func.count().label("messages"))
        .where(Message.state == "sent", Message.finished_at >= now - timedelta(days=2 * QUIET_DAYS))
        .group_by(Message.contact_id)
        .subquery()
    )
    unanswered = (
        select(Message.contact_id, func.count().label("messages"))
        .join(Contact, Contact.id == Message.contact_id)
        .where(Message.state == "sent", Message.finished_at > func.coalesce(seen, Contact.created_at))
        .group_by(Message.contact_id)
        .subquery()
    )
    clicked = select(TrackingEvent.contact_id).where(
        TrackingEvent.kind == "click",
        TrackingEvent.actor == "human",
        TrackingEvent.at < now - timedelta(days=QUIET_DAYS),
    )
    span = QUIET_DAYS - LISTENING_DAYS
    silence = func.least(1.0, func.greatest(0.0, (silent_days - LISTENING_DAYS) / span)) * POINTS["silence"]
    echo = func.least(1.0, func.coalesce(unanswered.c.messages, 0) / (1.0 * UNANSWERED_MOST)) * POINTS["unanswered"]
    has_lost_habit = Contact.id.in_(clicked) & (silent_days > LISTENING_DAYS)
    habit = case((has_lost_habit, POINTS["lost_habit"]), else_=0)
    scored = (
        select(
            (silence + echo + habit).label("score"),
            (silent_days > LISTENING_DAYS).label("silence"),
            has_lost_habit.label("lost_habit"),
            (func.coalesce(unanswered.c.messages, 0) >= 2).label("unanswered"),
        )
        .join(sent, sent.c.contact_id == Contact.id)
        .outerjoin(unanswered, unanswered.c.contact_id == Contact.id)
        .where(Contact.subscription == "subscribed")
        .subquery()
    )
    row = db.session.execute(
        select(
            func.count().label("scored"),
            func.count().filter(scored.c.score >= HIGH).label("high"),
            func.count().filter(scored.c.score >= MEDIUM, scored.c.score < HIGH).label("medium"),
            func.count().filter(scored.c.score < MEDIUM).label("low"),
            *(func.count().filter(scored.c[name]).label(name) for name in DRIVERS),
        )
    ).one()
    risk: dict[str, Any] = dict(row._mapping)
    for name in ("high", "medium", "low"):
        risk[f"{name}_percent"] = percent_of(risk[name], risk["scored"])
    facts = {
        "risk": risk,
        "points": {**POINTS, "high_from": HIGH, "medium_from": MEDIUM},
        "scale": "high: 60 to 100 points, medium: 30 to 59, low: 0 to 29",
    }
    value = f"{risk['scored']:,} subscribers with mail in half a year, {risk['high']:,} at high risk"
    how = f"points for silence beyond {LISTENING_DAYS} days, a lost habit of clicking, and messages without an echo"
    coverage = min(1.0, risk["scored"] / 50)
    return make_reading("risk", "Risk of slipping away", value, facts, source="/contacts", coverage=coverage, how=how)


def complete(_brief: SlippingBrief, context: Context, answer: SlippingAnswer) -> RiskReport:
    """The words with the scores."""
    risk = context.facts["risk"]
    figures = [
        make_figure("Scored", risk["scored"], "risk"),
        make_figure("At high risk", risk["high"], "risk", note=_share(risk["high_percent"])),
        make_figure("At medium risk", risk["medium"], "risk", note=_share(risk["medium_percent"])),
    ]
    scale = {"high": "60 to 100", "medium": "30 to 59", "low": "0 to 29"}
    bands = [
        Band(name=name.capitalize(), points=points, contacts=risk[name], percent=risk[f"{name}_percent"])
        for name, points in scale.items()
    ]
    drivers = [Driver(name=words, most_points=POINTS[name], contacts=risk[name]) for name, words in DRIVERS.items()]
    drivers.sort(key=lambda driver: -driver.contacts)
    return RiskReport(**answer.model_dump(), figures=figures, bands=bands, drivers=drivers)


def _share(percent: float | None) -> str:
    return "" if percent is None else f"{percent}% of them"


def playbook(_brief: SlippingBrief, context: Context) -> SlippingAnswer:
    """The reading from the strongest driver."""
    risk = context.facts["risk"]
    if not risk["scored"]:
        return SlippingAnswer(
            reading="Nobody has been sent a message in the last half year, so nobody can be slipping yet.",
            why=["There is no mail whose echo could be read."],
            steps=[Step(title="Send a first campaign", why="Opens and clicks are what the score is made of.")],
        )
    strongest = max(DRIVERS, key=lambda name: (risk[name], POINTS[name]))
    reading = (
        f"{risk['high']:,} of {risk['scored']:,} subscribers who get mail are at high risk of slipping away, and "
        f"{risk['medium']:,} at medium risk. What weighs most: {DRIVERS[strongest].lower()}."
    )
    why = [f"{words}: {risk[name]:,} people." for name, words in DRIVERS.items() if risk[name]]
    steps = [
        Step(
            title="Write to those who are between",
            why="They were seen within three months and are won back most easily, with one honest question.",
        ),
        Step(
            title="Send less to the silent",
            why="Each message without an echo makes the next one less welcome, and mailbox providers count them.",
        ),
        Step(
            title="Look again in four weeks",
            why="The score follows what people do; put this task on the clock to see it move.",
        ),
    ]
    return SlippingAnswer(reading=reading, why=why or ["Nobody has a reason for points."], steps=steps)


def check(_brief: SlippingBrief, context: Context, _report: RiskReport) -> list[Check]:
    """Whether there is enough to score."""
    scored = context.facts["risk"]["scored"]
    if scored < 20:
        return [Check("scored", "Scored", "warn", f"Only {scored} people could be scored, so read it with care.")]
    return [Check("scored", "Scored", "pass", f"{scored:,} people were scored.")]


def propose(_brief: SlippingBrief, _context: Context, _report: RiskReport) -> list[ProposedAction]:
    """The people between: seen within three months, but not in the last one."""
    rules = all_of(
        SUBSCRIBED,
        rule("received", "within_days", QUIET_DAYS),
        rule("opened", "within_days", QUIET_DAYS),
        rule("opened", "not_within_days", LISTENING_DAYS),
    )
    reason = "They opened within three months, but not in the last one: the best moment to ask what they would like."
    return propose_segment("Slipping away", rules, reason=reason, made_by=AGENT_NAME, slot="slipping")


def show(report: RiskReport) -> list[Block]:
    """The report for page and document."""
    return [
        Text(report.reading, "In short"),
        show_figures(report.figures),
        Table(
            "Risk",
            ("Risk", "Points", "Contacts", "Share"),
            [(one.name, one.points, f"{one.contacts:,}", _percent(one.percent)) for one in report.bands],
            frozenset({2, 3}),
        ),
        Table(
            "What it is made of",
            ("Driver", "Points at most", "Contacts"),
            [(one.name, str(one.most_points), f"{one.contacts:,}") for one in report.drivers],
            frozenset({1, 2}),
        ),
        Text("\n".join(f"- {line}" for line in report.why), "Why"),
        show_steps(report.steps),
    ]


def _percent(percent: float | None) -> str:
    return "–" if percent is None else f"{percent}%"


SLIPPING = make_task(
    key="slipping",
    label="Who is slipping",
    verb="Find who is slipping away",
    job="Explain to a marketing team who of their subscribers is slipping away. The scores and their drivers are "
    "computed and stand in the data. reading: two or three sentences that say how many and what weighs most. "
    "why: one line for each driver that matters, with its figure. steps: what to do, the most useful first, each "
    "with its reason. If the brief says what happened lately, relate it to the figures without claiming a cause "
    "that they do not show.",
    brief=SlippingBrief,
    answer=SlippingAnswer,
    result=RiskReport,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    propose=propose,
    show=show,
    summarise=lambda report: f"{report.bands[0].contacts:,} at high risk of {report.figures[0].value} scored.",
    assume=lambda _brief, _context: [
        "Purchases are not known to LUX: the score is made of messages, opens and clicks of people."
    ],
    examples=(
        BriefExample("A monthly look", "Nothing special happened.", {"about": ""}),
        BriefExample("After a price change", "Did it cost us readers?", {"about": "We raised prices last month."}),
        BriefExample("After a pause", "We have not written for a while.", {"about": "We did not write all summer."}),
    ),
)
