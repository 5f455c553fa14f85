"""Positioning: one statement, its pillars and the proof for each, from the brand page and the results."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agents.base import BriefExample, Check, Context
from agents.parts.blocks import Block, Card, Cards, Text
from agents.parts.brief_fields import Ask, Line, Name, Told, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.result_parts import Lines, Part, show_lines
from agents.sources.marketing import read_brand, read_campaigns, read_segments
from agents.sources.readings import gather

NO_PROOF = "No proof yet: find one before it is said in public."


class PositioningBrief(Part):
    """What a person adds to the brand page."""

    against: Annotated[
        Told, Ask("What do people do instead today?", "The usual alternatives, one in each line.", "text", rows=3)
    ] = ""
    change: Annotated[Told, Ask("What should change?", "How you want to be seen.", "text", rows=2)] = ""


class Pillar(Part):
    """One reason to choose the brand, and its proof."""

    title: Name
    text: Words
    proof: Line


class PositioningAnswer(Part):
    """What the model writes."""

    statement: Words
    pillars: Annotated[list[Pillar], Field(min_length=2, max_length=4)]
    says: Lines
    never_says: Lines
    not_for: Line


class Positioning(PositioningAnswer):
    """The whole result; nothing of it is computed."""


def read(_brief: PositioningBrief) -> Context:
    """The brand page first, then what people took up."""
    return gather((read_brand(), 0.7), (read_campaigns(), 0.15), (read_segments(), 0.15))


def complete(_brief: PositioningBrief, _context: Context, answer: PositioningAnswer) -> Positioning:
    """The words as they are."""
    return Positioning(**answer.model_dump())


def playbook(brief: PositioningBrief, context: Context) -> PositioningAnswer:
    """The classic form, filled from the brand page: for whom, what, unlike what, because."""
    brand = context.facts["brand"]
    company = str(brand["company"]) or "Our company"
    whom = (lines_of(brand["audience"]) or ["people whose need we know"])[0].rstrip(".")
    offer = lines_of(brand["offer"]) or ["What we make"]
    against = lines_of(brief.against)
    proofs = [str(proof) for proof in brand["proof_points"]][:3]
    unlike = f" Unlike {against[0].rstrip('.').lower()}, it" if against else " It"
    reason = f" keeps its word: {proofs[0].rstrip('.').lower()}" if proofs else " keeps what it promises"
    statement = f"For {whom[0].lower()}{whom[1:]}, {company} offers {_low(offer[0])}.{unlike}{reason}."
    pillars = [
        Pillar(title=_title(proof), text=f"What it means for people: {_low(proof)}, every time.", proof=proof[:200])
        for proof in proofs
    ]
    spare = [
        Pillar(
            title="What we make",
            text=f"{offer[0].rstrip('.')}. Nothing is added that nobody asked for.",
            proof=NO_PROOF,
        ),
        Pillar(title="How we speak", text=_voice(str(brand["voice"])), proof=NO_PROOF),
    ]
    return PositioningAnswer(
        statement=statement,
        pillars=[*pillars, *spare][: max(2, min(4, len(pillars) or 2))],
        says=[*(f"{proof.rstrip('.')}." for proof in proofs), f"{offer[0].rstrip('.')}."][:6],
        never_says=[
            "A claim without its proof beside it.",
            "That others are bad.",
        ],
        not_for="People who choose by price alone; they will find something else, and that is fine.",
    )


def _low(text: str) -> str:
    bare = text.strip().rstrip(".")
    return bare[0].lower() + bare[1:] if bare[1:2].islower() else bare


def _title(text: str) -> str:
    words = text.rstrip(".").split()
    return " ".join(words[:5])[:80]


def _voice(voice: str) -> str:
    return (
        f"{voice.rstrip('.')}. The same in a letter, on the site and on the phone."
        if voice
        else ("Plain words, said once. The brand page has no voice yet: write two sentences there.")
    )


def check(_brief: PositioningBrief, context: Context, result: Positioning) -> list[Check]:
    """Whether each pillar has a proof that the brand page knows."""
    known = " ".join(str(proof).lower() for proof in context.facts["brand"]["proof_points"])
    bare = [one.title for one in result.pillars if one.proof.lower().rstrip(".") not in known or not one.proof]
    if bare:
        detail = f"“{'”, “'.join(bare[:3])}” has no proof from the brand page. Add one there, or leave the pillar out."
        return [Check("proof", "Proof", "warn", detail)]
    return [Check("proof", "Proof", "pass", "Each pillar stands on a proof of the brand page.")]


def show(result: Positioning) -> list[Block]:
    """The positioning for page and document."""
    return [
        Text(result.statement, "Statement"),
        Cards([Card(one.title, one.text, (("Proof", one.proof),)) for one in result.pillars], "Pillars"),
        *show_lines(result.says, "We say"),
        *show_lines(result.never_says, "We never say"),
        Text(result.not_for, "Not for"),
    ]


POSITIONING = make_task(
    key="positioning",
    label="Positioning",
    verb="Write the positioning",
    job="Write the positioning of the brand. statement: for whom, what, unlike what, because of what; two or three "
    "sentences. pillars: two to four reasons to choose it, each with a proof taken word for word from "
    "proof_points, or the words 'No proof yet' where there is none. says and never_says: short lines that "
    "writers can hold on to. not_for: whom it is not for. Use the alternatives in the brief; speak badly of "
    "nobody.",
    brief=PositioningBrief,
    answer=PositioningAnswer,
    result=Positioning,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    show=show,
    summarise=lambda result: result.statement[:120],
    assume=lambda brief, _context: [] if brief.against else ["You named no alternative, so the statement names none."],
    examples=(
        BriefExample("From the brand page", "What you have told already.", {"against": ""}),
        BriefExample("Against the usual", "What people do instead.", {"against": "The supermarket\nDoing without"}),
        BriefExample("A new tone", "How you want to be seen.", {"change": "Less a shop, more a neighbour who knows."}),
    ),
)
