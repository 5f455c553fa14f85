"""The verdict on two versions, from the figures that a person gives: LUX sends no A/B tests itself yet."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from agents.base import BriefExample, Check, Context
from agents.parts.blocks import Block, Table, Text
from agents.parts.brief_fields import Ask, Line, ToldLine, Words, choices_of
from agents.parts.documents import make_task
from agents.parts.result_parts import Part, ShownFigure, show_figures
from agents.sources.readings import Reading, gather, make_reading, percent_of
from lib.proportions import compare, power_of, trials_needed, wilson

MEASURES = {"clicks": "Clicks", "opens": "Opens", "orders": "Orders", "answers": "Answers"}


def _whole(value: object) -> object:
    return value.replace(",", "").replace(" ", "") if isinstance(value, str) else value


Count = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=100_000_000)]


class VerdictBrief(Part):
    """Two versions in figures."""

    what: Annotated[ToldLine, Ask("What was compared?", "Such as: two subjects of the spring letter.")] = ""
    measure: Annotated[str, Ask("What counts", kind="choice", choices=choices_of(MEASURES))] = "clicks"
    sent_a: Annotated[Count, Ask("A was sent to", kind="number")]
    hits_a: Annotated[Count, Ask("and A got", "How many people did what counts.", "number")]
    sent_b: Annotated[Count, Ask("B was sent to", kind="number")]
    hits_b: Annotated[Count, Ask("and B got", kind="number")]

    @model_validator(mode="after")
    def _check_counts(self) -> VerdictBrief:
        if self.hits_a > self.sent_a or self.hits_b > self.sent_b:
            raise ValueError("More people cannot have done it than it was sent to.")
        return self


class VerdictAnswer(Part):
    """What the model words: winner, lift and interval are computed."""

    verdict: Words
    why: Words
    next_step: Line


class Verdict(VerdictAnswer):
    """The whole result."""

    winner: str
    figures: list[ShownFigure]
    rows: list[list[str]]


def read(brief: VerdictBrief) -> Context:
    """The statistics of the two."""
    return gather((_read_statistics(brief), 1.0))


def _read_statistics(brief: VerdictBrief) -> Reading:
    first, second = (brief.hits_a, brief.sent_a), (brief.hits_b, brief.sent_b)
    one, two, change = wilson(*first), wilson(*second), compare(first, second)
    power = power_of(first, second)
    needed = trials_needed(one.value, change.difference) if one and change else None
    winner = "none"
    if change is not None and change.is_significant:
        winner = "B" if change.difference > 0 else "A"
    statistics = {
        "winner": winner,
        "a_percent": percent_of(*first),
        "a_low": _percent(one.low if one else None),
        "a_high": _percent(one.high if one else None),
        "b_percent": percent_of(*second),
        "b_low": _percent(two.low if two else None),
        "b_high": _percent(two.high if two else None),
        "difference_points": _percent(change.difference if change else None),
        "difference_low": _percent(change.low if change else None),
        "difference_high": _percent(change.high if change else None),
        "p_value": round(change.p_value, 4) if change else None,
        "power_percent": _percent(power),
        "needed_per_version": needed,
    }
    facts = {"measure": MEASURES.get(brief.measure, brief.measure), "statistics": statistics, "certain_from_p": 0.05}
    how = "intervals by Wilson and Newcombe, the z test of two shares, 95%"
    value = f"winner: {winner}"
    coverage = min(1.0, min(brief.sent_a, brief.sent_b) / 1000)
    return make_reading("statistics", "Statistics", value, facts, coverage=coverage, how=how)


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def complete(brief: VerdictBrief, context: Context, answer: VerdictAnswer) -> Verdict:
    """The words with the statistics."""
    found = context.facts["statistics"]
    figures = [
        ShownFigure(label="Winner", value=found["winner"], evidence="statistics"),
        ShownFigure(label="B less A", value=_points(found), evidence="statistics", note="points"),
        ShownFigure(label="By chance alone", value=_text(found["p_value"]), evidence="statistics", note="p"),
        ShownFigure(label="Power", value=_text(found["power_percent"], "%"), evidence="statistics"),
    ]
    rows = [
        [name, f"{sent:,}", f"{hits:,}", _text(found[f"{key}_percent"], "%"), _interval(found, key)]
        for name, key, sent, hits in (
            ("A", "a", brief.sent_a, brief.hits_a),
            ("B", "b", brief.sent_b, brief.hits_b),
        )
    ]
    return Verdict(**answer.model_dump(), winner=found["winner"], figures=figures, rows=rows)


def _text(number: float | None, unit: str = "") -> str:
    return "–" if number is None else f"{number}{unit}"


def _points(found: dict[str, float | None]) -> str:
    if found["difference_points"] is None:
        return "–"
    return f"{found['difference_points']:+} ({found['difference_low']:+} to {found['difference_high']:+})"


def _interval(found: dict[str, float | None], key: str) -> str:
    return "–" if found[f"{key}_low"] is None else f"{found[f'{key}_low']}–{found[f'{key}_high']}%"


def playbook(brief: VerdictBrief, context: Context) -> VerdictAnswer:
    """The verdict in the words of a statistician who likes people."""
    found = context.facts["statistics"]
    needed = found["needed_per_version"]
    measure = str(context.facts["measure"]).lower()
    if found["winner"] != "none":
        return VerdictAnswer(
            verdict=f"{found['winner']} wins: the difference of {_points(found)} points is more than chance alone.",
            why=f"If both were alike, such a difference would be seen by chance with p {found['p_value']}.",
            next_step=f"Use {found['winner']} from now on, and try one other thing next time.",
        )
    more = f"About {needed:,} people for each version would be needed to see such a difference. " if needed else ""
    return VerdictAnswer(
        verdict=f"There is no winner: the figures of {measure} differ no more than chance lets them differ.",
        why=f"{more}The range of the difference holds nought: {_points(found)} points.",
        next_step="Take whichever you like better, or try a bolder difference on more people.",
    )


def check(_brief: VerdictBrief, context: Context, verdict: Verdict) -> list[Check]:
    """Whether the words say what the statistics say."""
    winner = context.facts["statistics"]["winner"]
    words = f" {verdict.verdict} {verdict.next_step} ".lower()
    claims = [one for one in ("a", "b") if f" {one} wins" in words or f"winner is {one}" in words]
    if winner == "none" and claims:
        return [Check("verdict", "Verdict", "fail", "Names a winner, and the statistics know none.")]
    if winner != "none" and claims and winner.lower() not in claims:
        return [Check("verdict", "Verdict", "fail", f"Names another winner than the statistics, which say {winner}.")]
    return [Check("verdict", "Verdict", "pass", f"It says what the statistics say: winner {winner}.")]


def show(verdict: Verdict) -> list[Block]:
    """The verdict for page and document."""
    columns = ("Version", "Sent", "Did it", "Share", "Interval of 95%")
    return [
        Text(verdict.verdict, "Verdict"),
        show_figures(verdict.figures),
        Table("The two versions", columns, verdict.rows, frozenset({1, 2, 3, 4})),
        Text(verdict.why, "Why"),
        Text(verdict.next_step, "Next"),
    ]


AB_VERDICT = make_task(
    key="ab_verdict",
    label="A/B verdict",
    verb="Judge two versions",
    job="Word the verdict on two versions. Winner, shares, intervals, p and power are computed and final: name the "
    "winner that the statistics name, or say that there is none. verdict: one or two sentences. why: for people "
    "who know no statistics. next_step: one thing.",
    brief=VerdictBrief,
    answer=VerdictAnswer,
    result=Verdict,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    show=show,
    summarise=lambda verdict: f"Winner: {verdict.winner}. {verdict.verdict}"[:160],
    assume=lambda _brief, _context: [
        "People were given A or B by chance, at the same time, and nobody looked at the figures before the end."
    ],
    examples=(
        BriefExample(
            "Two subjects",
            "A clear difference.",
            {"what": "Two subjects", "sent_a": "2000", "hits_a": "80", "sent_b": "2000", "hits_b": "130"},
        ),
        BriefExample(
            "Too close to call",
            "Small numbers.",
            {"what": "Two buttons", "sent_a": "300", "hits_a": "12", "sent_b": "310", "hits_b": "15"},
        ),
        BriefExample(
            "Opens",
            "Another measure.",
            {"measure": "opens", "sent_a": "1500", "hits_a": "420", "sent_b": "1500", "hits_b": "431"},
        ),
    ),
    uses_brand=False,
)
