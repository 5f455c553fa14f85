"""Campaigns as figures: what was sent, opened and clicked, which did best, and why somebody did or did not get one.

For people with names and links, for the model with ids and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from campaigns.drafting import get_campaign
from campaigns.explanation import explain_recipient
from campaigns.figures import PERIOD_DAYS, Total, get_totals, list_campaigns_named, list_recent_campaigns, sum_period
from campaigns.overview import count_campaigns
from campaigns.tallies import count_states
from conversation.facts import Card, Evidence, Fact
from errors import InputInvalid
from lib.answer_markdown import quote_words
from models import Campaign

MOST_LOOKED_AT = 100
MOST_TOLD = 5
# Below this a rate says more about chance than about the campaign.
LEAST_SENT = 20
_ADDRESS = re.compile(r"[^\s<>,;\"']+@[^\s<>,;\"']+\.[^\s<>,;\"'?!.]+")
_NEW = Card("A new campaign", "Email & CRM drafts it, you check it.", url="/agents/email_crm")


def tell_campaigns() -> Fact:
    """How the campaigns are doing: the last four weeks beside the four before, and the latest ones."""
    now = datetime.now(UTC)
    counted = count_campaigns()
    period, before = sum_period(now), sum_period(now, periods_back=1)
    launched = _list_launched()
    if not launched:
        drafts = counted["draft"]
        words = f"There {_are(drafts, 'draft')}." if drafts else "There is no draft either."
        return Fact(
            f"No campaign has been sent yet. {words} Start one under [Campaigns](/campaigns/), or have it drafted by "
            "[Email & CRM](/agents/email_crm).",
            f"No campaign was sent yet; {drafts} drafts.",
            (Evidence("figure:campaigns", "Campaigns", "/campaigns/"),),
            (_NEW,),
        )
    totals = get_totals(launched)
    lines = [f"- {_named(one)}: {_results(totals[one.id])}" for one in launched[:MOST_TOLD]]
    told = [f"campaign {one.id}: {_results(totals[one.id])}" for one in launched[:MOST_TOLD]]
    change = _change(period, before)
    summary = f"In the last {PERIOD_DAYS} days: {_results(period)}.{change}"
    states = ", ".join(f"{count} {state}" for state, count in counted.items() if count)
    return Fact(
        f"**Campaigns.** {summary}\n\nThe latest:\n\n" + "\n".join(lines),
        f"Campaigns by state: {states}. {summary} Latest campaigns: " + "; ".join(told) + ".",
        (
            Evidence("figure:campaigns", "Campaigns", "/campaigns/"),
            *(_evidence(one) for one in launched[:MOST_TOLD]),
        ),
    )


def tell_best_campaign() -> Fact:
    """The campaigns that people clicked most and least, among those with enough messages to compare."""
    launched = _list_launched()
    totals = get_totals(launched)
    fit = [one for one in launched if totals[one.id].sent >= LEAST_SENT]
    if not fit:
        least = f"None has {LEAST_SENT} messages or more yet, so a comparison would only show chance."
        return Fact(f"{least} [Campaigns](/campaigns/) shows what there is.", least, (_overview(),))
    ranked = sorted(
        fit, key=lambda one: (-_rate(totals[one.id].clicked_percent), -_rate(totals[one.id].opened_percent))
    )
    best, worst = ranked[0], ranked[-1]
    opened = max(fit, key=lambda one: _rate(totals[one.id].opened_percent))
    lines = [f"Clicked most: {_named(best)}, {_results(totals[best.id])}."]
    told = [f"Highest click rate: campaign {best.id}, {_results(totals[best.id])}."]
    if opened.id != best.id:
        lines.append(f"Opened most: {_named(opened)}, {_results(totals[opened.id])}.")
        told.append(f"Highest open rate: campaign {opened.id}, {_results(totals[opened.id])}.")
    if worst.id != best.id:
        lines.append(f"Clicked least: {_named(worst)}, {_results(totals[worst.id])}.")
        told.append(f"Lowest click rate: campaign {worst.id}, {_results(totals[worst.id])}.")
    note = f"Of {len(fit)} campaigns with at least {LEAST_SENT} messages; people's opens and clicks, machines left out."
    shown = dict.fromkeys((best, opened, worst))
    return Fact("\n\n".join([*lines, note]), " ".join([*told, note]), tuple(_evidence(one) for one in shown))


def tell_campaign(campaign_id: int) -> Fact:
    """One campaign's ledger and results. Raises NotFound."""
    campaign = get_campaign(campaign_id)
    counts = count_states(campaign.id)
    sums = (
        f"planned {counts.planned:,} = sent {counts.sent:,} + failed {counts.failed:,} + suppressed "
        f"{counts.suppressed:,} + unknown {counts.unknown:,} + waiting {counts.waiting:,}"
    )
    acted = (
        f"{counts.opens_human:,} opened and {counts.clicks_human:,} clicked by people, "
        f"{counts.opens_machine:,} and {counts.clicks_machine:,} by machines, {counts.unsubscribed:,} unsubscribed"
    )
    paused = f" It is paused: {quote_words(campaign.pause_reason)}." if campaign.pause_reason else ""
    return Fact(
        f"{_named(campaign)} is **{campaign.state}**. {sums}; {acted}.{paused}",
        f"campaign {campaign.id} is {campaign.state}: {sums}; {acted}.",
        (_evidence(campaign),),
    )


