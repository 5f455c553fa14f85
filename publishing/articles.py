"""Articles: written with every version kept, planned for a day, marked as published where they stand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from accounts.audit import add_audit_entry
from accounts.users import name_of
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from lib.line_differences import DiffLine, compare_lines
from models import Article, ArticleVersion
from publishing.article_content import ArticleContent, find_article_blockers, read_article_content, slug_for
from publishing.posts import checked_link

SHARED_VERSION_MINUTES = 10
GONE = "There is no such article."
CHANGED_ELSEWHERE = (
    "{who} changed this article in the meantime. Your text is kept here; look at theirs before you save."
)
UNTITLED = "Untitled article"


def get_article(article_id: int) -> Article:
    """The article, archived ones too. Raises NotFound."""
    article = db.session.get(Article, article_id)
    if article is None:
        raise NotFound(GONE)
    return article


def content_of(article: Article) -> ArticleContent:
    """The current content as typed values, whatever an older LUX stored."""
    return ArticleContent.model_validate(article.content)


def add_article(content: Mapping[str, Any], *, made_by: str, user_id: int | None, note: str = "") -> Article:
    """A new draft with its first version; commits. Raises InputInvalid."""
    article = draft_article(content, made_by=made_by, user_id=user_id, note=note)
    db.session.commit()
    return article


def draft_article(
    content: Mapping[str, Any],
    *,
    made_by: str,
    user_id: int | None,
    proposal_id: int | None = None,
    planned_at: datetime | None = None,
    note: str = "",
) -> Article:
    """The same within the caller's transaction: nothing is committed here. Raises InputInvalid."""
    checked = read_article_content(content)
    checked.slug = checked.slug or (slug_for(checked.title) if checked.title else "")
    article = Article(
        title=checked.title or UNTITLED,
        content=checked.model_dump(),
        version=1,
        made_by=made_by,
        planned_at=planned_at,
        proposal_id=proposal_id,
        created_by_id=user_id,
    )
    db.session.add(article)
    db.session.flush()
    _add_version(article, 1, made_by, note)
    return article


def change_article(
    article_id: int,
    content: Mapping[str, Any],
    *,
    made_by: str,
    based_on: str | None = None,
    is_autosave: bool = False,
    note: str = "",
) -> Article:
    """Saves content as the current version; commits. Autosaves of one person in a row share a version for some minutes.

    Text that began with an older state never takes the place of a version. Raises Conflict when somebody else has
    changed the article since, InputInvalid, NotFound.
    """
    checked = read_article_content(content)
    article = _locked(article_id)
    if mark_of(article.content) == mark_of(checked.model_dump()):
        db.session.rollback()
        return get_article(article_id)
    newest = _newest_version(article)
    is_stale = based_on is not None and based_on != mark_of(article.content)
    if is_stale and newest is not None and newest.made_by != made_by:
        db.session.rollback()
        raise Conflict(CHANGED_ELSEWHERE.format(who=newest.made_by))
    _keep(article, checked, newest, made_by=made_by, note=note, can_share=is_autosave and not is_stale)
    return _touched(article)


def restore_article_version(article_id: int, number: int, *, made_by: str) -> Article:
    """Makes an older version the current one, as a version of its own; commits. Raises NotFound."""
    version = get_article_version(article_id, number)
    content = read_article_content(version.content)
    article = _locked(article_id)
    said = f"Version {number} restored"
    _keep(article, content, _newest_version(article), made_by=made_by, note=said, can_share=False)
    return _touched(article)


def list_article_versions(article_id: int, *, most: int = 50) -> list[ArticleVersion]:
    """The newest versions, the newest first."""
    query = select(ArticleVersion).where(ArticleVersion.article_id == article_id)
    return list(db.session.scalars(query.order_by(ArticleVersion.number.desc()).limit(most)))


def get_article_version(article_id: int, number: int) -> ArticleVersion:
    """One version. Raises NotFound."""
    version = find_article_version(article_id, number)
    if version is None:
        raise NotFound("There is no such version.")
    return version


def find_article_version(article_id: int, number: int) -> ArticleVersion | None:
    """One version, or None."""
    query = select(ArticleVersion).where(ArticleVersion.article_id == article_id, ArticleVersion.number == number)
    return db.session.scalar(query)


def compare_article(older: Mapping[str, Any], newer: Mapping[str, Any]) -> list[DiffLine]:
    """What differs between two contents, line by line, whatever an older LUX stored; empty for none."""
    lines = compare_lines(_list_lines(older), _list_lines(newer))
    return lines if any(line.kind != "same" for line in lines) else []


