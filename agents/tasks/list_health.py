"""How healthy the audience is: who listens, who has stopped, what leaves, and what to do about it."""

from __future__ import annotations

from typing import Annotated

from agents.base import BriefExample, Check, Context, ProposedAction
from agents.parts.blocks import Block, Text
from agents.parts.brief_fields import Ask, Line, Told, Words
from agents.parts.documents import make_task
from agents.parts.result_parts import (
    Finding,
    Findings,
    Part,
    ShownFigure,
    make_figure,
    show_figures,
    show_findings,
    summarise_list,
)
from agents.parts.segment_proposals import SUBSCRIBED, all_of, propose_segment, rule
from agents.sources.marketing import QUIET_DAYS, read_audience, read_brand, read_campaigns, read_sources
from agents.sources.readings import gather, shown

AGENT_NAME = "Email & CRM"
# Beyond these shares an audience needs care; sources: usual thresholds of mailbox providers' sender guidelines.
MANY_QUIET_PERCENT, MANY_BOUNCED_PERCENT, MANY_LEAVING_PERCENT = 40.0, 2.0, 1.0


class HealthBrief(Part):
    """What a person wants to know; nothing is needed."""

    worry: Annotated[Told, Ask("What worries you?", "The figures are read in any case.", "text", rows=3)] = ""


class HealthAnswer(Part):
    """What the model words: the figures are computed."""

    verdict: Words
    findings: Findings
    first_step: Line


class HealthReport(HealthAnswer):
    """The whole result."""

    figures: list[ShownFigure]


def read(_brief: HealthBrief) -> Context:
    """The audience in numbers, its sources, and how campaigns went."""
    return gather((read_audience(), 0.6), (read_campaigns(), 0.25), (read_sources(), 0.1), (read_brand(), 0.05))


def complete(_brief: HealthBrief, context: Context, answer: HealthAnswer) -> HealthReport:
    """The words with the figures."""
    audience, sent = context.facts["audience"], context.facts["all_campaigns"]
    figures = [
        make_figure("Subscribed", audience["subscribed"], "audience"),
        make_figure("Listening", audience["listening_percent"], "audience", unit="%", note="seen in 30 days"),
        make_figure("Quiet or lost", audience["quiet_or_lost"], "audience", note=f"not seen for {QUIET_DAYS} days"),
        make_figure("Never seen", audience["never_seen"], "audience"),
        make_figure("Bounced", audience["bounced"], "audience"),
        make_figure("Left per campaign", sent["unsubscribed_percent"], "campaigns", unit="%"),
    ]
    return HealthReport(**answer.model_dump(), figures=figures)


def playbook(_brief: HealthBrief, context: Context) -> HealthAnswer:
    """The report from thresholds."""
    audience, sent = context.facts["audience"], context.facts["all_campaigns"]
    findings = [*_find_quiet(audience), *_find_never(audience), *_find_bounces(audience), *_find_leaving(sent)]
    findings += _find_growth(audience)
    if not audience["subscribed"]:
        verdict = "Nobody is subscribed yet, so there is no health to speak of. Begin with an import or a form."
        first = "Bring in the first contacts with their consent."
    elif len(findings) == 1 and findings[0].title == GROWING:
        verdict = "The audience is in good health: people listen, few leave, and new ones arrive."
        first = "Keep the rhythm, and look again in a month."
    else:
        verdict = (
            f"{audience['subscribed']:,} people are subscribed and {audience['listening']:,} were seen in the last "
        )
        verdict += "month. The findings below say where care pays off first."
        first = findings[0].do.split(". ")[0].rstrip(".") + "."
    return HealthAnswer(verdict=verdict, findings=findings, first_step=first)


GROWING = "New contacts arrive"


def _find_quiet(audience: dict[str, int]) -> list[Finding]:
    if not audience["quiet_or_lost"]:
        return []
    what = f"{audience['quiet']:,} subscribers were last seen three to six months ago, {audience['lost']:,} longer ago."
    do = "Ask them once whether they want to stay, then leave out those who do not answer. Providers notice who opens."
    return [Finding(title="People who went quiet", what=what, do=do)]


