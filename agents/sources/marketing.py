"""What most agents read: the brand, the audience, segments and campaigns, as aggregates with their evidence.

No address and no name of a person leaves here. To add a source, write a read_ function that returns a Reading.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Integer, and_, func, or_, select
from sqlalchemy import cast as sql_cast

from agents.base import Evidence
from agents.sources.readings import FEWEST_SENT, Reading, make_reading, percent_of, tell_facts
from audience.consent import is_suppressed_contact
from audience.segment_queries import segment_query
from audience.segments import describe_segment, list_segments
from campaigns.audience_count import count_audience
from campaigns.brand import get_brand, list_links, measure_brand
from campaigns.figures import SENT_STATES, Total, get_totals, list_weeks
from config import current_settings
from extensions import db
from lib.clean_text import one_line
from models import Campaign, CampaignTally, Contact

MOST_SEGMENTS = 12
MOST_CAMPAIGNS = 12
MOST_SOURCES = 8
# Who opened or clicked within so many days is listening; between both marks slipping; beyond, quiet.
LISTENING_DAYS, QUIET_DAYS, LOST_DAYS = 30, 90, 180


def read_brand() -> Reading:
    """The brand page: voice, offer, audience, proof; the addresses that texts may lead to."""
    brand = get_brand()
    completeness = measure_brand(brand)
    links = list_links(brand)
    facts = {
        "brand": {
            "company": brand.company,
            "voice": brand.voice,
            "audience": brand.audience,
            "offer": brand.offer,
            "words_to_use": brand.words_to_use,
            "words_to_avoid": brand.words_to_avoid,
            "proof_points": brand.proof_points,
        },
        "links": [{"label": link.label, "url": link.url} for link in links],
        "allowed_links": [link.url for link in links],
    }
    evidence = Evidence(
        "brand",
        "Brand page",
        f"{completeness.percent}% complete",
        datetime.now(UTC),
        "/settings/brand",
        tuple(tell_facts({"brand": facts["brand"]})),
    )
    return Reading(evidence, facts, completeness.percent / 100)


def read_today() -> Reading:
    """The day in the house's time zone, and the quarter that begins next."""
    today = datetime.now(ZoneInfo(current_settings().timezone))
    value = f"{today:%A}, {today.day} {today:%B %Y}"
    return Reading(Evidence("today", "Today", value, datetime.now(UTC)), {"today": value, "month": f"{today:%B}"})


def read_audience() -> Reading:
    """Everybody in numbers: subscription, arrivals, and who listens."""
    now = datetime.now(UTC)
    seen = func.greatest(Contact.opened_at, Contact.clicked_at)
    subscribed = Contact.subscription == "subscribed"

    def count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count().filter(and_(*conditions)) if conditions else func.count()

    def since(days: int) -> datetime:
        return now - timedelta(days=days)

    row = db.session.execute(
        select(
            count().label("contacts"),
            count(subscribed).label("subscribed"),
            count(Contact.subscription.in_(("none", "pending"))).label("without_consent"),
            count(Contact.subscription == "unsubscribed").label("unsubscribed"),
            count(Contact.subscription == "bounced").label("bounced"),
            count(Contact.subscription == "complained").label("complained"),
            count(subscribed, is_suppressed_contact()).label("subscribed_but_suppressed"),
            count(Contact.created_at >= since(LISTENING_DAYS)).label("added_last_30_days"),
            count(Contact.created_at >= since(QUIET_DAYS)).label("added_last_90_days"),
            count(subscribed, seen >= since(LISTENING_DAYS)).label("listening"),
            count(subscribed, seen < since(LISTENING_DAYS), seen >= since(QUIET_DAYS)).label("slipping"),
            count(subscribed, seen < since(QUIET_DAYS), seen >= since(LOST_DAYS)).label("quiet"),
            count(subscribed, seen < since(LOST_DAYS)).label("lost"),
            count(subscribed, seen.is_(None), Contact.created_at >= since(LISTENING_DAYS)).label("too_new_to_tell"),
            count(subscribed, seen.is_(None), Contact.created_at < since(LISTENING_DAYS)).label("never_seen"),
        )
    ).one()
    audience: dict[str, Any] = dict(row._mapping)
    audience["quiet_or_lost"] = audience["quiet"] + audience["lost"]
    for name in ("listening", "slipping", "quiet", "lost", "quiet_or_lost", "never_seen"):
        audience[f"{name}_percent"] = percent_of(audience[name], audience["subscribed"])
    facts = {
        "audience": audience,
        "how_counted": f"listening: opened or clicked in the last {LISTENING_DAYS} days; slipping: {LISTENING_DAYS} to "
        f"{QUIET_DAYS} days ago; quiet: {QUIET_DAYS} to {LOST_DAYS}; lost: longer ago; never seen: never opened",
    }
    value = f"{audience['contacts']:,} contacts, {audience['subscribed']:,} subscribed"
    how = f"opens and clicks of people within {LISTENING_DAYS}, {QUIET_DAYS} and {LOST_DAYS} days"
    coverage = 1.0 if audience["subscribed"] >= 50 else audience["subscribed"] / 50
    return make_reading("audience", "Audience", value, facts, source="/contacts", coverage=coverage, how=how)


