"""Creative: concepts, an e-mail header, a social graphic, and a check of words and colours against the brand."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import Field, StringConstraints

from agents.base import BriefExample, Check, Context, ProposedAction, Task
from agents.parts.blocks import Block, Card, Cards, Picture, Pictures, Table, Text
from agents.parts.brief_fields import Ask, Clean, Line, Told, Words, lines_of
from agents.parts.documents import make_task
from agents.parts.playbook_words import brand_words, lowered, within
from agents.parts.report_tasks import cut
from agents.parts.result_parts import (
    Part,
)
from agents.sources.marketing import read_brand, read_campaigns
from agents.sources.readings import Reading, counted, gather, make_reading, read_computed
from campaigns.brand import get_brand
from creative.drawings import LAYOUTS, LONGEST, read_design
from creative.lettering import without_unknown
from errors import InputInvalid
from lib.contrast import contrast_ratio
from lib.networks import EMAIL_HEADER, NETWORKS, PLACES, Place

BLACK, WHITE = "#000000", "#ffffff"
READABLE = 4.5
HEX = re.compile(r"#([0-9a-fA-F]{6})\b")


class CreativeBrief(Part):
    """What is to be shown."""

    topic: Annotated[Line, Ask("What is it about?", "One thing.")]
    feel: Annotated[Told, Ask("How should it feel?", "Empty: as the brand page speaks.", "text", rows=2)] = ""


class Concept(Part):
    """One way to show it."""

    headline: Annotated[str, Clean, StringConstraints(min_length=2, max_length=60)]
    sub: Line
    call: Annotated[str, Clean, StringConstraints(min_length=2, max_length=30)]
    layout: Words
    alt: Line


class CreativeAnswer(Part):
    """What the model writes."""

    idea: Words
    concepts: Annotated[list[Concept], Field(min_length=1, max_length=4)]


class Creative(CreativeAnswer):
    """The whole result: the words with colours and sizes."""

    colors: list[list[str]]
    sizes: list[list[str]]


def _read(_brief: CreativeBrief) -> Context:
    return gather((read_brand(), 0.8), (read_campaigns(), 0.2), (_read_palette(), 0.0), (_read_sizes(), 0.0))


def _read_palette() -> Reading:
    accent = get_brand().accent_color.lower()
    on = WHITE if contrast_ratio(accent, WHITE) >= contrast_ratio(accent, BLACK) else BLACK
    pairs = [
        ("Accent with its text", accent, on),
        ("Text on a light page", WHITE, BLACK),
        ("Accent on a light page", WHITE, accent),
    ]
    rows = [
        {"use": use, "ground": ground, "text": text, "contrast": round(contrast_ratio(ground, text), 1)}
        for use, ground, text in pairs
    ]
    facts = {"palette": rows, "readable_from": READABLE}
    return make_reading("palette", "Palette", accent, facts, source="/settings/brand", how="contrast by WCAG 2.2")


def _read_sizes() -> Reading:
    rows = [{"place": one.label, "size": one.size} for one in PLACES]
    return read_computed("sizes", "Sizes", {"sizes": rows}, "as the networks' help pages say")


def _complete(places: tuple[str, ...]) -> Any:
    def complete(_brief: CreativeBrief, context: Context, answer: CreativeAnswer) -> Creative:
        colors = [[one["use"], one["ground"], one["text"], str(one["contrast"])] for one in context.facts["palette"]]
        sizes = [[one["place"], one["size"]] for one in context.facts["sizes"] if not places or one["place"] in places]
        return Creative(**answer.model_dump(), colors=colors, sizes=sizes)

    return complete


ARRANGEMENTS = (
    "The headline large on the left, one picture on the right that shows one thing. The button below "
    "the text, in the accent.",
    "The headline alone on a ground of the accent, the line below it small. Nothing else: it is read in a second.",
    "A picture over the whole width, the words in a calm part of it, never across what the picture shows.",
)


def _play(count: int) -> Any:
    def playbook(brief: CreativeBrief, context: Context) -> CreativeAnswer:
        brand = brand_words(context)
        topic = brief.topic.rstrip(".!")
        reasons = [*brand.proofs, *brand.offer]
        headlines = (within(topic, 58), within(f"{topic}, plainly", 58), within(reasons[0], 58))
        concepts = [
            Concept(
                headline=headlines[at],
                sub=f"{reasons[at % len(reasons)]}."[:200],
                call=("See it", "Read more", "Take a look")[at],
                layout=ARRANGEMENTS[at],
                alt=f"{topic}, shown in one picture"[:200],
            )
            for at in range(count)
        ]
        feel = lines_of(brief.feel)
        mood = f" It feels {lowered(feel[0].rstrip('.'))}." if feel else ""
        return CreativeAnswer(
            idea=f"“{topic}”: one thing is shown, and one thing is said about it.{mood}", concepts=concepts
        )

    return playbook


def _check(_brief: CreativeBrief, context: Context, _result: Creative) -> list[Check]:
    weak = [one["use"] for one in context.facts["palette"] if one["contrast"] < READABLE]
    if weak:
        return [Check("contrast", "Contrast", "warn", f"{weak[0]} is hard to read; use it for shapes, not for words.")]
    return [Check("contrast", "Contrast", "pass", "Every pair of colours can be read.")]


LAYOUT_ORDER = ("orbit", "panel", "poster", "hills", "rays", "grid")
PALETTE_ORDER = ("night", "bold", "paper")
MADE_BY = "Creative & Design"
ASSUMED = "LUX draws shapes and words, no photographs: the layouts in words are for whoever takes one."


def design_of(concept: Concept, at: int) -> dict[str, str] | None:
    """The concept as LUX would draw it, each in a layout and colours of its own; None where no word can be drawn."""
    brand = get_brand()
    values = {
        "headline": without_unknown(concept.headline),
        "sub": within(without_unknown(concept.sub), LONGEST["sub"]),
        "call": without_unknown(concept.call),
        "name": within(without_unknown(brand.company), LONGEST["name"]),
        "layout": LAYOUT_ORDER[at % len(LAYOUT_ORDER)],
        "palette": PALETTE_ORDER[at % len(PALETTE_ORDER)],
        "accent": brand.accent_color.lower(),
    }
    try:
        return read_design(values).model_dump()
    except InputInvalid:
        return None


def alt_of(design: dict[str, str]) -> str:
    """What the drawn picture says, for those who do not see it."""
    return ". ".join(design[key].rstrip(".") for key in ("headline", "sub", "call") if design[key])[:300]


def _propose(places: tuple[Place, ...]) -> Any:
    def propose(brief: CreativeBrief, _context: Context, result: Creative) -> list[ProposedAction]:
        proposed = []
        for at, concept in enumerate(result.concepts):
            design = design_of(concept, at)
            if design is None:
                continue
            payload = {
                "name": cut(concept.headline),
                "alt": alt_of(design),
                "design": design,
                "places": [one.key for one in places],
                "made_by": MADE_BY,
            }
            effect = f"{counted(len(places), 'picture')} in Pictures, for {', '.join(one.label for one in places)}."
            title = f"Draw “{cut(concept.headline)}”"
            proposed.append(ProposedAction("add_asset", title, payload, result.idea[:300], effect, f"concept-{at + 1}"))
        return proposed

    return propose


def _pictures(result: Creative, place: Place) -> list[Block]:
    found = []
    for at, concept in enumerate(result.concepts):
        design = design_of(concept, at)
        if design is not None:
            address = f"/campaigns/library/draw/picture.svg?{urlencode({**design, 'place': place.key})}"
            label = LAYOUTS[design["layout"]][0]
            found.append(Picture(address, alt_of(design), f"{label}, {place.label}", place.width, place.height))
    return [Pictures(found, "As LUX would draw it")] if found else []


def _show(place: Place) -> Any:
    def show(result: Creative) -> list[Block]:
        return _show_words(result, _pictures(result, place))

    return show


def _show_words(result: Creative, pictures: list[Block]) -> list[Block]:
    cards = [
        Card(one.headline, one.layout, (("Line", one.sub), ("Button", one.call), ("Alt", one.alt)))
        for one in result.concepts
    ]
    return [
        Text(result.idea, "Idea"),
        *pictures,
        Cards(cards, "Concepts"),
        Table("Colours", ("Use", "Ground", "Text", "Contrast"), result.colors, frozenset({3})),
        Table("Sizes", ("Place", "Pixels"), result.sizes, frozenset({1})),
    ]


EXAMPLES = (
    BriefExample("A new thing", "Show it.", {"topic": "The first flush is here"}),
    BriefExample("A feeling", "Calm.", {"topic": "A calmer morning", "feel": "Quiet, a little warm"}),
    BriefExample("An event", "Bring people.", {"topic": "Our tasting evening", "feel": "Like an invitation"}),
)
JOB = (
    "For each: headline of at most 60 characters, one line, the words of the button, the layout in "
    "words for a designer, "
    "and an alt text that says what the picture shows. Use no colour that is not in the palette of the data."
)


def _make(key: str, label: str, verb: str, job: str, count: int, places: tuple[Place, ...]) -> Task[Any, Any]:
    return make_task(
        key=key,
        label=label,
        verb=verb,
        job=f"{job} {JOB}",
        brief=CreativeBrief,
        answer=CreativeAnswer,
        result=Creative,
        read=_read,
        complete=_complete(tuple(one.label for one in places)),
        playbook=_play(count),
        checks=_check,
        propose=_propose(places),
        show=_show(places[0]),
        summarise=lambda result: f"{counted(len(result.concepts), 'concept')}: {result.concepts[0].headline}",
        assume=lambda _brief, _context: [
            "LUX draws shapes and words, no photographs: the layouts in words are for whoever makes one."
        ],
        examples=EXAMPLES,
    )


CONCEPTS = _make("concepts", "Concepts", "Find ways to show it", "Find three ways to show the topic.", 3, PLACES)
HEADER = _make(
    "email_header", "E-mail header", "Draw an e-mail header", "Brief one header for an e-mail.", 1, (EMAIL_HEADER,)
)
GRAPHIC = _make(
    "social_graphic",
    "Social graphic",
    "Draw a social graphic",
    "Brief one picture for social networks.",
    1,
    tuple(one.place for one in NETWORKS),
)
