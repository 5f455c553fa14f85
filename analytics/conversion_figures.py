"""Conversions in sums: by name, by what they are attributed to, by UTM word beside the clicks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import ColumnElement, func, select

from analytics.links import NO_WORD, LinkRow
from analytics.periods import Period
from extensions import db
from models import Campaign, Conversion, TrackedLink

MOST_ROWS = 200
NOTHING = Decimal(0)
UTM_WORDS = {"utm_source": "Source", "utm_medium": "Medium", "utm_campaign": "Campaign"}


@dataclass(frozen=True)
class NameRow:
    """The conversions of one name and currency; how they are attributed, and who told of them."""

    name: str
    count: int
    by_click: int
    by_utm: int
    from_server: int
    currency: str | None
    value: Decimal


@dataclass(frozen=True)
class CauseRow:
    """What conversions are attributed to: a campaign's click, a UTM source, or nothing."""

    attribution: str
    campaign_id: int | None
    title: str
    count: int
    currency: str | None
    value: Decimal


@dataclass
class WordRow:
    """One UTM word: clicks by people on links of campaigns, and conversions."""

    word: str
    value: str
    clicks: int = 0
    conversions: int = 0
    worth: dict[str, Decimal] = field(default_factory=dict)


def count_conversions(period: Period) -> int:
    """How many conversions the period had."""
    return db.session.scalar(select(func.count()).select_from(Conversion).where(*_in(period))) or 0


def count_clicked_conversions(period: Period) -> int:
    """Conversions that are attributed to a click on a campaign that was launched in the period."""
    launched = Campaign.launched_at >= period.begins_at, Campaign.launched_at < period.ends_at
    statement = select(func.count()).select_from(Conversion).join(Campaign, Campaign.id == Conversion.campaign_id)
    return db.session.scalar(statement.where(Conversion.attribution == "click", *launched)) or 0


def sum_value(period: Period) -> dict[str, Decimal]:
    """What the conversions were worth, by currency."""
    statement = select(Conversion.currency, func.sum(Conversion.value)).where(
        *_in(period), Conversion.currency.is_not(None)
    )
    return {str(one): value or NOTHING for one, value in db.session.execute(statement.group_by(Conversion.currency))}


def list_name_rows(period: Period) -> list[NameRow]:
    """By name, the most first; one row per currency."""
    count = func.count()
    statement = (
        select(
            Conversion.name,
            count,
            count.filter(Conversion.attribution == "click"),
            count.filter(Conversion.attribution == "utm"),
            count.filter(Conversion.origin == "server"),
            Conversion.currency,
            func.sum(Conversion.value),
        )
        .where(*_in(period))
        .group_by(Conversion.name, Conversion.currency)
        .order_by(count.desc(), Conversion.name)
        .limit(MOST_ROWS)
    )
    return [NameRow(*row[:6], row[6] or NOTHING) for row in db.session.execute(statement)]


def list_cause_rows(period: Period) -> list[CauseRow]:
    """By the campaign that was clicked, else by UTM source, else unattributed; the most first."""
    count = func.count()
    source = func.concat_ws(" / ", Conversion.utm_source, Conversion.utm_medium, Conversion.utm_campaign)
    title = func.coalesce(Campaign.name, source)
    statement = (
        select(
            Conversion.attribution,
            Conversion.campaign_id,
            title,
            count,
            Conversion.currency,
            func.sum(Conversion.value),
        )
        .outerjoin(Campaign, Campaign.id == Conversion.campaign_id)
        .where(*_in(period))
        .group_by(Conversion.attribution, Conversion.campaign_id, title, Conversion.currency)
        .order_by(count.desc(), title)
        .limit(MOST_ROWS)
    )
    rows = db.session.execute(statement)
    return [CauseRow(row[0], row[1], row[2] or "Nothing known", *row[3:5], row[5] or NOTHING) for row in rows]


def list_word_rows(period: Period, links: Iterable[LinkRow]) -> list[WordRow]:
    """Clicks and conversions by each UTM word, the most clicks first; a click's words are those of its link."""
    found: dict[tuple[str, str], WordRow] = {}

    def row_of(word: str, value: str) -> WordRow:
        return found.setdefault((word, value), WordRow(word, value))

    for link in links:
        for word, value in _words_of(link.url).items():
            row_of(word, value).clicks += link.human
    for own, url, count, currency, worth in _list_conversions(period):
        from_link = _words_of(url or "")
        for word in UTM_WORDS:
            row = row_of(word, own[word] or from_link[word])
            row.conversions += count
            if currency:
                row.worth[currency] = row.worth.get(currency, NOTHING) + worth
    by_word: defaultdict[str, list[WordRow]] = defaultdict(list)
    for row in sorted(found.values(), key=lambda one: (-one.clicks, -one.conversions, one.value)):
        if row.clicks or row.conversions:
            by_word[row.word].append(row)
    return [row for word in UTM_WORDS for row in by_word[word]]


def _list_conversions(period: Period) -> Iterator[tuple[dict[str, str | None], str | None, int, str | None, Decimal]]:
    words = [getattr(Conversion, word) for word in UTM_WORDS]
    statement = (
        select(TrackedLink.url, func.count(), Conversion.currency, func.sum(Conversion.value), *words)
        .select_from(Conversion)
        .outerjoin(TrackedLink, TrackedLink.id == Conversion.link_id)
        .where(*_in(period))
        .group_by(*words, TrackedLink.url, Conversion.currency)
        .order_by(func.count().desc())
        .limit(10 * MOST_ROWS)
    )
    for url, count, currency, worth, *own in db.session.execute(statement):
        yield dict(zip(UTM_WORDS, own, strict=True)), url, count, currency, worth or NOTHING


def _words_of(url: str) -> dict[str, str]:
    given = parse_qs(urlsplit(url).query) if "utm_" in url else {}
    return {word: given[word][0][:80] if word in given else NO_WORD for word in UTM_WORDS}


def _in(period: Period) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Conversion.at >= period.begins_at, Conversion.at < period.ends_at
