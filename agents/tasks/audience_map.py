"""A map of the audience: which segments there are, how each responds, which one is missing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Card, Cards, Table, Text
from agents.parts.brief_fields import Ask, Line, Name, Told, Words
from agents.parts.documents import make_task
from agents.parts.result_parts import Part
from agents.parts.segment_proposals import propose_segment
from agents.sources.marketing import read_audience, read_brand, read_segments, read_sources
from agents.sources.readings import counted, gather, read_computed, shown
from agents.tasks.segment_words import read_segment_words

AGENT_NAME = "Brand & Strategy"
# What most houses need; each in words that the playbook of segments understands.
USUAL = (
    ("Newcomers", "People who signed up in the last month", "They are curious now, and forget soon."),
    ("Listening closely", "Subscribed and clicked in the last 60 days", "They answer first; try new things on them."),
    ("Gone quiet", "Subscribers who have not opened for 3 months", "Ask them once, then write less."),
)
USUAL_DAYS = (7, 14, 30, 60, 90, 180, 365)


class MapBrief(Part):
    """What the map is for."""

    purpose: Annotated[Told, Ask("What is it for?", "A launch, a new product, a new tone.", "text", rows=2)] = ""


class SegmentReading(Part):
    """How one segment responds, and what it is good for."""

    name: Name
    responds: Line
    use: Line


class MissingSegment(Part):
    """A segment that is not there: whom it means, in words that become rules."""

    name: Name
    who: Line
    why: Line


class MapAnswer(Part):
    """What the model writes."""

    reading: Words
    segments: Annotated[list[SegmentReading], Field(max_length=12)]
    missing: Annotated[list[MissingSegment], Field(min_length=1, max_length=4)]


class SegmentRow(Part):
    """A segment in figures."""

    name: str
    contacts: str
    will_receive: str
    seen: str


class AudienceMap(MapAnswer):
    """The whole result."""

    rows: list[SegmentRow]


def read(_brief: MapBrief) -> Context:
    """Segments, audience, sources, brand."""
    facts = {"usual_segments": [f"{name}: {who}" for name, who, _ in USUAL], "usual_days": list(USUAL_DAYS)}
    usual = read_computed("usual", "Usual segments", facts, "what most houses begin with")
    parts = ((read_segments(), 0.4), (read_audience(), 0.3), (read_sources(), 0.1), (read_brand(), 0.2), (usual, 0.0))
    return gather(*parts)


def complete(_brief: MapBrief, context: Context, answer: MapAnswer) -> AudienceMap:
    """The words with the figures."""
    rows = [
        SegmentRow(
            name=row["name"],
            contacts=shown(row["contacts"]),
            will_receive=shown(row["will_receive"]),
            seen=shown(row["seen_percent"], "%"),
        )
        for row in context.facts["segments"]
    ]
    return AudienceMap(**answer.model_dump(), rows=rows)


def playbook(_brief: MapBrief, context: Context) -> MapAnswer:
    """Each segment beside the average, and the usual ones that are missing."""
    segments, audience = context.facts["segments"], context.facts["audience"]
    average = audience["listening_percent"]
    readings = [SegmentReading(name=_fit(row["name"]), responds=_responds(row), use=_use(row)) for row in segments]
    taken = {row["name"].lower() for row in segments}
    missing = [MissingSegment(name=name, who=who, why=why) for name, who, why in USUAL if name.lower() not in taken]
    missing = missing or [
        MissingSegment(name="Visitors of the site", who="People who clicked ever", why="They came closer.")
    ]
    if not segments:
        reading = "There are no segments yet, so everybody gets the same. Begin with the ones below."
    else:
        listening = "nobody was seen" if not average else f"{average}% of all subscribers were seen"
        reading = f"There are {len(segments)} segments; in the last month {listening}. What is missing stands below."
    return MapAnswer(reading=reading, segments=readings, missing=missing)


def _fit(name: str) -> str:
    return name[:80].ljust(2, ".")


def _responds(row: dict[str, Any]) -> str:
    if row["seen_percent"] is None:
        return "Nobody is in it now."
    return f"{row['seen_percent']}% of its contacts were seen in three months."


def _use(row: dict[str, Any]) -> str:
    if not row["will_receive"]:
        return "Nobody in it may be written to now; look at its consent first."
    return "Large enough to try two subjects on." if row["will_receive"] >= 200 else "Small: write to it personally."


def check(_brief: MapBrief, context: Context, result: AudienceMap) -> list[Check]:
    """Whether every segment that is spoken of is there, and each missing one can become rules."""
    known = {_fit(row["name"]).lower() for row in context.facts["segments"]}
    invented = [one.name for one in result.segments if one.name.lower() not in known]
    checks = []
    if invented:
        checks.append(Check("names", "Segments", "fail", f"There is no segment “{invented[0]}”."))
    else:
        checks.append(Check("names", "Segments", "pass", "Every segment spoken of is there."))
    vague = [one.name for one in result.missing if not read_segment_words(one.who).conditions]
    if vague:
        detail = f"“{vague[0]}” cannot be made of rules by itself. Describe it to Email & CRM in other words."
        checks.append(Check("missing", "Missing segments", "warn", detail))
    return checks


def propose(_brief: MapBrief, _context: Context, result: AudienceMap) -> list[ProposedAction]:
    """The missing segments whose words become rules."""
    found: list[ProposedAction] = []
    for at, one in enumerate(result.missing):
        understood = read_segment_words(one.who)
        if understood.conditions and not understood.leftover:
            rules = {"match": understood.match, "rules": understood.conditions}
            found += propose_segment(one.name, rules, reason=one.why, made_by=AGENT_NAME, slot=f"missing-{at}")
    return found


def show(result: AudienceMap) -> list[Block]:
    """The map for page and document."""
    rows = [(one.name, one.contacts, one.will_receive, one.seen) for one in result.rows]
    columns = ("Segment", "Contacts", "Will receive", "Seen in three months")
    return [
        Text(result.reading, "In short"),
        Table("Segments", columns, rows, frozenset({1, 2, 3}), "There are no segments yet."),
        *(
            [Cards([Card(one.name, one.use, note=one.responds) for one in result.segments], "What each is good for")]
            if result.segments
            else []
        ),
        Cards([Card(one.name, one.who, note=one.why) for one in result.missing], "What is missing"),
    ]


AUDIENCE_MAP = make_task(
    key="audience_map",
    label="Audience map",
    verb="Map the audience",
    job="Map an audience. segments: for each segment in the data by its exact name, how it responds (with its "
    "figures) and what it is good for. missing: one to four segments that are not there and would help; say whom "
    "each means in plain words about deeds and time, such as 'Subscribed and clicked in the last 60 days' or "
    "'People who signed up in the last month', and why; count days only in usual_days. reading: what the whole "
    "shows, in two or three sentences, with the purpose of the brief in mind.",
    brief=MapBrief,
    answer=MapAnswer,
    result=AudienceMap,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    propose=propose,
    show=show,
    summarise=lambda result: f"{counted(len(result.rows), 'segment')}, {len(result.missing)} missing.",
    examples=(
        BriefExample("As it stands", "Nothing special.", {"purpose": ""}),
        BriefExample("Before a launch", "Who hears of it first?", {"purpose": "A new product comes next month."}),
        BriefExample(
            "Fewer letters", "Who wants less?", {"purpose": "We want to write less to people who do not click."}
        ),
    ),
)
