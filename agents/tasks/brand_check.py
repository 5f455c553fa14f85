"""A check of words, colours and pictures against the brand: found by code, worded by the agent."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import StringConstraints

from agents.base import BriefExample, Context
from agents.parts.brief_fields import Ask, Clean, RowId, Told, lines_of
from agents.parts.checks import SUPERLATIVES, find_words
from agents.parts.documents import make_task
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
from agents.sources.marketing import read_brand
from agents.sources.readings import gather, make_reading
from campaigns.brand import get_brand
from creative.assets import find_asset
from creative.drawings import draw, get_place, read_design
from lib.contrast import contrast_ratio

READABLE = 4.5
HEX = re.compile(r"#([0-9a-fA-F]{6})\b")


class BrandCheckBrief(Part):
    """What is to be checked."""

    text: Annotated[
        str,
        Clean,
        StringConstraints(min_length=3, max_length=20_000),
        Ask("Text", "What readers will see.", "text", rows=6),
    ]
    asset_id: Annotated[RowId, Ask("Picture", "Its words and colours are checked too.", "picture")] = None
    colors: Annotated[Told, Ask("Colours", "Ground and text as #rrggbb, a pair in each line.", "text", rows=3)] = ""


def _read_check(brief: BrandCheckBrief) -> Context:
    brand = get_brand()
    words, pairs = _read_picture(brief.asset_id)
    text = f"{brief.text}\n{words}"
    avoided = find_words(text, [str(word) for word in brand.words_to_avoid])
    claims = find_words(text, SUPERLATIVES)
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
        "violations": {"words_to_avoid": avoided, "claims_without_proof": claims, "words": len(text.split())},
        "pairs": pairs,
        "readable_from": READABLE,
    }
    value = f"{len(avoided)} words to avoid, {len(claims)} claims, {len(pairs)} pairs of colours"
    found_reading = make_reading(
        "found", "What was found", value, facts, how="words of the brand page; contrast by WCAG 2.2"
    )
    return gather((read_brand(), 0.7), (found_reading, 0.3))


def _read_picture(asset_id: int | None) -> tuple[str, list[dict[str, Any]]]:
    """What a picture of the library says, and its pairs of colours; of a photograph its alt text alone."""
    asset = find_asset(asset_id)
    if asset is None:
        return "", []
    if not asset.design:
        return asset.alt, []
    design = read_design(asset.design)
    drawing = draw(design, get_place(asset.place))
    pairs = [
        {
            "ground": one.ground,
            "text": one.ink,
            "contrast": round(one.ratio, 1),
            "readable": "yes" if one.ratio >= READABLE else "no",
        }
        for one in drawing.contrasts
    ]
    return "\n".join((asset.alt, design.headline, design.sub, design.call)), pairs


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
