"""What others say about the same promise, sorted from a person's own notes: LUX fetches nothing from the web."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from agents.base import BriefExample, Check, Context
from agents.parts.blocks import Block, Card, Cards, Text
from agents.parts.brief_fields import Ask, Clean, Line, Name, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.result_parts import Part, SomeLines, show_lines
from agents.sources.marketing import read_brand
from agents.sources.readings import gather


class WatchBrief(Part):
    """A person's notes."""

    notes: Annotated[
        str,
        Clean,
        StringConstraints(min_length=10, max_length=6000),
        Ask(
            "Your notes",
            "One in each line: who, a colon, and what they say or do. Where you saw it helps.",
            "text",
            rows=8,
        ),
    ]


class Competitor(Part):
    """One other, as the notes tell of it."""

    name: Name
    says: Words
    gap: Line
    our_answer: Line


class WatchAnswer(Part):
    """What the model writes."""

    reading: Words
    competitors: Annotated[list[Competitor], Field(min_length=1, max_length=10)]
    watch_next: SomeLines


class CompetitorWatch(WatchAnswer):
    """The whole result; nothing of it is computed."""


def read(_brief: WatchBrief) -> Context:
    """The brand page; the notes are the brief's."""
    return gather((read_brand(), 1.0))


def complete(_brief: WatchBrief, _context: Context, answer: WatchAnswer) -> CompetitorWatch:
    """The words as they are."""
    return CompetitorWatch(**answer.model_dump())


def notes_of(brief: WatchBrief) -> dict[str, list[str]]:
    """The notes by name: a line without a colon belongs to the one before."""
    found: dict[str, list[str]] = {}
    name = "Unnamed"
    for line in lines_of(brief.notes):
        before, colon, after = line.partition(":")
        if colon and 1 < len(before.strip()) <= 60 and "//" not in after[:2]:
            name, line = before.strip(), after.strip()
        if line:
            found.setdefault(name, []).append(line)
    return found


def playbook(brief: WatchBrief, context: Context) -> WatchAnswer:
    """The notes sorted by name, beside what the brand can prove."""
    brand = context.facts["brand"]
    proofs = [str(proof) for proof in brand["proof_points"]]
    offer = (lines_of(brand["offer"]) or ["what we make"])[0].rstrip(".")
    notes = notes_of(brief)
    competitors = [
        Competitor(
            name=name[:80].ljust(2, "."),
            says="; ".join(lines)[:700],
            gap="Say where you saw it, and whether they prove it.",
            our_answer=(proofs[at % len(proofs)] if proofs else f"We show {offer[0].lower()}{offer[1:]}, plainly.")[
                :200
            ],
        )
        for at, (name, lines) in enumerate(list(notes.items())[:10])
    ]
    count = "one other" if len(competitors) == 1 else f"{len(competitors)} others"
    return WatchAnswer(
        reading=f"Your notes speak of {count}. What they say stands below, beside what the brand page can "
        "prove; nothing here was looked up elsewhere.",
        competitors=competitors,
        watch_next=["Note a date and a source with each line, so that next month's notes can be compared."],
    )


def check(brief: WatchBrief, _context: Context, result: CompetitorWatch) -> list[Check]:
    """Whether every name stands in the notes: the model may not add what it believes to know."""
    told = f"{brief.notes} unnamed".lower()
    invented = [one.name for one in result.competitors if one.name.lower().strip(". ") not in told]
    if invented:
        return [Check("names", "Names", "fail", f"“{invented[0]}” does not stand in your notes.")]
    return [Check("names", "Names", "pass", "Everybody named stands in your notes.")]


def show(result: CompetitorWatch) -> list[Block]:
    """The notes, sorted, for page and document."""
    cards = [
        Card(one.name, one.says, (("Left open", one.gap), ("Our answer", one.our_answer))) for one in result.competitors
    ]
    return [Text(result.reading, "In short"), Cards(cards, "Others"), *show_lines(result.watch_next, "Watch next")]


COMPETITOR_WATCH = make_task(
    key="competitor_watch",
    label="Competitor watch",
    verb="Sort notes about others",
    job="Sort a person's notes about competitors. Use only what the notes say: you know nothing else about anybody. "
    "For each one named: what they say in the notes' words, what it leaves open, and the brand's own answer from "
    "its proof points. reading: what the notes show together. watch_next: what to look at next time. Be fair to "
    "everybody.",
    brief=WatchBrief,
    answer=WatchAnswer,
    result=CompetitorWatch,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    show=show,
    summarise=lambda result: f"{len(result.competitors)} others sorted.",
    assume=lambda _brief, _context: ["Only your notes were used. LUX looks nothing up on the web."],
    examples=(
        BriefExample(
            "Two neighbours",
            "What you heard and saw.",
            {"notes": "Tea & Co: say they are the fastest\nOld Leaf: new subscription box\nseen at the fair"},
        ),
        BriefExample(
            "A new one",
            "Somebody has just opened.",
            {"notes": "North Cup: opened on the market square, free tasting on Fridays"},
        ),
        BriefExample(
            "From a sales talk",
            "What customers tell you.",
            {"notes": "Customer at the counter: buys at the supermarket because it is on the way"},
        ),
    ),
)