def find_campaigns(words: str) -> Fact:
    """Campaigns by name, as ids for the model."""
    found = list_campaigns_named(words.strip()[:100], MOST_TOLD)
    if not found:
        return Fact("No campaign is called that.", "No campaign is called that.", (_overview(),))
    return Fact(
        "\n".join(f"- {_named(one)}: {one.state}" for one in found),
        "; ".join(f"campaign {one.id} ({one.state})" for one in found),
        tuple(_evidence(one) for one in found),
        is_from_outside=True,
    )


def find_mentioned_campaign(words: str) -> Campaign | None:
    """The campaign whose name stands in the words, the longest name first."""
    folded = words.casefold()
    named = [one for one in list_recent_campaigns(MOST_LOOKED_AT) if len(one.name) > 3]
    inside = [one for one in named if one.name.casefold() in folded]
    return max(inside, key=lambda one: len(one.name), default=None)


def tell_explanation(words: str) -> Fact:
    """Why the address in the words did or did not get the campaign that is named there, or the latest one."""
    address = _ADDRESS.search(words)
    if address is None:
        text = (
            "Give me the address and the campaign, such as “Why didn't ann@example.com get Spring sale?”. Each "
            "campaign's results page answers it too, person by person."
        )
        return Fact(text, "The question names no address, so it cannot be looked up.", (_overview(),))
    campaign = find_mentioned_campaign(words) or next(iter(_list_launched()), None)
    if campaign is None:
        return Fact("No campaign has been sent yet.", "No campaign was sent yet.", (_overview(),))
    try:
        found = explain_recipient(campaign, address[0])
    except InputInvalid:
        return Fact("This is not an e-mail address.", "What the question names is no address.")
    facts = [f"- {quote_words(fact.text)}" for fact in found.facts[:8]]
    contact = f"contact:{found.contact_id}" if found.contact_id else ""
    evidence = [_evidence(campaign)]
    if found.contact_id:
        evidence.append(Evidence(contact, "The contact", f"/contacts/{found.contact_id}"))
    return Fact(
        f"{_named(campaign)}: {quote_words(found.answer)}" + ("\n\n" + "\n".join(facts) if facts else ""),
        f"campaign {campaign.id}: {found.answer}",
        tuple(evidence),
        is_from_outside=True,
    )


def _list_launched() -> list[Campaign]:
    recent = list_recent_campaigns(MOST_LOOKED_AT)
    return sorted((one for one in recent if one.launched_at), key=lambda one: one.launched_at or one.created_at)[::-1]


def _results(total: Total) -> str:
    if not total.sent:
        return f"{total.sent:,} sent" + (f", {total.failed:,} failed" if total.failed else "")
    rates: Sequence[tuple[str, float | None]] = (
        ("delivered", total.delivered_percent), ("opened", total.opened_percent), ("clicked", total.clicked_percent),
    )  # fmt: skip
    return f"{total.sent:,} sent, " + ", ".join(f"{_rate(rate):.1f}% {name}" for name, rate in rates)


def _change(period: Total, before: Total) -> str:
    """What is different from the four weeks before, where both have enough messages to say so."""
    if period.sent < LEAST_SENT or before.sent < LEAST_SENT:
        return ""
    points = _rate(period.clicked_percent) - _rate(before.clicked_percent)
    if abs(points) < 0.05:
        return " The click rate is as it was in the four weeks before."
    return f" The click rate is {abs(points):.1f} points {'higher' if points > 0 else 'lower'} than in the four before."


def _rate(percent: float | None) -> float:
    return percent or 0.0


def _named(campaign: Campaign) -> str:
    return f"[{quote_words(campaign.name, 80)}]({_url(campaign)})"


def _url(campaign: Campaign) -> str:
    return f"/campaigns/{campaign.id}/results" if campaign.launched_at else f"/campaigns/{campaign.id}"


def _evidence(campaign: Campaign) -> Evidence:
    return Evidence(f"campaign:{campaign.id}", campaign.name[:80], _url(campaign))


def _overview() -> Evidence:
    return Evidence("figure:campaigns", "Campaigns", "/campaigns/")


def _are(count: int, thing: str) -> str:
    return f"is one {thing}" if count == 1 else f"are {count:,} {thing}s"
