"""The demo's articles and dates: published, planned, in the making, and what the team keeps in mind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from demo.team import Person
from demo.topics import ARTICLES, DATES, Piece
from extensions import db
from publishing.articles import add_article, change_article, mark_article_published, plan_article
from publishing.calendar import today
from publishing.entries import add_entry

# How many days ago each of the first ones was published, in how many the next is to be.
PUBLISHED_DAYS_AGO = (131, 68, 19)
PLANNED_IN_DAYS = 8
INTRODUCTION = "Questions about this reach us every week. Here is what we answer."
_SET_BACK = (
    """
    UPDATE articles SET published_at = CAST(:at AS timestamptz), planned_at = CAST(:at AS timestamptz),
        created_at = CAST(:at AS timestamptz) - interval '9 days', updated_at = CAST(:at AS timestamptz) WHERE id = :id
    """,
    """
    UPDATE article_versions SET created_at = CAST(:at AS timestamptz) - interval '9 days' + interval '1 day' * number
    WHERE article_id = :id
    """,
)


def add_articles(by: Person) -> int:
    """Adds the articles; commits each. How many."""
    for number, piece in enumerate(ARTICLES):
        article = add_article(_content(piece), made_by=by.name, user_id=by.id)
        if number < len(PUBLISHED_DAYS_AGO):
            change_article(article.id, _content(piece, INTRODUCTION), made_by=by.name, note="With an introduction")
            mark_article_published(article.id, url=f"https://lumen.example/{article.content['slug']}", user_id=by.id)
            _set_back(article.id, PUBLISHED_DAYS_AGO[number])
        elif number == len(PUBLISHED_DAYS_AGO):
            at = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
            plan_article(article.id, at + timedelta(days=PLANNED_IN_DAYS), user_id=by.id)
    return len(ARTICLES)


def add_dates(by: Person) -> int:
    """Adds the dates of the calendar; commits each. How many."""
    for title, begins_in, days, detail in DATES:
        first = today() + timedelta(days=begins_in)
        last = first + timedelta(days=days - 1)
        add_entry(title, starts_on=first, ends_on=last, detail=detail, made_by=by.name, user_id=by.id)
    return len(DATES)


def _content(piece: Piece, introduction: str = "") -> dict[str, Any]:
    sections = [f"## {heading}\n\n{words}" for heading, words in piece.sections]
    meta = {"meta_title": piece.title, "meta_description": piece.description} if piece.description else {}
    faq = [{"question": piece.question, "answer": piece.answer}] if piece.question else []
    return {"title": piece.title, **meta, "body": "\n\n".join(filter(None, (introduction, *sections))), "faq": faq}


def _set_back(article_id: int, days: int) -> None:
    at = (datetime.now(UTC) - timedelta(days=days)).replace(hour=9, minute=0, second=0, microsecond=0)
    for statement in _SET_BACK:
        db.session.execute(text(statement), {"id": article_id, "at": at})
    db.session.commit()
