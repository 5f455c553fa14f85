"""The figures of a period beside the period before: shares with intervals, people and machines apart, the funnel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, null, select

from analytics.conversion_figures import count_clicked_conversions
from analytics.periods import Period
from extensions import db
from lib.proportions import Comparison, Share, compare, wilson
from models import Campaign, CampaignTally, Contact, Segment


@dataclass(frozen=True)
class Sums:
    """What became of the messages of some campaigns; opens and clicks count messages, not events."""

    planned: int = 0
    sent: int = 0
    failed: int = 0
    unknown: int = 0
    opens_human: int = 0
    opens_machine: int = 0
    clicks_human: int = 0
    clicks_machine: int = 0
    unsubscribed: int = 0

    @property
    def tried(self) -> int:
        return self.sent + self.failed + self.unknown


@dataclass(frozen=True)
class Figure:
    """A share now with its interval, and how it changed; None where nothing can be said."""

    key: str
    label: str
    count: int
    of: int
    share: Share | None
    change: Comparison | None


@dataclass(frozen=True)
class GroupRow:
    """The sums of one campaign, segment or channel."""

    id: int | None
    name: str
    sums: Sums
    campaigns: int = 1


NAMES = [field.name for field in fields(Sums)]
FINE_BELOW = 0.1
# More unsubscribes are not good news.
BAD_WHEN_UP = {"left"}
SHARES = (
    ("delivered", "Delivered", "sent", "tried"),
    ("opened", "Opened by people", "opens_human", "sent"),
    ("clicked", "Clicked by people", "clicks_human", "sent"),
    ("left", "Unsubscribed", "unsubscribed", "sent"),
)
FUNNEL = (("Planned", "planned"), ("Sent", "sent"), ("Opened", "opens_human"), ("Clicked", "clicks_human"))


def sum_period(period: Period) -> Sums:
    """The campaigns that were launched in the period, as they stand now."""
    row = db.session.execute(_sums().where(*_launched_in(period))).one()
    return _read(row)


def has_launched() -> bool:
    """Whether any campaign was ever launched."""
    return bool(db.session.scalar(select(exists().where(Campaign.launched_at.is_not(None)))))


def list_figures(now: Sums, before: Sums) -> list[Figure]:
    """The four shares of a period, each beside the one before."""
    return [
        Figure(
            key,
            label,
            _capped(now, part, whole)[0],
            getattr(now, whole),
            wilson(*_capped(now, part, whole)),
            compare(_capped(before, part, whole), _capped(now, part, whole)),
        )
        for key, label, part, whole in SHARES
    ]


def percent_shown(share: float) -> float:
    """A share as percent, rounded as it is shown: to two digits below ten percent, else to one."""
    return round(100 * share, 2 if share < FINE_BELOW else 1)


def points_shown(difference: float) -> float:
    """A difference of shares in points, rounded as it is shown."""
    return round(100 * difference, 2)


def list_funnel(period: Period, sums: Sums) -> list[tuple[str, int, float | None]]:
    """Each step, how many got there, and the percentage of the step before."""
    steps = [(label, getattr(sums, name)) for label, name in FUNNEL]
    steps.append(("Converted", count_clicked_conversions(period)))
    rows: list[tuple[str, int, float | None]] = []
    for label, count in steps:
        previous = rows[-1][1] if rows else 0
        rows.append((label, count, 100 * count / previous if previous else None))
    return rows


def list_campaign_rows(period: Period, most: int) -> list[GroupRow]:
    """The period's campaigns, those that most people clicked first."""
    statement = _sums(Campaign.id, Campaign.name).where(*_launched_in(period)).group_by(Campaign.id)
    clicked = func.sum(CampaignTally.clicks_human).desc()
    rows = db.session.execute(statement.order_by(clicked, Campaign.id.desc()).limit(most))
    return [GroupRow(row[0], row[1], _read(row[2:])) for row in rows]


def list_segment_rows(period: Period, most: int = 12) -> list[GroupRow]:
    """The same by segment."""
    statement = _sums(Segment.id, Segment.name, func.count(Campaign.id.distinct())).join(
        Segment, Segment.id == Campaign.segment_id
    )
    return _groups(statement.where(*_launched_in(period)).group_by(Segment.id), most)


def list_channel_rows(period: Period, most: int = 12) -> list[GroupRow]:
    """The same by channel."""
    statement = _sums(null(), Campaign.channel, func.count(Campaign.id.distinct()))
    return _groups(statement.where(*_launched_in(period)).group_by(Campaign.channel), most)


def count_new_contacts(period: Period) -> int:
    """How many contacts arrived in the period."""
    arrived = Contact.created_at >= period.begins_at, Contact.created_at < period.ends_at
    return db.session.scalar(select(func.count()).select_from(Contact).where(*arrived)) or 0


def _groups(statement: Select[*tuple[Any, ...]], most: int) -> list[GroupRow]:
    rows = db.session.execute(statement.order_by(func.sum(CampaignTally.sent).desc()).limit(most))
    return [GroupRow(row[0], str(row[1]), _read(row[3:]), int(row[2])) for row in rows]


def _sums(*first: Any) -> Select[*tuple[Any, ...]]:
    sums = [func.coalesce(func.sum(getattr(CampaignTally, name)), 0) for name in NAMES]
    return select(*first, *sums).select_from(Campaign).join(CampaignTally, CampaignTally.campaign_id == Campaign.id)


def _launched_in(period: Period) -> Iterable[ColumnElement[bool]]:
    return Campaign.launched_at >= period.begins_at, Campaign.launched_at < period.ends_at


def _read(row: Iterable[Any]) -> Sums:
    return Sums(*(int(value) for value in row))


def _capped(sums: Sums, part: str, whole: str) -> tuple[int, int]:
    """A resent message may have been opened twice over: a share never exceeds the whole."""
    of = getattr(sums, whole)
    return min(getattr(sums, part), of), of
