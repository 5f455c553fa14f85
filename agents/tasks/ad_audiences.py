"""Audiences for ads: which segments to reach or to leave out, with their sizes; only numbers leave, no addresses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Table, Text
from agents.parts.brief_fields import Ask, Line, Told, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.result_parts import Lines, Part, show_lines
from agents.sources.marketing import read_audience, read_brand, read_segments
from agents.sources.readings import counted, gather, shown
from audience.segments import list_segments

# Networks match a part of the addresses only, and take no audience below a few hundred.
SMALLEST = 300


class AudiencesBrief(Part):
    """What the ads are for."""

    about: Annotated[Told, Ask("What are the ads for?", kind="text", rows=3)] = ""


class Use(Part):
    """What to do with a segment."""

    segment: Line
    use: Literal["reach", "look-alike", "leave out"]
    why: Line


class AudiencesAnswer(Part):
    """What the model writes."""

    reading: Words
    uses: Annotated[list[Use], Field(max_length=12)]
    mind: Lines


class Audiences(AudiencesAnswer):
    """The whole result: each use with its size."""

    sizes: list[str]


def read(_brief: AudiencesBrief) -> Context:
    """Segments, audience, brand."""
    return gather((read_segments(), 0.6), (read_audience(), 0.2), (read_brand(), 0.2))


def complete(_brief: AudiencesBrief, context: Context, answer: AudiencesAnswer) -> Audiences:
    """The uses with their sizes."""
    sizes = {row["name"]: shown(row["contacts"]) for row in context.facts["segments"]}
    return Audiences(**answer.model_dump(), sizes=[sizes.get(one.segment, "–") for one in answer.uses])


def playbook(_brief: AudiencesBrief, context: Context) -> AudiencesAnswer:
    """Who listens is a model for others; who gets mail anyway is left out; who went quiet is reached."""
    uses = []
    for row in context.facts["segments"]:
        share = row["seen_percent"] or 0
        if row["contacts"] < SMALLEST:
            uses.append(
                Use(
                    segment=row["name"],
                    use="leave out",
                    why="Too small to be reached by itself; do not pay for whom you write to.",
                )
            )
        elif share >= 30:
            uses.append(
                Use(
                    segment=row["name"],
                    use="look-alike",
                    why=f"{share}% were seen in three months: look for people like them.",
                )
            )
        else:
            uses.append(Use(segment=row["name"], use="reach", why="They open little mail; an ad may remind them."))
    reading = "There are no segments yet, so there is nobody to reach or to leave out by name."
    if uses:
        reading = "Leave out whom you can write to for nothing; look for people like those who listen."
    return AudiencesAnswer(
        reading=reading,
        uses=uses,
        mind=[
            "Hand addresses to a network only where people have agreed to it.",
            "Tell the network when somebody leaves.",
        ],
    )


def check(_brief: AudiencesBrief, context: Context, result: Audiences) -> list[Check]:
    """Whether every segment is there."""
    known = {row["name"] for row in context.facts["segments"]}
    invented = [one.segment for one in result.uses if one.segment not in known]
    if invented:
        return [Check("segments", "Segments", "fail", f"There is no segment “{invented[0]}”.")]
    return [Check("segments", "Segments", "pass", "Every segment named is there.")]


def propose(brief: AudiencesBrief, _context: Context, result: Audiences) -> list[ProposedAction]:
    """A plan with the segments whom ads are for, and whom they are not for."""
    segments = {segment.name: segment.id for segment in list_segments()}
    audiences = [
        {"segment_id": segments[one.segment], "is_excluded": one.use == "leave out", "note": f"{one.use}: {one.why}"}
        for one in result.uses
        if one.segment in segments
    ]
    if not audiences:
        return []
    about = lines_of(brief.about)
    name = f"Audiences for ads: {about[0].rstrip('.')}"[:80] if about else "Audiences for ads"
    note = "\n".join((result.reading, *(f"- {line}" for line in result.mind)))
    payload = {"name": name, "goal": "contacts", "note": note, "audiences": audiences}
    effect = f"A plan with {counted(len(audiences), 'audience')}. No address leaves LUX by it."
    return [ProposedAction("draft_ad_plan", "Add these audiences to Ad plans", payload, result.reading[:300], effect)]


def show(result: Audiences) -> list[Block]:
    """The audiences for page and document."""
    rows = [(one.segment, one.use, size, one.why) for one, size in zip(result.uses, result.sizes, strict=False)]
    table = Table(
        "Audiences", ("Segment", "Use", "Contacts", "Why"), rows, frozenset({2}), "There are no segments yet."
    )
    return [Text(result.reading, "In short"), table, *show_lines(result.mind, "Mind")]


AD_AUDIENCES = make_task(
    key="ad_audiences",
    label="Audiences",
    verb="Choose whom ads reach",
    job="Say for each segment of the data, by its exact name, whether ads should reach it, look for people like it, "
    "or leave it out, and why. mind: what the law and good manners ask.",
    brief=AudiencesBrief,
    answer=AudiencesAnswer,
    result=Audiences,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    propose=propose,
    show=show,
    summarise=lambda result: f"{len(result.uses)} segments placed.",
    assume=lambda _brief, _context: [
        "LUX hands no addresses to a network by itself: a plan exports them as hashes, where people agreed."
    ],
    examples=(
        BriefExample("As it stands", "Whom to reach?", {"about": ""}),
        BriefExample("A new product", "Whom first?", {"about": "A tea for beginners"}),
        BriefExample("A small budget", "Where is it not wasted?", {"about": "We have very little money"}),
    ),
)
