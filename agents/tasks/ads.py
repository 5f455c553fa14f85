"""Advertising: texts within each format's limits, and a plan that splits a budget; sums are done in code."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Card, Cards, Facts, Table, Text
from agents.parts.brief_fields import Ask, Key, Line, Link, Told, Words, choices_of, lines_of
from agents.parts.documents import make_task
from agents.parts.playbook_words import allow_link, brand_words, lowered, within
from agents.parts.report_tasks import cut
from agents.parts.result_parts import Lines, Part, ShownFigure, make_figure, show_figures, show_lines
from agents.sources.marketing import read_audience, read_brand, read_sources
from agents.sources.readings import Reading, counted, gather, make_reading, read_computed
from lib.networks import AD_FORMATS, add_utm, get_ad_format
from planning.ad_plans import FORMULA_STARTS

# ── Ad copy ──


class CopyBrief(Part):
    """What is advertised."""

    offer: Annotated[Line, Ask("What is advertised?", "One thing.")]
    points: Annotated[
        Told,
        Ask("What speaks for it?", "One thing in each line; only this and the brand page is stated.", "text", rows=4),
    ] = ""
    link: Annotated[Link, Ask("Link", "Where the ads lead.", "link")] = ""


class Ad(Part):
    """An ad in one format."""

    format: Key
    headlines: Annotated[list[Line], Field(min_length=1, max_length=8)]
    descriptions: Annotated[list[Line], Field(min_length=1, max_length=4)]


class CopyAnswer(Part):
    """What the model writes."""

    idea: Words
    ads: Annotated[list[Ad], Field(min_length=2, max_length=4)]


class AdCopy(CopyAnswer):
    """The whole result: each ad with its link."""

    links: list[str]


def _read_copy(brief: CopyBrief) -> Context:
    formats = [
        {
            "format": one.key,
            "headlines": one.headlines,
            "headline_longest": one.headline_longest,
            "descriptions": one.descriptions,
            "description_longest": one.description_longest,
        }
        for one in AD_FORMATS
    ]
    limits = read_computed("formats", "Limits of ad formats", {"formats": formats}, "as the networks' help pages say")
    return allow_link(gather((read_brand(), 1.0), (limits, 0.0)), brief.link)


def _complete_copy(brief: CopyBrief, context: Context, answer: CopyAnswer) -> AdCopy:
    link = brand_words(context, brief.link).link
    links = [add_utm(link, source=ad.format.split("_")[0], medium="cpc", campaign=brief.offer) for ad in answer.ads]
    return AdCopy(**answer.model_dump(), links=links)


def _play_copy(brief: CopyBrief, context: Context) -> CopyAnswer:
    brand = brand_words(context, brief.link)
    offer = brief.offer.rstrip(".!")
    points = [line.rstrip(".") for line in lines_of(brief.points)] or [*brand.proofs, *brand.offer]
    ads = []
    for form in AD_FORMATS:
        heads = [offer, brand.company, *points, f"{offer} from {brand.company}", "See it for yourself"]
        heads = list(dict.fromkeys(within(one, form.headline_longest) for one in heads))[: form.headlines]
        texts = [f"{offer}. {point}." for point in points] or [f"{offer}. See what it is."]
        texts = list(dict.fromkeys(within(one, form.description_longest) for one in texts))[: form.descriptions]
        ads.append(Ad(format=form.key, headlines=heads, descriptions=texts))
    return CopyAnswer(
        idea=f"Say what it is, {lowered(offer)}, then one reason at a time; nothing that is not so.", ads=ads
    )


def name_plan(text: str) -> str:
    """The words as the name of a plan: a letter or a digit first, no full stop last."""
    return cut(text.lstrip("=+-@＝＋－＠ .").rstrip(" .!")) or "Ads"


def _propose_copy(brief: CopyBrief, _context: Context, result: AdCopy) -> list[ProposedAction]:
    ads = [
        {
            "format": ad.format,
            "name": get_ad_format(ad.format).label,
            "headlines": ad.headlines,
            "descriptions": ad.descriptions,
            "link": link,
        }
        for ad, link in zip(result.ads, result.links, strict=True)
    ]
    payload = {"name": name_plan(brief.offer), "goal": "sales", "note": result.idea, "link": brief.link, "ads": ads}
    effect = f"A plan with {counted(len(ads), 'ad')}, each within its format’s limits. Nothing is bought by it."
    return [
        ProposedAction("draft_ad_plan", f"Plan the ads for “{cut(brief.offer)}”", payload, result.idea[:300], effect)
    ]


def _check_copy(_brief: CopyBrief, _context: Context, result: AdCopy) -> list[Check]:
    known = {one.key for one in AD_FORMATS}
    for ad in result.ads:
        if ad.format not in known:
            return [Check("formats", "Formats", "fail", f"“{ad.format}” is not a format that was asked for.")]
        form = get_ad_format(ad.format)
        long = [one for one in ad.headlines if len(one) > form.headline_longest]
        long += [one for one in ad.descriptions if len(one) > form.description_longest]
        texts = [*ad.headlines, *ad.descriptions]
        formula = next((one for one in texts if one.startswith(FORMULA_STARTS)), None)
        if formula is not None:
            return [Check("limits", "Limits", "fail", f"“{formula[:40]}” begins like a formula of a spreadsheet.")]
        if len(ad.headlines) > form.headlines_taken or len(ad.descriptions) > form.descriptions_taken:
            return [Check("limits", "Limits", "fail", f"These are more texts than {form.label} takes.")]
        if long:
            return [Check("limits", "Limits", "fail", f"“{long[0][:40]}…” is too long for {form.label}.")]
    return [Check("limits", "Limits", "pass", "Each text is within its format's limit.")]


def _show_copy(result: AdCopy) -> list[Block]:
    cards = []
    for ad, link in zip(result.ads, result.links, strict=False):
        label = next((one.label for one in AD_FORMATS if one.key == ad.format), ad.format)
        lines = [f"- **{one}** ({len(one)})" for one in ad.headlines] + [
            f"- {one} ({len(one)})" for one in ad.descriptions
        ]
        cards.append(Card(label, "\n".join(lines), (("Link", link or "–"),), "Characters stand behind each text."))
    return [Text(result.idea, "Idea"), Cards(cards, "Ads")]


AD_COPY = make_task(
    key="ad_copy",
    label="Ad copy",
    verb="Write ads",
    job="Write ads for the formats of the data, each by its key, with as many headlines and descriptions as it takes "
    "and each within its limit in characters. One thought to a line. No capitals for emphasis, no exclamation "
    "marks.",
    brief=CopyBrief,
    answer=CopyAnswer,
    result=AdCopy,
    read=_read_copy,
    complete=_complete_copy,
    playbook=_play_copy,
    checks=_check_copy,
    propose=_propose_copy,
    show=_show_copy,
    summarise=lambda result: f"Ads in {len(result.ads)} formats.",
    assume=lambda _brief, _context: ["LUX runs no ads itself: a plan of these has the files that the networks import."],
    examples=(
        BriefExample(
            "One product",
            "What it is, why it is good.",
            {"offer": "First flush green tea", "points": "From one garden\nFree returns"},
        ),
        BriefExample("An event", "Bring people.", {"offer": "Tasting evening in town"}),
        BriefExample("A service", "Try it.", {"offer": "Tea by subscription", "points": "Cancel any time"}),
    ),
)


# ── Media plan and pacing ──


def _money(value: object) -> object:
    return value.replace(",", "").replace("$", "").replace("€", "").strip() if isinstance(value, str) else value


Money = Annotated[float, BeforeValidator(_money), Field(ge=1, le=100_000_000)]
Goal = Literal["sales", "contacts", "awareness"]
GOAL_WORDS = {"sales": "sales", "contacts": "new contacts", "awareness": "being known"}
# How a budget is usually split: where people buy, what answers a search first; where they do not know, what is seen.
SPLITS: dict[str, tuple[tuple[str, int], ...]] = {
    "sales": (("Search ads", 50), ("Retargeting", 25), ("Social feed ads", 15), ("Tests", 10)),
    "contacts": (("Social feed ads", 45), ("Search ads", 30), ("Retargeting", 15), ("Tests", 10)),
    "awareness": (("Social feed ads", 50), ("Video", 30), ("Search ads", 10), ("Tests", 10)),
}


class PlanBrief(Part):
    """What there is to spend."""

    goal: Annotated[
        Goal,
        Ask(
            "Goal",
            kind="choice",
            choices=choices_of({"sales": "Sales", "contacts": "New contacts", "awareness": "Being known"}),
        ),
    ] = "contacts"
    budget: Annotated[Money, Ask("Budget", "For the whole time, in your currency.", "number")]
    weeks: Annotated[int, Field(ge=1, le=52), Ask("Weeks", kind="number")] = 4
    about: Annotated[Told, Ask("What is advertised?", "And to whom.", "text", rows=3)] = ""


class PlanAnswer(Part):
    """What the model words: the split is computed."""

    reading: Words
    why: Lines
    measure: Lines
    stop_when: Line


class BudgetPart(Part):
    """A part of the budget."""

    channel: str
    percent: int
    whole: str
    weekly: str


class MediaPlan(PlanAnswer):
    """The whole result."""

    parts: list[BudgetPart]
    figures: list[ShownFigure]


def _read_plan(brief: PlanBrief) -> Context:
    return gather((read_brand(), 0.4), (read_audience(), 0.3), (read_sources(), 0.3), (_read_split(brief), 0.0))


def _read_split(brief: PlanBrief) -> Reading:
    rows = [
        {
            "channel": channel,
            "percent": percent,
            "whole": round(brief.budget * percent / 100, 2),
            "weekly": round(brief.budget * percent / 100 / brief.weeks, 2),
        }
        for channel, percent in SPLITS[brief.goal]
    ]
    facts = {"split": rows, "weekly_in_all": round(brief.budget / brief.weeks, 2)}
    return make_reading("split", "Split", f"{len(rows)} channels", facts, how="LUX's usual split for such a goal")


def _complete_plan(brief: PlanBrief, context: Context, answer: PlanAnswer) -> MediaPlan:
    parts = [
        BudgetPart(
            channel=one["channel"], percent=one["percent"], whole=f"{one['whole']:,.2f}", weekly=f"{one['weekly']:,.2f}"
        )
        for one in context.facts["split"]
    ]
    figures = [
        ShownFigure(label="Budget", value=f"{brief.budget:,.2f}", evidence="split"),
        make_figure("Weeks", brief.weeks, "split"),
        ShownFigure(label="A week", value=f"{context.facts['weekly_in_all']:,.2f}", evidence="split"),
    ]
    return MediaPlan(**answer.model_dump(), parts=parts, figures=figures)


def _play_plan(_brief: PlanBrief, context: Context) -> PlanAnswer:
    first = context.facts["split"][0]
    best = max(context.facts["sources"], key=lambda one: one["seen_percent"] or 0, default=None)
    why = [f"{first['channel']} gets the most: there people come closest to the goal."]
    if best and best["seen_percent"]:
        why.append(f"Contacts from “{best['source']}” listen most: {best['seen_percent']}% were seen in three months.")
    why.append("Tests are kept apart, so that one new thing is tried without a loss elsewhere.")
    return PlanAnswer(
        reading=f"{first['channel']} first, with {first['percent']}% of the budget; the rest stands in the table.",
        why=why,
        measure=[
            "Cost of a new contact, by its source, each Monday.",
            "How many of them are still seen a month later.",
        ],
        stop_when="Stop a channel that costs twice the average for two weeks in a row.",
    )


def _propose_plan(brief: PlanBrief, _context: Context, plan: MediaPlan) -> list[ProposedAction]:
    about = lines_of(brief.about)
    payload = {
        "name": name_plan(about[0] if about else f"Media plan for {GOAL_WORDS[brief.goal]}"),
        "goal": brief.goal,
        "note": "\n".join((plan.reading, *(f"- {one}" for one in plan.why), f"Stop when: {plan.stop_when}")),
        "budget": f"{brief.budget:.2f}",
        "parts": [{"channel": one.channel, "percent": one.percent} for one in plan.parts],
    }
    effect = f"A plan of {brief.budget:,.2f} in {counted(len(plan.parts), 'part')}. Nothing is bought by it."
    return [ProposedAction("draft_ad_plan", "Add the media plan to Ad plans", payload, plan.reading[:300], effect)]


def _show_plan(plan: MediaPlan) -> list[Block]:
    rows = [(one.channel, f"{one.percent}%", one.whole, one.weekly) for one in plan.parts]
    return [
        Text(plan.reading, "In short"),
        show_figures(plan.figures),
        Table("Split", ("Channel", "Share", "In all", "A week"), rows, frozenset({1, 2, 3})),
        *show_lines(plan.why, "Why"),
        *show_lines(plan.measure, "Look at"),
        Facts([("Stop when", plan.stop_when)]),
    ]


MEDIA_PLAN = make_task(
    key="media_plan",
    label="Media plan",
    verb="Plan a budget",
    job="Word a media plan. The split of the budget is computed and final. reading: what the plan does. why: the "
    "reasons, with figures of the audience where they speak. measure: what to look at. stop_when: one rule.",
    brief=PlanBrief,
    answer=PlanAnswer,
    result=MediaPlan,
    read=_read_plan,
    complete=_complete_plan,
    playbook=_play_plan,
    propose=_propose_plan,
    show=_show_plan,
    summarise=lambda plan: f"{len(plan.parts)} channels: {plan.reading[:100]}",
    assume=lambda _brief, _context: ["What ads have cost you so far is not known to LUX."],
    examples=(
        BriefExample("New contacts", "A month.", {"goal": "contacts", "budget": "2000", "weeks": "4"}),
        BriefExample("Sales before a holiday", "Two weeks.", {"goal": "sales", "budget": "5,000", "weeks": "2"}),
        BriefExample("Being known", "A quarter.", {"goal": "awareness", "budget": "12000", "weeks": "13"}),
    ),
)


class PacingBrief(Part):
    """How a budget stands."""

    budget: Annotated[Money, Ask("Budget", "For the whole time.", "number")]
    days: Annotated[int, Field(ge=1, le=730), Ask("Days in all", kind="number")]
    day: Annotated[int, Field(ge=1, le=730), Ask("Today is day", kind="number")]
    spent: Annotated[float, BeforeValidator(_money), Field(ge=0, le=1_000_000_000), Ask("Spent so far", kind="number")]


class PacingAnswer(Part):
    """What the model words: the sums are computed."""

    verdict: Words
    do: Line


class Pacing(PacingAnswer):
    """The whole result."""

    figures: list[ShownFigure]


def _read_pacing(brief: PacingBrief) -> Context:
    day = min(brief.day, brief.days)
    due = brief.budget * day / brief.days
    left_days = brief.days - day
    pacing = {
        "due_by_now": round(due, 2),
        "spent_percent_of_due": round(100 * brief.spent / due, 1),
        "left": round(brief.budget - brief.spent, 2),
        "days_left": left_days,
        "a_day_from_now": round(max(0.0, brief.budget - brief.spent) / left_days, 2) if left_days else 0.0,
        "at_this_pace_in_all": round(brief.spent / day * brief.days, 2),
        "state": "fast" if brief.spent > 1.1 * due else "slow" if brief.spent < 0.9 * due else "on time",
    }
    facts = {"pacing": pacing, "tolerance_percent": 10}
    return gather((make_reading("pacing", "Pacing", str(pacing["state"]), facts, how="by the days gone"), 1.0))


def _complete_pacing(_brief: PacingBrief, context: Context, answer: PacingAnswer) -> Pacing:
    found = context.facts["pacing"]
    figures = [
        ShownFigure(label="Due by now", value=f"{found['due_by_now']:,.2f}", evidence="pacing"),
        ShownFigure(label="Left", value=f"{found['left']:,.2f}", evidence="pacing"),
        ShownFigure(label="A day from now", value=f"{found['a_day_from_now']:,.2f}", evidence="pacing"),
        ShownFigure(
            label="At this pace", value=f"{found['at_this_pace_in_all']:,.2f}", evidence="pacing", note="in all"
        ),
    ]
    return Pacing(**answer.model_dump(), figures=figures)


def _play_pacing(_brief: PacingBrief, context: Context) -> PacingAnswer:
    found = context.facts["pacing"]
    daily = f"{found['a_day_from_now']:,.2f}"
    if found["state"] == "on time":
        return PacingAnswer(
            verdict=f"On time: {found['spent_percent_of_due']}% of what is due is spent.", do="Leave it."
        )
    way = "faster" if found["state"] == "fast" else "more slowly"
    verdict = f"It is spent {way} than planned: {found['spent_percent_of_due']}% of what is due by now."
    return PacingAnswer(verdict=verdict, do=f"Set the daily budget to {daily} from tomorrow on.")


PACING = make_task(
    key="pacing",
    label="Pacing",
    verb="See how a budget stands",
    job="Word how a budget stands. All sums are computed. verdict: one or two sentences. do: one thing.",
    brief=PacingBrief,
    answer=PacingAnswer,
    result=Pacing,
    read=_read_pacing,
    complete=_complete_pacing,
    playbook=_play_pacing,
    show=lambda result: [Text(result.verdict, "Verdict"), show_figures(result.figures), Text(result.do, "Do")],
    summarise=lambda result: result.verdict,
    examples=(
        BriefExample("Half way", "Too fast?", {"budget": "3000", "days": "30", "day": "15", "spent": "2100"}),
        BriefExample("The first week", "Too slow?", {"budget": "1000", "days": "28", "day": "7", "spent": "120"}),
        BriefExample("Nearly done", "On time?", {"budget": "500", "days": "10", "day": "9", "spent": "455"}),
    ),
    uses_brand=False,
)
