"""What the Email & CRM agent reads before it writes: brand, segment, consent, past results. Aggregates only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from agents.base import Context, Evidence
from agents.sources.marketing import read_brand, read_today
from agents.sources.readings import Reading
from agents.tasks.campaign.brief import WEEKDAYS, CampaignBrief, SendTime
from audience.segments import describe_segment, find_segment
from campaigns.audience_count import count_audience
from campaigns.content import read_content
from campaigns.figures import get_totals
from config import current_settings
from errors import InputInvalid
from extensions import db
from lib.clean_text import one_line
from models import Campaign, TrackingEvent

PAST_CAMPAIGNS = 8
# Fewer clicks than this say nothing about a good hour.
FEWEST_CLICKS = 40
USUAL_TIME = SendTime(
    weekday="tuesday",
    hour=9,
    reason="You have too few clicks yet to say when your readers read; a weekday morning is a safe start.",
)


def read_campaign_context(brief: CampaignBrief) -> Context:
    """Reads everything for a brief. The facts hold no address and no name of a person."""
    readings = [read_brand(), _read_segment(brief), _read_past(), read_hours(), read_today()]
    facts: dict[str, Any] = {}
    for reading in readings:
        facts |= reading.facts
    links = [*([brief.link] if brief.link else []), *(link["url"] for link in facts["links"])]
    facts["allowed_links"] = list(dict.fromkeys(links))
    weights = (0.5, 0.25, 0.2, 0.05, 0.0)
    coverage = sum(weight * reading.coverage for weight, reading in zip(weights, readings, strict=True))
    return Context([reading.evidence for reading in readings], facts, round(coverage, 3))


def _read_segment(brief: CampaignBrief) -> Reading:
    segment = find_segment(brief.segment_id) if brief.segment_id is not None else None
    if segment is None:
        evidence = Evidence("segment", "Segment", "none chosen yet", _now(), "/segments")
        return Reading(evidence, {"segment": None}, 0.0)
    count = count_audience(segment.id)
    facts = {
        "segment": {
            "id": segment.id,
            "name": one_line(segment.name),
            "who": one_line(describe_segment(segment)),
            "contacts": count.segment,
            "will_receive": count.will_receive,
        }
    }
    value = f"{segment.name}: {count.segment:,} contacts, {count.will_receive:,} will receive it"
    evidence = Evidence("segment", "Segment and consent", value, count.counted_at, f"/segments/{segment.id}")
    return Reading(evidence, facts, 1.0 if count.will_receive else 0.5)


def _read_past() -> Reading:
    statement = (
        select(Campaign)
        .where(Campaign.launched_at.is_not(None), Campaign.state.in_(("sending", "paused", "finished")))
        .order_by(Campaign.launched_at.desc())
        .limit(PAST_CAMPAIGNS)
    )
    campaigns = list(db.session.scalars(statement))
    totals = get_totals(campaigns)
    rows = [
        {
            "subject": _subject_of(campaign),
            "sent": totals[campaign.id].sent,
            "opened_percent": _rounded(totals[campaign.id].opened_percent),
            "clicked_percent": _rounded(totals[campaign.id].clicked_percent),
        }
        for campaign in campaigns
    ]
    clicked = [row["clicked_percent"] for row in rows if isinstance(row["clicked_percent"], float)]
    value = f"{len(rows)} sent before" if rows else "none sent yet"
    if clicked:
        value += f", {sum(clicked) / len(clicked):.1f}% clicked on average"
    evidence = Evidence("past", "Past campaigns", value, _now(), "/campaigns")
    average = round(sum(clicked) / len(clicked), 2) if clicked else None
    return Reading(evidence, {"past_campaigns": rows, "average_clicked_percent": average}, min(1.0, len(rows) / 4))


def read_hours() -> Reading:
    """When people click, and the hour that it speaks for."""
    timezone = current_settings().timezone
    local = func.timezone(timezone, TrackingEvent.at)
    weekday, hour = func.extract("isodow", local), func.extract("hour", local)
    rows = db.session.execute(
        select(weekday, hour, func.count())
        .where(TrackingEvent.kind == "click", TrackingEvent.actor == "human")
        .group_by(weekday, hour)
        .order_by(func.count().desc(), weekday, hour)
    ).all()
    send_time = choose_send_time([(int(row[0]), int(row[1]), int(row[2])) for row in rows], timezone)
    clicks = sum(row[2] for row in rows)
    value = f"{clicks:,} clicks of people by hour" if clicks else "no clicks yet"
    details = (f"{send_time.weekday} at {send_time.hour}: {send_time.reason}",)
    evidence = Evidence("hours", "When people click", value, _now(), "/campaigns", details)
    return Reading(evidence, {"send_time": send_time.model_dump()}, min(1.0, clicks / 400))


def choose_send_time(clicks: Sequence[tuple[int, int, int]], timezone: str) -> SendTime:
    """The hour an hour before most people click; rows are ISO weekday, hour and count."""
    total = sum(count for _, _, count in clicks)
    if total < FEWEST_CLICKS:
        return USUAL_TIME
    weekday, hour, count = max(clicks, key=lambda row: row[2])
    reason = f"{100 * count / total:.0f}% of all clicks came on {WEEKDAYS[weekday - 1].capitalize()} at {hour}:00"
    return SendTime(
        weekday=WEEKDAYS[weekday - 1], hour=max(0, hour - 1), reason=f"{reason} ({timezone}); this is an hour before."
    )


def _subject_of(campaign: Campaign) -> str:
    try:
        return one_line(read_content(campaign.content).subject)[:150]
    except InputInvalid:
        return ""


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 1)


def _now() -> datetime:
    return datetime.now(UTC)
