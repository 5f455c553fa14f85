"""Which links people followed, and what their UTM words say about where the clicks belong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

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


def count_utm(rows: list[LinkRow], word: str) -> list[tuple[str, int]]:
    """Clicks by people by one UTM word of their links (utm_source, utm_medium, utm_campaign), the most first."""
    counts: Counter[str] = Counter()
    for row in rows:
        values = parse_qs(urlsplit(row.url).query).get(word)
        counts[values[0][:80] if values else NO_WORD] += row.human
    return [(name, count) for name, count in counts.most_common(12) if count]