def plan_article(article_id: int, at: datetime, *, user_id: int | None) -> Article:
    """Puts an article on the calendar as to be published then, by a person; commits. Raises InputInvalid, Conflict."""
    article = _locked(article_id)
    if article.state == "published":
        raise Conflict("This article is published already.")
    if at < datetime.now(UTC) - timedelta(minutes=1):
        raise InputInvalid({"time": "This moment has passed. Choose one that is still to come."})
    if blockers := find_article_blockers(content_of(article)):
        db.session.rollback()
        raise InputInvalid(blockers)
    article.state, article.planned_at = "planned", at
    _note("article_planned", article, user_id, at=at.isoformat(timespec="minutes"))
    return _touched(article)


def move_article(article_id: int, at: datetime, *, user_id: int | None) -> Article:
    """Gives an article another time: a planned one stays planned, a draft stays a draft; commits."""
    article = _locked(article_id)
    if article.state == "planned":
        return plan_article(article_id, at, user_id=user_id)
    if article.state == "published":
        raise Conflict("This article is published already.")
    article.planned_at = at
    return _touched(article)


def unplan_article(article_id: int, *, user_id: int | None) -> Article:
    """Makes a planned or published article a draft again; commits. Raises NotFound."""
    article = _locked(article_id)
    article.state, article.published_at, article.published_url = "draft", None, ""
    _note("article_unplanned", article, user_id)
    return _touched(article)


def mark_article_published(article_id: int, *, url: str, user_id: int | None) -> Article:
    """Somebody has published it elsewhere; commits. Raises InputInvalid for an address that is none, NotFound."""
    address = checked_link("url", url)
    article = _locked(article_id)
    article.state, article.published_at, article.published_url = "published", datetime.now(UTC), address
    _note("article_published", article, user_id)
    return _touched(article)


def archive_article(article_id: int, *, user_id: int | None) -> Article:
    """Takes an article out of sight; its versions stay. Commits. Raises NotFound."""
    article = _locked(article_id)
    article.archived_at = datetime.now(UTC)
    _note("article_archived", article, user_id)
    return _touched(article)


def mark_of(content: Mapping[str, Any]) -> str:
    """A short name for exactly this content; the editor sends it back, so that LUX knows what a save began with."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _list_lines(kept: Mapping[str, Any]) -> list[str]:
    content = ArticleContent.model_validate(kept)
    named = {
        "Title": content.title,
        "Slug": content.slug,
        "Title for search results": content.meta_title,
        "Description for search results": content.meta_description,
    }
    lines = [f"{label}: {value}" for label, value in named.items() if value]
    lines += ["", *content.body.splitlines()]
    for one in content.faq:
        lines += ["", f"Question: {one.question}", *f"Answer: {one.answer}".splitlines()]
    return lines


def _locked(article_id: int) -> Article:
    article = db.session.get(Article, article_id, with_for_update=True, populate_existing=True)
    if article is None or article.archived_at is not None:
        raise NotFound(GONE)
    return article


def _keep(
    article: Article,
    content: ArticleContent,
    newest: ArticleVersion | None,
    *,
    made_by: str,
    note: str,
    can_share: bool,
) -> None:
    article.content = content.model_dump()
    article.title = content.title or UNTITLED
    if can_share and newest is not None and _is_shared(newest, made_by):
        newest.content = article.content
        return
    article.version = (newest.number if newest else 0) + 1
    _add_version(article, article.version, made_by, note)


def _is_shared(version: ArticleVersion, made_by: str) -> bool:
    is_fresh = datetime.now(UTC) - version.created_at < timedelta(minutes=SHARED_VERSION_MINUTES)
    return version.made_by == made_by and not version.note and is_fresh and version.number > 1


def _add_version(article: Article, number: int, made_by: str, note: str) -> None:
    content = article.content
    db.session.add(ArticleVersion(article_id=article.id, number=number, content=content, made_by=made_by, note=note))


def _newest_version(article: Article) -> ArticleVersion | None:
    query = select(ArticleVersion).where(ArticleVersion.article_id == article.id)
    return db.session.scalar(query.order_by(ArticleVersion.number.desc()).limit(1))


def _touched(article: Article) -> Article:
    article.updated_at = func.clock_timestamp()
    db.session.commit()
    return article


def _note(action: str, article: Article, user_id: int | None, **detail: Any) -> None:
    subject = f"article {article.id}"
    add_audit_entry(action, actor=name_of(user_id), user_id=user_id, subject=subject, **detail)
