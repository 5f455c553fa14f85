"""The lists of posts and articles: search, filters, one page after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import selectinload

from extensions import db
from lib.networks import NETWORKS
from models import ARTICLE_STATES, POST_STATES, Article, Post

PAGE_ROWS = 50
RowT = TypeVar("RowT", Post, Article)


@dataclass(frozen=True)
class PublishingPage(Generic[RowT]):
    """One page of a list. `older_than` and `newer_than` are the ids to go on from, None at an end."""

    rows: Sequence[RowT]
    older_than: int | None
    newer_than: int | None


def list_posts(
    *, q: str = "", state: str = "", network: str = "", older_than: int | None = None, newer_than: int | None = None
) -> PublishingPage[Post]:
    """A page of posts, the newest first; archived ones only when asked for."""
    query = select(Post).options(selectinload(Post.webhook))
    query = query.where(Post.archived_at.is_not(None) if state == "archived" else Post.archived_at.is_(None))
    if state in POST_STATES:
        query = query.where(Post.state == state)
    if network in {one.key for one in NETWORKS}:
        query = query.where(Post.network == network)
    for word in q.split()[:8]:
        query = query.where(Post.text.icontains(word, autoescape=True))
    return _page_of(query, Post, older_than, newer_than)


def list_articles(
    *, q: str = "", state: str = "", older_than: int | None = None, newer_than: int | None = None
) -> PublishingPage[Article]:
    """A page of articles, the newest first; archived ones only when asked for."""
    query = select(Article)
    query = query.where(Article.archived_at.is_not(None) if state == "archived" else Article.archived_at.is_(None))
    if state in ARTICLE_STATES:
        query = query.where(Article.state == state)
    for word in q.split()[:8]:
        query = query.where(Article.title.icontains(word, autoescape=True))
    return _page_of(query, Article, older_than, newer_than)


def count_posts() -> dict[str, int]:
    """How many posts there are in each state, archived ones left out."""
    query = select(Post.state, func.count()).where(Post.archived_at.is_(None)).group_by(Post.state)
    return dict.fromkeys(POST_STATES, 0) | {row[0]: row[1] for row in db.session.execute(query)}


def count_articles() -> dict[str, int]:
    """How many articles there are in each state, archived ones left out."""
    query = select(Article.state, func.count()).where(Article.archived_at.is_(None)).group_by(Article.state)
    return dict.fromkeys(ARTICLE_STATES, 0) | {row[0]: row[1] for row in db.session.execute(query)}


def count_due_by_hand() -> int:
    """Planned posts whose hour has come and that a person posts."""
    due = Post.state == "planned", Post.webhook_id.is_(None), Post.planned_at <= func.now(), Post.archived_at.is_(None)
    return db.session.scalar(select(func.count()).where(*due)) or 0


def _page_of(
    query: Select[RowT], table: type[RowT], older_than: int | None, newer_than: int | None
) -> PublishingPage[RowT]:
    if newer_than is not None:
        rows = list(db.session.scalars(query.where(table.id > newer_than).order_by(table.id).limit(PAGE_ROWS + 1)))
        has_newer, rows = len(rows) > PAGE_ROWS, rows[:PAGE_ROWS][::-1]
        has_older = True
    else:
        if older_than is not None:
            query = query.where(table.id < older_than)
        rows = list(db.session.scalars(query.order_by(table.id.desc()).limit(PAGE_ROWS + 1)))
        has_older, rows = len(rows) > PAGE_ROWS, rows[:PAGE_ROWS]
        has_newer = older_than is not None
    return PublishingPage(rows, rows[-1].id if rows and has_older else None, rows[0].id if rows and has_newer else None)
