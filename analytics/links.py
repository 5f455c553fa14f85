"""Which links of campaigns were followed, by people and by machines."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from analytics.periods import Period
from extensions import db
from models import Campaign, EventDay, TrackedLink

MOST_LINKS = 2_000
NO_WORD = "(none)"


@dataclass(frozen=True)
class LinkRow:
    """One link of a campaign with its clicks in the period, people and machines apart."""

    campaign_id: int
    campaign: str
    label: str
    url: str
    human: int
    machine: int
    unsure: int


def list_link_rows(period: Period, most: int = MOST_LINKS) -> list[LinkRow]:
    """The links that were followed in the period, those of most people first; the trap for machines is left out."""

    def clicks(actor: str) -> object:
        return func.coalesce(func.sum(EventDay.count).filter(EventDay.actor == actor), 0)

    human = clicks("human")
    statement = (
        select(
            Campaign.id, Campaign.name, TrackedLink.label, TrackedLink.url, human, clicks("machine"), clicks("unsure")
        )  # type: ignore[call-overload]  # sums of any kind
        .select_from(EventDay)
        .join(TrackedLink, TrackedLink.id == EventDay.link_id)
        .join(Campaign, Campaign.id == EventDay.campaign_id)
        .where(
            EventDay.kind == "click",
            EventDay.day.between(period.first, period.last),
            TrackedLink.is_honeypot.is_(False),
        )
        .group_by(Campaign.id, TrackedLink.id)
        .order_by(human.desc(), TrackedLink.id.desc())  # type: ignore[attr-defined]
        .limit(most)
    )
    return [LinkRow(*row[:4], *(int(count) for count in row[4:])) for row in db.session.execute(statement)]
