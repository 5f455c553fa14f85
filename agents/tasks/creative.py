"""Creative: concepts, an e-mail header, a social graphic, and a check of words and colours against the brand."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from agents.base import BriefExample, Check, Context, Task
from agents.parts.blocks import Block, Card, Cards, Table, Text
from agents.parts.brief_fields import Ask, Clean, Line, Told, Words, lines_of
from agents.parts.checks import SUPERLATIVES, find_words
from agents.parts.documents import make_task
from agents.parts.playbook_words import brand_words, lowered, within
from agents.parts.report_tasks import cut
from agents.parts.result_parts import (
    REPORT_JOB,
    Finding,
    Part,
    Report,
    ReportAnswer,
    make_figure,
    make_table,
    show_report,
    summarise_report,
    write_report,
)
from agents.sources.marketing import read_brand, read_campaigns
from agents.sources.readings import Reading, counted, gather, make_reading, read_computed
from campaigns.brand import get_brand
from lib.contrast import contrast_ratio
from lib.networks import EMAIL_HEADER, NETWORKS

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
    rows = [{"place": "E-mail header", "size": EMAIL_HEADER.size}]
    rows += [{"place": one.label, "size": one.picture} for one in NETWORKS]
    return read_computed("sizes", "Sizes", {"sizes": rows}, "as the networks' help pages say")


def _complete(places: tuple[str, ...]) -> Any:
    def complete(_brief: CreativeBrief, context: Context, answer: CreativeAnswer) -> Creative:
        colors = [[one["use"], one["ground"], one["text"], str(one["contrast"])] for one in context.facts["palette"]]
        sizes = [[one["place"], one["size"]] for one in context.facts["sizes"] if not places or one["place"] in places]
        return Creative(**answer.model_dump(), colors=colors, sizes=sizes)

    return complete


LAYOUTS = (
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
                layout=LAYOUTS[at],
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


def _show(result: Creative) -> list[Block]:
    cards = [
        Card(one.headline, one.layout, (("Line", one.sub), ("Button", one.call), ("Alt", one.alt)))
        for one in result.concepts
    ]
    return [
        Text(result.idea, "Idea"),
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


def _make(key: str, label: str, verb: str, job: str, count: int, places: tuple[str, ...]) -> Task[Any, Any]:
    return make_task(
        key=key,
        label=label,
        verb=verb,
        job=f"{job} {JOB}",
        brief=CreativeBrief,
        answer=CreativeAnswer,
        result=Creative,
        read=_read,
        complete=_complete(places),
        playbook=_play(count),
        checks=_check,
        show=_show,
        summarise=lambda result: f"{counted(len(result.concepts), 'concept')}: {result.concepts[0].headline}",
        assume=lambda _brief, _context: ["LUX draws no pictures yet: this is the brief for whoever does."],
        examples=EXAMPLES,
    )


CONCEPTS = _make("concepts", "Concepts", "Find ways to show it", "Find three ways to show the topic.", 3, ())
HEADER = _make(
    "email_header", "E-mail header", "Brief an e-mail header", "Brief one header for an e-mail.", 1, ("E-mail header",)
)
GRAPHIC = _make(
    "social_graphic",
    "Social graphic",
    "Brief a social graphic",
    "Brief one picture for social networks.",
    1,
    tuple(one.label for one in NETWORKS),
)


# ── Brand check ──


class BrandCheckBrief(Part):
    """What is to be checked."""

    text: Annotated[
        str,
        Clean,
        StringConstraints(min_length=3, max_length=20_000),
        Ask("Text", "What readers will see.", "text", rows=6),
    ]
    colors: Annotated[Told, Ask("Colours", "Ground and text as #rrggbb, a pair in each line.", "text", rows=3)] = ""


def _read_check(brief: BrandCheckBrief) -> Context:
    brand = get_brand()
    avoided = find_words(brief.text, [str(word) for word in brand.words_to_avoid])
    claims = find_words(brief.text, SUPERLATIVES)
    pairs = []
    for line in lines_of(brief.colors)[:12]:
        found = [f"#{one.lower()}" for one in HEX.findall(line)]
        if len(found) >= 2:
            ratio = round(contrast_ratio(found[0], found[1]), 1)
            pairs.append(
                {
                    "ground": found[0],
                    "text": found[1],
                    "contrast": ratio,
                    "readable": "yes" if ratio >= READABLE else "no",
                }
            )
    facts = {
        "violations": {"words_to_avoid": avoided, "claims_without_proof": claims, "words": len(brief.text.split())},
        "pairs": pairs,
        "readable_from": READABLE,
    }
    value = f"{len(avoided)} words to avoid, {len(claims)} claims, {len(pairs)} pairs of colours"
    found_reading = make_reading(
        "found", "What was found", value, facts, how="words of the brand page; contrast by WCAG 2.2"
    )
    return gather((read_brand(), 0.7), (found_reading, 0.3))


def _complete_check(_brief: BrandCheckBrief, context: Context, answer: ReportAnswer) -> Report:
    found = context.facts["violations"]
    rows = [(one["ground"], one["text"], str(one["contrast"]), one["readable"]) for one in context.facts["pairs"]]
    columns = ("Ground", "Text", "Contrast", "Readable")
    table = make_table("Colours", columns, rows, numbers=(2,), empty="No pair of colours was given.")
    figures = [
        make_figure("Words", found["words"], "found"),
        make_figure("Words to avoid", len(found["words_to_avoid"]), "found"),
        make_figure("Claims", len(found["claims_without_proof"]), "found"),
    ]
    return Report(**answer.model_dump(), figures=figures, tables=[table])


def _play_check(_brief: BrandCheckBrief, context: Context) -> ReportAnswer:
    found = context.facts["violations"]
    count, claims = len(found["words_to_avoid"]), found["claims_without_proof"]
    findings = []
    if count:
        what = f"{count} words of the text are among those that the brand avoids; the brand page lists them."
        findings.append(Finding(title="Words to avoid", what=what, do="Say the same in the brand's own words."))
    if claims:
        what = f"The text claims more than is shown, in {len(claims)} places."
        findings.append(Finding(title="Claims", what=what, do="Put the proof beside the claim, or soften it."))
    findings += [
        Finding(
            title=cut(f"{one['text']} on {one['ground']}"),
            what=f"A contrast of {one['contrast']}; {READABLE} can be read.",
            do="Take a darker or a lighter one of the two.",
        )
        for one in context.facts["pairs"]
        if one["readable"] == "no"
    ]
    calm = Finding(
        title="As the brand is", what="No word to avoid, no bare claim, every pair can be read.", do="Use it."
    )
    return write_report(
        findings, good="It is as the brand is.", bad=f"{len(findings)} things are not as the brand is.", calm=calm
    )


BRAND_CHECK = make_task(
    key="brand_check",
    label="Brand check",
    verb="Check against the brand",
    job="Word a check of a text and its colours against the brand. What was found is in the data. "
    f"{REPORT_JOB} Do not repeat "
    "words that the brand avoids.",
    brief=BrandCheckBrief,
    answer=ReportAnswer,
    result=Report,
    read=_read_check,
    complete=_complete_check,
    playbook=_play_check,
    show=show_report,
    summarise=summarise_report,
    examples=(
        BriefExample("A text", "Is it us?", {"text": "Our tea is cheap and the best in town."}),
        BriefExample(
            "Colours",
            "Can it be read?",
            {"text": "The first flush is here.", "colors": "#9f47ef #ffffff\n#ffffff #cccccc"},
        ),
        BriefExample("Both", "Before it is printed.", {"text": "Come and taste.", "colors": "#000000 #ededf2"}),
    ),
)
