"""How many of those who got mail complain: from 0.10 % on LUX warns, from 0.30 % on it stops sending.

Source: the bulk-sender rules of Gmail and Yahoo (2024), which ask for less than 0.10 % and never 0.30 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from campaigns.channel_states import find_pause_reason, pause_channel
from extensions import db
from models import AuditEntry, Campaign, CampaignTally, TrackingEvent

WARNS_AT, PAUSES_AT = 0.001, 0.003
LOOK_BACK = timedelta(days=7)
# Fewer complaints say nothing about a rate.
LEAST_COMPLAINTS = 3


@dataclass(frozen=True)
class ComplaintRate:
    """Complaints of the last seven days beside the messages of campaigns that were launched in them."""

    complaints: int
    sent: int

    @property
    def share(self) -> float:
        return self.complaints / self.sent if self.sent else 0.0

    @property
    def warns(self) -> bool:
        return self.complaints >= LEAST_COMPLAINTS and self.share >= WARNS_AT

    @property
    def pauses(self) -> bool:
        return self.complaints >= LEAST_COMPLAINTS and self.share >= PAUSES_AT

    def __str__(self) -> str:
        return f"{self.complaints:,} complaints about {self.sent:,} messages in seven days ({100 * self.share:.2f} %)"


def count_complaints(channel: str = "email", *, since: datetime | None = None) -> ComplaintRate:
    """The rate of a channel; `since` leaves out complaints before it."""
    week = datetime.now(UTC) - LOOK_BACK
    complaints = db.session.scalar(
        select(func.count())
        .select_from(TrackingEvent)
        .join(Campaign, Campaign.id == TrackingEvent.campaign_id)
        .where(
            TrackingEvent.kind == "complaint",
            TrackingEvent.at >= max(week, since or week),
            Campaign.channel == channel,
        )
    )
    sent = db.session.scalar(
        select(func.coalesce(func.sum(CampaignTally.sent), 0))
        .join(Campaign, Campaign.id == CampaignTally.campaign_id)
        .where(Campaign.launched_at >= week, Campaign.channel == channel)
    )
    return ComplaintRate(complaints or 0, int(sent or 0))


def pause_on_complaints(channel: str = "email") -> bool:
    """Stops a channel about which too many complain; commits. Complaints before a person resumed it are not held
    against it again."""
    rate = count_complaints(channel, since=_resumed_at(channel))
    if not rate.pauses or find_pause_reason(channel) is not None:
        return False
    pause_channel(channel, f"Too many people complain: {rate}. Look at whom you write to before you resume.")
    return True


def _resumed_at(channel: str) -> datetime | None:
    return db.session.scalar(
        select(func.max(AuditEntry.at)).where(AuditEntry.action == "channel_resumed", AuditEntry.subject == channel)
    )