def _find_never(audience: dict[str, int]) -> list[Finding]:
    if not audience["never_seen"]:
        return []
    what = f"{audience['never_seen']:,} subscribers ({shown(audience['never_seen_percent'], '%')}) have never opened."
    do = "Look at the sources that they came from, and write to them less often until one opens."
    return [Finding(title="People who never opened", what=what, do=do)]


def _find_bounces(audience: dict[str, int]) -> list[Finding]:
    bounced = audience["bounced"]
    if not bounced:
        return []
    what = (
        f"{bounced:,} contacts have bounced and {audience['complained']:,} have complained. LUX writes to none of them."
    )
    do = "Find the source that brings them and ask for the address twice there, or confirm it by mail."
    return [Finding(title="Addresses that do not work", what=what, do=do)]


def _find_leaving(sent: dict[str, float | None]) -> list[Finding]:
    share = sent["unsubscribed_percent"]
    if share is None or share < MANY_LEAVING_PERCENT:
        return []
    what = f"{share}% of the messages of the last campaigns were answered with an unsubscribe."
    do = "Write less often to people who do not click, and say at the start of each message why they get it."
    return [Finding(title="Many leave", what=what, do=do)]


def _find_growth(audience: dict[str, int]) -> list[Finding]:
    added = audience["added_last_30_days"]
    if not added:
        what = "Nobody was added in the last month, so the audience shrinks with everybody who leaves."
        do = "Put a form where people already are, or connect the tool that collects addresses."
        return [Finding(title="No new contacts", what=what, do=do)]
    what = f"{added:,} contacts were added in the last month, {audience['added_last_90_days']:,} in three months."
    return [Finding(title=GROWING, what=what, do="Greet them within a day, while they remember why they signed up.")]


def check(_brief: HealthBrief, context: Context, report: HealthReport) -> list[Check]:
    """Whether the worst figure is spoken of at all."""
    share = context.facts["audience"]["never_seen_percent"] or 0
    words = " ".join([report.verdict, *(f"{one.title} {one.what}" for one in report.findings)]).lower()
    if share >= MANY_QUIET_PERCENT and "never" not in words:
        detail = "Most subscribers have never opened, and the report does not say so."
        return [Check("worst", "The worst figure", "fail", detail)]
    return [Check("worst", "The worst figure", "pass", "It is spoken of.")]


def propose(_brief: HealthBrief, _context: Context, _report: HealthReport) -> list[ProposedAction]:
    """Segments of the people that the report is about."""
    quiet = all_of(SUBSCRIBED, rule("received", "within_days", 180), rule("opened", "not_within_days", QUIET_DAYS))
    never = all_of(SUBSCRIBED, rule("received", "ever"), rule("opened", "never"))
    return [
        *propose_segment(
            "Quiet subscribers", quiet, reason="They get mail and do not open it.", made_by=AGENT_NAME, slot="quiet"
        ),
        *propose_segment(
            "Never opened", never, reason="They have never opened a message.", made_by=AGENT_NAME, slot="never"
        ),
    ]


def show(report: HealthReport) -> list[Block]:
    """The report for page and document."""
    return [
        Text(report.verdict, "In short"),
        show_figures(report.figures),
        show_findings(report.findings),
        Text(report.first_step, "First step"),
    ]


LIST_HEALTH = make_task(
    key="list_health",
    label="List health",
    verb="Look at the audience's health",
    job="Report on the health of an e-mail audience to its marketing team: who listens, who has stopped, who leaves, "
    "what arrives. Give a verdict of two or three sentences, findings with the most important first (what the "
    "figures say, what to do about it), and one first step. Answer the worry in the brief if there is one.",
    brief=HealthBrief,
    answer=HealthAnswer,
    result=HealthReport,
    read=read,
    complete=complete,
    playbook=playbook,
    checks=check,
    propose=propose,
    show=show,
    summarise=lambda report: summarise_list(len(report.findings), "finding", report.findings[0].title),
    examples=(
        BriefExample("A monthly look", "Everything, nothing special.", {"worry": ""}),
        BriefExample("Fewer opens", "Why do fewer people open?", {"worry": "Fewer people open than last year. Why?"}),
        BriefExample("Before a big send", "Is it safe to write to all?", {"worry": "We want to write to everybody."}),
    ),
)
