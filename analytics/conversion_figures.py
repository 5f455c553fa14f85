"""Conversions in sums: by name, by what they are attributed to, by UTM word beside the clicks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import ColumnElement, func, select, text

from analytics.links import NO_WORD, LinkRow
from analytics.periods import Period
from extensions import db
from models import Campaign, Conversion, TrackedLink

MOST_ROWS = 200
MOST_GROUPS = 5_000
UNKNOWN = "Nothing known"
NOTHING = Decimal(0)
_BY_HASHES, _AS_BEFORE = text("SET LOCAL enable_sort = off"), text("SET LOCAL enable_sort = on")
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


@dataclass(frozen=True)
class Group:
    """Conversions that are alike in what they are attributed to."""

    attribution: str
    campaign_id: int | None
    link_id: int | None
    currency: str | None
    count: int
    value: Decimal
    words: dict[str, str | None]


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


def sum_worth(rows: Iterable[NameRow]) -> dict[str, Decimal]:
    """What the conversions were worth, by currency."""
    worth: dict[str, Decimal] = {}
    for row in rows:
        if row.currency:
            worth[row.currency] = worth.get(row.currency, NOTHING) + row.value
    return worth


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
    )
    return [NameRow(*row[:6], row[6] or NOTHING) for row in db.session.execute(statement)]


def list_groups(period: Period) -> list[Group]:
    """The conversions in as few rows as causes and UTM words need; read once for both, the largest first."""
    words = [getattr(Conversion, word) for word in UTM_WORDS]
    keys = (Conversion.attribution, Conversion.campaign_id, Conversion.link_id, Conversion.currency)
    statement = (
        select(*keys, func.count(), func.sum(Conversion.value), *words)
        .where(*_in(period))
        .group_by(*keys, *words)
        .order_by(func.count().desc())
        .limit(MOST_GROUPS)
    )
    # The planner takes what hangs together (a link, its campaign, its words) for as many groups as all of them could
    # make, and would sort every row on disk: by hashes a million rows are added up in a third of the time.
    db.session.execute(_BY_HASHES)
    rows = db.session.execute(statement).all()
    db.session.execute(_AS_BEFORE)
    return [
        Group(row[0], row[1], row[2], row[3], row[4], row[5] or NOTHING, dict(zip(UTM_WORDS, row[6:], strict=True)))
        for row in rows
    ]


def list_cause_rows(groups: Iterable[Group]) -> list[CauseRow]:
    """By the campaign that was clicked, else by UTM source, else unattributed; the most first."""
    found: dict[tuple[str, int | None, str, str | None], tuple[int, Decimal]] = {}
    for one in groups:
        title = "" if one.campaign_id else " / ".join(word for word in one.words.values() if word) or UNKNOWN
        key = (one.attribution, one.campaign_id, title, one.currency)
        count, value = found.get(key, (0, NOTHING))
        found[key] = (count + one.count, value + one.value)
    most = sorted(found.items(), key=lambda pair: (-pair[1][0], pair[0][2]))[:MOST_ROWS]
    wanted = [key[1] for key, _ in most if key[1]]
    found_names = db.session.execute(select(Campaign.id, Campaign.name).where(Campaign.id.in_(wanted)))
    names = {row.id: row.name for row in found_names}
    return [
        CauseRow(how, campaign_id, names.get(campaign_id or 0, title), count, currency, value)
        for (how, campaign_id, title, currency), (count, value) in most
    ]


def list_word_rows(groups: Sequence[Group], links: Iterable[LinkRow]) -> list[WordRow]:
    """Clicks and conversions by each UTM word, the most clicks first; a click's words are those of its link."""
    found: dict[tuple[str, str], WordRow] = {}

    def row_of(word: str, value: str) -> WordRow:
        return found.setdefault((word, value), WordRow(word, value))

    for link in links:
        for word, value in _words_of(link.url).items():
            row_of(word, value).clicks += link.human
    wanted = {one.link_id for one in groups if one.link_id}
    urls = db.session.execute(select(TrackedLink.id, TrackedLink.url).where(TrackedLink.id.in_(wanted)))
    words_of_link = {link_id: _words_of(url) for link_id, url in urls}
    for one in groups:
        from_link = words_of_link.get(one.link_id or 0, {})
        for word in UTM_WORDS:
            row = row_of(word, one.words[word] or from_link.get(word, NO_WORD))
            row.conversions += one.count
            if one.currency:
                row.worth[one.currency] = row.worth.get(one.currency, NOTHING) + one.value
    by_word: defaultdict[str, list[WordRow]] = defaultdict(list)
    for row in sorted(found.values(), key=lambda one: (-one.clicks, -one.conversions, one.value)):
        if row.clicks or row.conversions:
            by_word[row.word].append(row)
    return [row for word in UTM_WORDS for row in by_word[word]]


@lru_cache(maxsize=8192)
def _words_of(url: str) -> dict[str, str]:
    given = parse_qs(urlsplit(url).query) if "utm_" in url else {}
    return {word: given[word][0][:80] if word in given else NO_WORD for word in UTM_WORDS}


def _in(period: Period) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Conversion.at >= period.begins_at, Conversion.at < period.ends_at
