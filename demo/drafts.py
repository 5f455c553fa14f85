"""The demo's campaigns that have not gone out: one that waits for its day, and two in the making."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from campaigns.drafting import add_campaign, change_schedule
from campaigns.launching import launch_campaign
from config import current_settings
from demo.business import COMING
from demo.team import Person
from demo.year import content_of

SCHEDULED_IN_DAYS = 12


def add_drafts(segments: dict[str, int], by: Person) -> int:
    """Adds the campaigns and launches the first for its day; commits each. How many."""
    for number, (name, audience, mailing) in enumerate(COMING):
        segment_id = segments.get(audience)
        campaign = add_campaign(
            name=name, made_by=by.name, segment_id=segment_id, content=content_of(mailing), created_by_id=by.id
        )
        if number == 0:
            at = datetime.now(UTC).replace(hour=16, minute=0, second=0, microsecond=0)
            campaign_id = campaign.id
            change_schedule(
                campaign_id, at=at + timedelta(days=SCHEDULED_IN_DAYS), timezone=current_settings().timezone
            )
            launch_campaign(campaign_id, by.id)
    return len(COMING)
