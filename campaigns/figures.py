"""Campaigns in numbers for the dashboard: rates, weeks, what is recent, what needs a person.

Sums come from the tallies that sending and tracking keep, so that they cost the same at a million messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.orm import defer

from extensions import db
from models import Campaign, CampaignTally, ChannelState

WEEKS = 8
PERIOD_DAYS = 28
SETTLING_TIME = timedelta(days=1)
SENT_STATES = ("sending", "paused", "finished", "cancelled")


@dataclass(frozen=True)
class Total:
    """What became of some campaigns' messages; opened and clicked count messages with a person's event."""

    sent: int = 0
    failed: int = 0
    unknown: int = 0
    opened: int = 0
    clicked: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(*(mine + theirs for mine, theirs in zip(_numbers(self), _numbers(other), strict=True)))

    @property
    def delivered_percent(self) -> float | None:
        """Sent of what has an outcome; None when nothing has."""
        tried = self.sent + self.failed + self.unknown
        return 100 * self.sent / tried if tried else None

    @property
    def opened_percent(self) -> float | None:
        return 100 * self.opened / self.sent if self.sent else None

    @property
    def clicked_percent(self) -> float | None:
        return 100 * self.clicked / self.sent if self.sent else None


@dataclass(frozen=True)
class Week:
    """A week from Monday to Sunday, UTC, and the campaigns launched in it.

    People open for a day after a launch, so rates are taken of `settled`: the campaigns older than that.
    """

    starts_at: datetime
    total: Total
    settled: Total


def list_campaigns_named(words: str, most: int) -> list[Campaign]:
    """Campaigns in use whose name holds the words, the newest first."""
    found = _select_campaigns().where(Campaign.name.icontains(words, autoescape=True), Campaign.archived_at.is_(None))
    return list(db.session.scalars(found.order_by(Campaign.id.desc()).limit(most)))


def list_recent_campaigns(most: int) -> list[Campaign]:
    """The campaigns that were touched last."""
    found = _select_campaigns().where(Campaign.archived_at.is_(None)).order_by(Campaign.updated_at.desc()).limit(most)
    return list(db.session.scalars(found))


def list_stuck_campaigns(most: int) -> list[Campaign]:
    """Paused campaigns, which wait for a person."""
    found = _select_campaigns().where(Campaign.state == "paused", Campaign.archived_at.is_(None))
    return list(db.session.scalars(found.order_by(Campaign.updated_at.desc()).limit(most)))


def list_paused_channels() -> list[ChannelState]:
    """Channels that do not send now, with the reason."""
    return list(db.session.scalars(select(ChannelState).where(ChannelState.is_paused)))


def sum_period(now: datetime, periods_back: int = 0) -> Total:
    """The campaigns launched in the four weeks before now, or in as many such periods further back."""
    ends_at = now - timedelta(days=PERIOD_DAYS * periods_back)
    launched = _list_launched(ends_at - timedelta(days=PERIOD_DAYS), ends_at)
    return sum(_totals_of(launched).values(), Total())


def list_weeks(now: datetime) -> list[Week]:
    """The last eight weeks, the running one last."""
    monday = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
    starts = [monday - timedelta(weeks=WEEKS - 1 - at) for at in range(WEEKS)]
    launched = _list_launched(starts[0], now + timedelta(seconds=1))
    totals = _totals_of(launched)
    weeks = []
    for start in starts:
        ends_at = start + timedelta(weeks=1)
        own = [(c.launched_at, totals[c.id]) for c in launched if c.launched_at and start <= c.launched_at < ends_at]
        settled = sum((total for at, total in own if now - at >= SETTLING_TIME), Total())
        weeks.append(Week(start, sum((total for _, total in own), Total()), settled))
    return weeks


def get_totals(campaigns: Iterable[Campaign]) -> dict[int, Total]:
    """Each campaign's total by its id."""
    return _totals_of(list(campaigns))


def _select_campaigns() -> Select[Campaign]:
    return select(Campaign).options(defer(Campaign.content))


def _numbers(total: Total) -> tuple[int, int, int, int, int]:
    return (total.sent, total.failed, total.unknown, total.opened, total.clicked)


def _list_launched(after: datetime, before: datetime) -> list[Campaign]:
    found = _select_campaigns().where(Campaign.launched_at >= after, Campaign.launched_at < before)
    return list(db.session.scalars(found.where(Campaign.state.in_(SENT_STATES))))


def _totals_of(campaigns: list[Campaign]) -> dict[int, Total]:
    totals = {campaign.id: Total() for campaign in campaigns}
    columns = (
        CampaignTally.sent,
        CampaignTally.failed,
        CampaignTally.unknown,
        CampaignTally.opens_human,
        CampaignTally.clicks_human,
    )
    sums = select(CampaignTally.campaign_id, *(func.sum(column) for column in columns))
    sums = sums.where(CampaignTally.campaign_id.in_(totals)).group_by(CampaignTally.campaign_id)
    for campaign_id, *numbers in db.session.execute(sums):
        totals[campaign_id] = Total(*map(int, numbers))
    return totals
