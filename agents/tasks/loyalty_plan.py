"""A loyalty plan: who has earned it, what they get, and when; a document, for LUX has no automations yet."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import func, select

from agents.base import BriefExample, Check, Context
from agents.parts.blocks import Block, Card, Cards, Text
from agents.parts.brief_fields import Ask, Line, Name, Told, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.result_parts import Lines, Part, ShownFigure, make_figure, show_figures, show_lines
from agents.sources.marketing import read_audience, read_brand, read_campaigns
from agents.sources.readings import Reading, gather, make_reading, percent_of
from extensions import db
from models import Contact, TrackingEvent

FRIENDS, REGULARS = 5, 2


class LoyaltyBrief(Part):
    """What the house can give."""

    gives: Annotated[
        Told, Ask("What could you give?", "One thing in each line: early access, a sample, a visit.", "text", rows=4)
    ] = ""
    limits: Annotated[Told, Ask("What is not possible?", "Such as discounts.", "text", rows=2)] = ""


class Tier(Part):
    """A circle of people: who is in it, what they get."""

    name: Name
    who: Line
    gets: Lines


class Play(Part):
    """Something that happens at a moment: what, by which message, and how one sees that it works."""

    name: Name
    moment: Line
    message: Words
    measure: Line


class LoyaltyAnswer(Part):
    """What the model writes."""

    promise: Words
    tiers: Annotated[list[Tier], Field(min_length=2, max_length=4)]
    plays: Annotated[list[Play], Field(min_length=2, max_length=6)]
    risks: Lines


class LoyaltyPlan(LoyaltyAnswer):
    """The whole result."""

    figures: list[ShownFigure]


def read(_brief: LoyaltyBrief) -> Context:
    """Who clicks again and again, the audience, the brand."""
    return gather((_read_habits(), 0.4), (read_audience(), 0.2), (read_campaigns(), 0.1), (read_brand(), 0.3))


def _read_habits() -> Reading:
    """How many people clicked in so many different campaigns."""
    each = (
        select(func.count(TrackingEvent.campaign_id.distinct()).label("campaigns"))
        .join(Contact, Contact.id == TrackingEvent.contact_id)
        .where(TrackingEvent.kind == "click", TrackingEvent.actor == "human", Contact.subscription == "subscribed")
        .group_by(TrackingEvent.contact_id)
        .subquery()
    )
    row = db.session.execute(
        select(
            func.count().label("clicked_ever"),
            func.count().filter(each.c.campaigns >= REGULARS).label("clicked_in_two_campaigns_or_more"),
            func.count().filter(each.c.campaigns >= FRIENDS).label("clicked_in_five_campaigns_or_more"),
        )
    ).one()
    subscribed = (
        db.session.scalar(select(func.count()).select_from(Contact).where(Contact.subscription == "subscribed")) or 0
    )
    habits: dict[str, Any] = dict(row._mapping)
    habits["clicked_ever_percent"] = percent_of(habits["clicked_ever"], subscribed)
    value = f"{habits['clicked_ever']:,} subscribers have clicked at least once"
    coverage = min(1.0, habits["clicked_ever"] / 30)
    how = "clicks of people, counted by campaign"
    return make_reading("habits", "Habits", value, {"habits": habits}, source="/contacts", coverage=coverage, how=how)


def complete(_brief: LoyaltyBrief, context: Context, answer: LoyaltyAnswer) -> LoyaltyPlan:
    """The words with the figures."""
    habits = context.facts["habits"]
    figures = [
        make_figure("Clicked at least once", habits["clicked_ever"], "habits"),
        make_figure("In two campaigns or more", habits["clicked_in_two_campaigns_or_more"], "habits"),
        make_figure("In five or more", habits["clicked_in_five_campaigns_or_more"], "habits"),
    ]
    return LoyaltyPlan(**answer.model_dump(), figures=figures)


def playbook(brief: LoyaltyBrief, context: Context) -> LoyaltyAnswer:
    """A plan without discounts unless the house offers them."""
    company = str(context.facts["brand"]["company"]) or "us"
    given = lines_of(brief.gives)[:6] or ["News a day before everybody else", "A personal answer to every reply"]
    first, rest = given[:1], given[1:] or given[:1]
    return LoyaltyAnswer(
        promise=f"Whoever stays with {company} is told first, is thanked by name, and never has to ask for it.",
        tiers=[
            Tier(name="Regulars", who="Clicked in two campaigns or more", gets=first),
            Tier(name="Friends of the house", who="Clicked in five campaigns or more", gets=[*first, *rest][:6]),
        ],
        plays=[
            Play(
                name="A thank-you",
                moment="Somebody becomes a regular",
                message="A short letter that says thank you, names what they get from now on, and asks nothing.",
                measure="How many open the next campaign, beside those who were not thanked",
            ),
            Play(
                name="First to know",
                moment="A day before news goes to everybody",
                message="The same news, in the words of one person to another, with the first place in the queue.",
                measure="Clicks of friends of the house, beside everybody's",
            ),
            Play(
                name="A question",
                moment="Once a year",
                message="One question that only they can answer, and what was done with last year's answers.",
                measure="Replies",
            ),
        ],
        risks=[
            "A promise that is forgotten once costs more than none: give only what can be kept.",
            "People who click are not always people who buy; LUX does not know purchases.",
        ],
    )


def check(brief: LoyaltyBrief, _context: Context, plan: LoyaltyPlan) -> list[Check]:
    """Whether something is promised that the house cannot do."""
    words = " ".join([plan.promise, *(line for tier in plan.tiers for line in tier.gets)]).lower()
    refused = [line for line in lines_of(brief.limits) if line.lower().rstrip(".s") in words]
    if refused:
        return [Check("limits", "What is not possible", "fail", f"Promises “{refused[0]}”, which is not possible.")]
    return [Check("limits", "What is not possible", "pass", "Nothing of it is promised.")]


def show(plan: LoyaltyPlan) -> list[Block]:
    """The plan for page and document."""
    tiers = [Card(one.name, "\n".join(f"- {line}" for line in one.gets), note=one.who) for one in plan.tiers]
    plays = [Card(one.name, one.message, (("When", one.moment), ("It works when", one.measure))) for one in plan.plays]
    return [
        Text(plan.promise, "Promise"),
        show_figures(plan.figures),
        Cards(tiers, "Circles"),
        Cards(plays, "Plays"),
        *show_lines(plan.risks, "Risks"),
    ]


LOYALTY_PLAN = make_task(
    key="loyalty_plan",
    label="Loyalty plan",
    verb="Plan how to keep people",
    job="Plan how this brand keeps the people who like it. promise: one or two sentences. tiers: two to four circles "
    "of people by what they did (use only the habits in the data), each with what they get. plays: moments with "
    "a message and a measure. risks. Give only what the brief says can be given, and nothing of what it says is "
    "not possible.",
    brief=LoyaltyBrief,
    answer=LoyaltyAnswer,
    result=LoyaltyPlan,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    show=show,
    summarise=lambda plan: f"{len(plan.tiers)} circles and {len(plan.plays)} plays.",
    assume=lambda _brief, _context: [
        "LUX has no automations yet: the plays are carried out as campaigns to segments, or elsewhere."
    ],
    examples=(
        BriefExample("Without discounts", "Attention instead of money.", {"limits": "Discounts"}),
        BriefExample(
            "With early access",
            "Regulars first.",
            {"gives": "Early access to the new harvest\nA sample with each order", "limits": "Free shipping"},
        ),
        BriefExample("From nothing", "What could we do at all?", {"gives": ""}),
    ),
    longest_answer_tokens=3000,
)
