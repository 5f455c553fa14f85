"""What the calendar shows: campaigns, posts, articles, tasks of people and dates, by day in the house's time zone."""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select

from config import current_settings
from extensions import db
from lib.networks import get_network
from models import Article, CalendarEntry, Campaign, PersonTask, Post

# Kinds in the order of the filter; a new one needs a function in _READERS too.
KINDS = {"post": "Posts", "campaign": "Campaigns", "article": "Articles", "task": "Tasks", "entry": "Dates"}
MOST_OF_A_KIND = 1000
MOST_UNPLANNED = 30


@dataclass(frozen=True)
class Item:
    """One thing on a day. `at` is None for what has a day and no hour; `state` is the thing's own word for it.

    `can_move` says that its time may still be changed; `is_firm` that it happens as it stands.
    """

    kind: str
    id: int
    title: str
    day: date
    at: datetime | None
    state: str
    can_move: bool
    is_firm: bool = True
    network: str = ""

    @property
    def label(self) -> str:
        """What it is, in a word: the network of a post, the kind of all others."""
        return get_network(self.network).label if self.network else KINDS[self.kind].removesuffix("s")


@dataclass(frozen=True)
class Span:
    """The days that a view shows, and those that one steps to from there."""

    first: date
    last: date
    before: date
    after: date

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=at) for at in range((self.last - self.first).days + 1)]


def house_zone() -> ZoneInfo:
    """The zone in which the team reads the calendar."""
    return ZoneInfo(current_settings().timezone)


def today() -> date:
    """The day that it is for the team."""
    return datetime.now(house_zone()).date()


def month_span(on: date) -> Span:
    """The whole weeks, from Monday, that hold the month of a day."""
    first = on.replace(day=1)
    last = on.replace(day=calendar.monthrange(on.year, on.month)[1])
    start, end = first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())
    return Span(start, end, (first - timedelta(days=1)).replace(day=1), last + timedelta(days=1))


def week_span(on: date) -> Span:
    """The week of a day, from Monday."""
    first = on - timedelta(days=on.weekday())
    return Span(first, first + timedelta(days=6), first - timedelta(days=7), first + timedelta(days=7))


def list_span(on: date) -> Span:
    """Four weeks from a day on."""
    return Span(on, on + timedelta(days=27), on - timedelta(days=28), on + timedelta(days=28))


def list_items(span: Span, kinds: Collection[str]) -> dict[date, list[Item]]:
    """Everything of these kinds on the days of the span, by day, each day in the order of the clock."""
    zone = house_zone()
    start = datetime.combine(span.first, time(), zone).astimezone(UTC)
    end = datetime.combine(span.last + timedelta(days=1), time(), zone).astimezone(UTC)
    found: dict[date, list[Item]] = {day: [] for day in span.days}
    readers = {
        "campaign": lambda: _read_campaigns(start, end, zone),
        "post": lambda: _read_posts(start, end, zone),
        "article": lambda: _read_articles(start, end, zone),
        "task": lambda: _read_tasks(span),
        "entry": lambda: _read_entries(span),
    }
    for kind in KINDS:
        if kind in kinds:
            for item in readers[kind]():
                found[item.day].append(item)
    for items in found.values():
        items.sort(key=lambda item: (item.at is not None, item.at or start, list(KINDS).index(item.kind), item.id))
    return found


def list_unplanned(kinds: Collection[str]) -> list[Item]:
    """Posts and articles in the making that have no hour yet, the newest first."""
    day = today()
    items = []
    if "post" in kinds:
        query = select(Post).where(Post.state == "draft", Post.planned_at.is_(None), Post.archived_at.is_(None))
        posts = db.session.scalars(query.order_by(Post.id.desc()).limit(MOST_UNPLANNED))
        items += [Item("post", p.id, _first_words(p.text), day, None, p.state, True, False, p.network) for p in posts]
    if "article" in kinds:
        drafts = Article.state == "draft", Article.planned_at.is_(None), Article.archived_at.is_(None)
        articles = db.session.scalars(select(Article).where(*drafts).order_by(Article.id.desc()).limit(MOST_UNPLANNED))
        items += [Item("article", a.id, a.title, day, None, a.state, True, False) for a in articles]
    return items


def _read_campaigns(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Item]:
    at = func.coalesce(Campaign.launched_at, Campaign.launch_at, Campaign.scheduled_at)
    query = select(Campaign.id, Campaign.name, Campaign.state, at.label("at"))
    query = query.where(at >= start, at < end, Campaign.archived_at.is_(None)).order_by(at).limit(MOST_OF_A_KIND)
    for row in db.session.execute(query):
        local = row.at.astimezone(zone)
        can_move = row.state in ("draft", "scheduled")
        is_firm = row.state not in ("draft", "cancelled")
        yield Item("campaign", row.id, row.name, local.date(), local, row.state, can_move, is_firm)


def _read_posts(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Item]:
    at = func.coalesce(Post.published_at, Post.planned_at)
    query = select(Post.id, Post.text, Post.network, Post.state, Post.webhook_id, at.label("at"))
    within = or_(
        (Post.planned_at >= start) & (Post.planned_at < end), (Post.published_at >= start) & (Post.published_at < end)
    )
    query = query.where(within, at >= start, at < end, Post.archived_at.is_(None)).order_by(at).limit(MOST_OF_A_KIND)
    now = datetime.now(UTC)
    for row in db.session.execute(query):
        local = row.at.astimezone(zone)
        is_due = row.state == "planned" and row.webhook_id is None and row.at <= now
        state = "due" if is_due else row.state
        can_move = row.state in ("draft", "planned", "failed", "cancelled")
        is_firm = row.state in ("planned", "publishing", "published")
        yield Item("post", row.id, _first_words(row.text), local.date(), local, state, can_move, is_firm, row.network)


def _read_articles(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Item]:
    at = func.coalesce(Article.published_at, Article.planned_at)
    query = select(Article.id, Article.title, Article.state, at.label("at"))
    query = query.where(at >= start, at < end, Article.archived_at.is_(None)).order_by(at).limit(MOST_OF_A_KIND)
    now = datetime.now(UTC)
    for row in db.session.execute(query):
        local = row.at.astimezone(zone)
        state = "due" if row.state == "planned" and row.at <= now else row.state
        is_open = row.state != "published"
        yield Item("article", row.id, row.title, local.date(), local, state, is_open, row.state != "draft")


def _read_tasks(span: Span) -> Iterator[Item]:
    query = select(PersonTask).where(PersonTask.due_on.between(span.first, span.last), PersonTask.state != "dropped")
    for task in db.session.scalars(query.order_by(PersonTask.due_on, PersonTask.id).limit(MOST_OF_A_KIND)):
        if task.due_on is not None:
            is_open = task.state == "open"
            state = "overdue" if is_open and task.due_on < today() else task.state
            yield Item("task", task.id, task.title, task.due_on, None, state, is_open)


def _read_entries(span: Span) -> Iterator[Item]:
    query = select(CalendarEntry).where(
        CalendarEntry.starts_on <= span.last, CalendarEntry.ends_on >= span.first, CalendarEntry.archived_at.is_(None)
    )
    for entry in db.session.scalars(query.order_by(CalendarEntry.starts_on, CalendarEntry.id).limit(MOST_OF_A_KIND)):
        day = max(entry.starts_on, span.first)
        while day <= min(entry.ends_on, span.last):
            yield Item("entry", entry.id, entry.title, day, None, "date", True)
            day += timedelta(days=1)


def _first_words(text: str) -> str:
    line = " ".join(text.split())
    return (line[:79] + "…" if len(line) > 80 else line) or "No text yet"
