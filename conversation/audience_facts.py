"""Contacts, segments and what waits for a person, as figures; nobody's name, address or phone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

import ai
from agents import AGENTS
from agents.figures import count_waiting_proposals
from audience.figures import count_contacts, count_contacts_since, count_dead_bodies
from audience.segments import count_segment, get_segment, list_segments
from campaigns.audience_count import count_audience
from campaigns.figures import list_paused_channels, list_stuck_campaigns
from config import current_settings
from conversation.facts import Card, Evidence, Fact
from extensions import db
from lib.answer_markdown import quote_words
from models import SUBSCRIPTIONS, Contact, Segment

MOST_SEGMENTS = 20
MOST_STUCK = 5
STATE_WORDS = {
    "subscribed": "may get mail",
    "pending": "have not confirmed yet",
    "none": "have not agreed to mail",
    "unsubscribed": "have unsubscribed",
    "bounced": "bounced",
    "complained": "complained",
}


def tell_contacts() -> Fact:
    """How many contacts there are, how many are new, and how many may be written to."""
    now = datetime.now(UTC)
    total = count_contacts()
    if not total:
        text = "There are no contacts yet. [Import a file](/contacts/imports/), connect Zapier or add sample data."
        return Fact(text, "There are no contacts yet.", (_contacts(),))
    week, month = count_contacts_since(now - timedelta(days=7)), count_contacts_since(now - timedelta(days=28))
    counts: dict[str, int] = {
        str(state): int(count)
        for state, count in db.session.execute(
            select(Contact.subscription, func.count()).group_by(Contact.subscription)
        )
    }
    states = [f"{counts[state]:,} {STATE_WORDS[state]}" for state in SUBSCRIPTIONS[::-1] if counts.get(state)]
    words = f"{total:,} contacts: {', '.join(states)}. {week:,} are new in the last 7 days, {month:,} in the last 28."
    return Fact(f"You have **{words.replace(':', '**:', 1)}", words, (_contacts(),))


def tell_segments() -> Fact:
    """The segments and how many people are in each."""
    found = list_segments()[:MOST_SEGMENTS]
    if not found:
        text = "There are no segments yet. [Make one](/segments/new) from rules or from a recipe."
        return Fact(text, "There are no segments yet.", (_segments(),))
    sizes = {segment.id: count_segment(segment.id) for segment in found}
    ranked = sorted(found, key=lambda segment: -sizes[segment.id])
    return Fact(
        "**Segments**, the largest first:\n\n"
        + "\n".join(f"- {_named(segment)}: {sizes[segment.id]:,} contacts" for segment in ranked),
        "Segments by size: " + ", ".join(f"segment {segment.id}: {sizes[segment.id]:,}" for segment in ranked) + ".",
        (_segments(), *(_evidence(segment) for segment in ranked[:5])),
    )


def tell_segment(segment_id: int) -> Fact:
    """Who of a segment would get a campaign now, and who falls away. Raises NotFound."""
    segment = get_segment(segment_id)
    count = count_audience(segment.id)
    sums = (
        f"{count.segment:,} in it − {count.unsubscribed:,} unsubscribed − {count.suppressed:,} suppressed − "
        f"{count.no_consent:,} without consent = {count.will_receive:,} would receive a campaign now"
    )
    return Fact(f"{_named(segment)}: {sums}.", f"segment {segment.id}: {sums}.", (_evidence(segment),))


def tell_reach() -> Fact:
    """How many people may be written to now."""
    may = db.session.scalar(select(func.count()).where(Contact.subscription == "subscribed")) or 0
    total = count_contacts()
    words = f"{may:,} of {total:,} contacts have agreed to get mail; suppressed addresses among them are held back."
    return Fact(f"**{words.replace(' contacts', '** contacts', 1)}", words, (_contacts(), _segments()))


def tell_waiting() -> Fact:
    """What waits for a person: proposals, paused channels and campaigns, bodies that became nothing."""
    waiting, dead = count_waiting_proposals(), count_dead_bodies()
    lines = []
    if waiting:
        lines.append(f"{waiting} {'proposal waits' if waiting == 1 else 'proposals wait'} for [approval](/approvals/).")
    paused, stuck = list_paused_channels(), list_stuck_campaigns(MOST_STUCK)
    lines += [f"The channel {channel.channel} is paused." for channel in paused]
    lines += [f"The campaign {_campaign_link(one.id, one.name)} is paused." for one in stuck]
    if dead:
        lines.append(f"{dead:,} webhook bodies became nothing; the [webhook inbox](/webhook-inbox/) says why.")
    told = (
        f"{waiting} proposals wait, {len(paused)} channels and {len(stuck)} campaigns are paused, {dead} dead bodies."
    )
    text = "\n".join(f"- {line}" for line in lines) if lines else "Nothing waits for you."
    return Fact(text, told, (Evidence("figure:approvals", "Approvals", "/approvals/"),))


def tell_agents() -> Fact:
    """The eleven agents, each with its line."""
    lines = [f"- [{agent.label}](/agents/{agent.key}): {agent.verb_line}" for agent in AGENTS]
    told = "; ".join(f"{agent.label} ({agent.key}): {agent.verb_line}" for agent in AGENTS)
    return Fact("**The agents**\n\n" + "\n".join(lines), f"Agents: {told}", (Evidence("agents", "Agents", "/agents/"),))


def tell_spend() -> Fact:
    """What the model has cost today, of the day's budget."""
    if not ai.is_configured():
        text = "No AI key is set, so nothing is spent. [The README](/help/readme#set-up-ai) says how to set one."
        return Fact(text, "No AI key is set; nothing is spent.", (Evidence("figure:spend", "Agents", "/agents/"),))
    budget = ai.get_budget()
    words = f"${budget.spent_usd:,.2f} of today's ${budget.limit_usd:,.2f} are spent; ${budget.left_usd:,.2f} are left."
    return Fact(f"**{words}**", words, (Evidence("figure:spend", "Agents", "/agents/"),))


def tell_sending() -> Fact:
    """Whether mail leaves this LUX at all; for anybody who asks what is wrong."""
    settings = current_settings()
    lines = [f"The channel {channel.channel} is paused." for channel in list_paused_channels()]
    missing = [n for n, v in (("a sender", settings.mail_from), ("a postal address", settings.postal_address)) if not v]
    if missing:
        lines.append(f"There is no {' and no '.join(one.split(' ', 1)[1] for one in missing)} yet, so nothing is sent.")
    if not settings.smtp_url:
        lines.append("No mail server is set: messages go to the test outbox.")
    told = (
        " ".join(lines)
        or "Sending is ready: a mail server, a sender and a postal address are set; no channel is paused."
    )
    card = Card("Channels", "Mail server, sender and domain.", url="/settings/channels")
    return Fact(told, told, (Evidence("figure:channels", "Channels", "/settings/channels"),), (card,) if lines else ())


def _named(segment: Segment) -> str:
    return f"[{quote_words(segment.name, 80)}](/segments/{segment.id})"


def _campaign_link(campaign_id: int, name: str) -> str:
    return f"[{quote_words(name, 80)}](/campaigns/{campaign_id})"


def _evidence(segment: Segment) -> Evidence:
    return Evidence(f"segment:{segment.id}", segment.name[:80], f"/segments/{segment.id}")


def _contacts() -> Evidence:
    return Evidence("figure:contacts", "Contacts", "/contacts/")


def _segments() -> Evidence:
    return Evidence("figure:segments", "Segments", "/segments/")