def read_sources() -> Reading:
    """Where contacts came from, and how many of each source listen."""
    is_subscribed = Contact.subscription == "subscribed"
    seen = func.greatest(Contact.opened_at, Contact.clicked_at)
    listens = and_(is_subscribed, seen >= datetime.now(UTC) - timedelta(days=QUIET_DAYS))
    source = func.coalesce(func.nullif(Contact.source, ""), "unknown")
    rows = db.session.execute(
        select(source, func.count(), func.count().filter(is_subscribed), func.count().filter(listens))
        .group_by(source)
        .order_by(func.count().desc(), source)
        .limit(MOST_SOURCES)
    ).all()
    found = [
        {
            "source": one_line(str(name))[:60],
            "contacts": total,
            "subscribed": subscribed,
            "seen_in_90_days": listening,
            "seen_percent": percent_of(listening, subscribed),
        }
        for name, total, subscribed, listening in rows
    ]
    return make_reading(
        "sources", "Sources of contacts", str(len(found)), {"sources": found}, source="/contacts", how="the largest"
    )


def read_segments() -> Reading:
    """Each segment with its size, how many may be written to, and how many of them were seen lately."""
    recent = datetime.now(UTC) - timedelta(days=QUIET_DAYS)
    seen = or_(Contact.opened_at >= recent, Contact.clicked_at >= recent)
    rows = []
    for segment in list_segments()[:MOST_SEGMENTS]:
        count = count_audience(segment.id)
        inside = Contact.id.in_(segment_query(segment.id))
        listening = db.session.scalar(select(func.count()).select_from(Contact).where(inside, seen)) or 0
        rows.append(
            {
                "name": one_line(segment.name)[:80],
                "who": one_line(describe_segment(segment))[:200],
                "contacts": count.segment,
                "will_receive": count.will_receive,
                "seen_in_90_days": listening,
                "seen_percent": percent_of(listening, count.segment),
            }
        )
    value = f"{len(rows)} segments" if rows else "no segment yet"
    coverage = min(1.0, len(rows) / 2)
    return make_reading("segments", "Segments", value, {"segments": rows}, source="/segments", coverage=coverage)


def read_campaigns() -> Reading:
    """The newest campaigns with what became of them; rates only where enough was sent to say something."""
    statement = (
        select(Campaign)
        .where(Campaign.launched_at.is_not(None), Campaign.state.in_(SENT_STATES))
        .order_by(Campaign.launched_at.desc())
        .limit(MOST_CAMPAIGNS)
    )
    campaigns = list(db.session.scalars(statement))
    totals = get_totals(campaigns)
    left = _unsubscribed_by_campaign([campaign.id for campaign in campaigns])
    rows = [_campaign_row(campaign, totals[campaign.id], left.get(campaign.id, 0)) for campaign in campaigns]
    whole = sum(totals.values(), Total())
    average = {
        "campaigns": len(rows),
        "sent": whole.sent,
        "opened_percent": percent_of(whole.opened, whole.sent),
        "clicked_percent": percent_of(whole.clicked, whole.sent),
        "delivered_percent": None if whole.delivered_percent is None else round(whole.delivered_percent, 1),
        "unsubscribed": sum(left.values()),
        "unsubscribed_percent": percent_of(sum(left.values()), whole.sent),
    }
    value = f"{len(rows)} sent before" if rows else "none sent yet"
    facts = {"campaigns": rows, "all_campaigns": average}
    coverage = min(1.0, len(rows) / 4)
    kept = {"campaign_ids": {row["name"]: campaign.id for row, campaign in zip(rows, campaigns, strict=True)}}
    how = f"opens and clicks of people; rates from {FEWEST_SENT} messages on"
    return make_reading(
        "campaigns", "Campaigns", value, facts, source="/campaigns", coverage=coverage, how=how, kept=kept
    )


def read_weeks() -> Reading:
    """Eight weeks of sending."""
    rows = [
        {
            "week_of": f"{week.starts_at:%Y-%m-%d}",
            "sent": week.total.sent,
            "opened_percent": percent_of(week.settled.opened, week.settled.sent),
            "clicked_percent": percent_of(week.settled.clicked, week.settled.sent),
        }
        for week in list_weeks(datetime.now(UTC))
    ]
    filled = sum(1 for row in rows if row["sent"])
    value = f"{filled} of {len(rows)} weeks with messages"
    return make_reading("weeks", "Weeks", value, {"weeks": rows}, source="/", coverage=min(1.0, filled / 4))


def _campaign_row(campaign: Campaign, total: Total, left: int) -> dict[str, Any]:
    has_rates = total.sent >= FEWEST_SENT
    return {
        "name": one_line(campaign.name)[:80],
        "sent_on": f"{campaign.launched_at:%Y-%m-%d}" if campaign.launched_at else "",
        "state": campaign.state,
        "sent": total.sent,
        "failed": total.failed,
        "opened_percent": percent_of(total.opened, total.sent) if has_rates else None,
        "clicked_percent": percent_of(total.clicked, total.sent) if has_rates else None,
        "unsubscribed": left,
    }


def _unsubscribed_by_campaign(campaign_ids: list[int]) -> dict[int, int]:
    rows = db.session.execute(
        select(CampaignTally.campaign_id, sql_cast(func.sum(CampaignTally.unsubscribed), Integer))
        .where(CampaignTally.campaign_id.in_(campaign_ids))
        .group_by(CampaignTally.campaign_id)
    )
    return {campaign_id: int(count or 0) for campaign_id, count in rows}
