"""Adds an article as a draft; a person reads it, plans it and publishes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from agents.actions.base import Action, Edit, Outcome, Payload
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from lib.article_markdown import bold_lines_as_headings
from models import Proposal
from publishing.article_content import MOST_QUESTIONS, find_article_blockers, read_article_content
from publishing.articles import draft_article, get_article

Line = Annotated[str, StringConstraints(max_length=300)]


class DraftedQuestion(Payload):
    """A question and its answer."""

    question: Line
    answer: Annotated[str, StringConstraints(max_length=10_000)]


class DraftArticle(Payload):
    """An article; `at` is the time in mind for it."""

    title: Line
    slug: Line
    meta_title: Line
    meta_description: Line
    body: Annotated[str, StringConstraints(max_length=100_000)]
    faq: Annotated[list[DraftedQuestion], Field(max_length=MOST_QUESTIONS)] = []
    at: datetime | None = None
    made_by: Annotated[str, StringConstraints(max_length=80)] = "Content & SEO"


def _content(payload: DraftArticle) -> dict[str, Any]:
    content = payload.model_dump(include={"title", "slug", "meta_title", "meta_description", "faq"})
    return {**content, "body": bold_lines_as_headings(payload.body)}


def _check(payload: DraftArticle) -> None:
    """Raises InputInvalid by field for what keeps an article from being planned."""
    if blockers := find_article_blockers(read_article_content(_content(payload))):
        raise InputInvalid(blockers)


def _describe(payload: DraftArticle) -> str:
    return f"Adds the draft “{payload.title}” to Articles. Nothing is published: you read it, change it and export it."


def _carry_out(payload: DraftArticle, proposal: Proposal, user_id: int | None) -> Outcome:
    at = payload.at if payload.at is not None and payload.at > datetime.now(UTC) else None
    article = draft_article(
        _content(payload),
        made_by=payload.made_by,
        user_id=user_id,
        proposal_id=proposal.id,
        planned_at=at,
        note="From an approved proposal",
    )
    return {"article_id": article.id, "content": article.content}


def _undo(outcome: Mapping[str, Any]) -> None:
    try:
        article = get_article(int(outcome["article_id"]))
    except NotFound as error:
        raise Conflict("The article is gone already.") from error
    if article.archived_at is not None:
        raise Conflict("The article is archived already.")
    if article.state != "draft" or article.content != outcome["content"]:
        raise Conflict("Somebody has worked on this article since. Archive it in Articles if it is not wanted.")
    article.archived_at = datetime.now(UTC)
    db.session.flush()


ACTION: Action[DraftArticle] = Action(
    key="draft_article",
    label="Draft an article",
    accept="Turn into an article",
    payload=DraftArticle,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. The draft is archived.",
    find_address=lambda outcome: f"/calendar/articles/{int(outcome['article_id'])}",
    done="The draft is in Articles. Nothing is published.",
    edits=(
        Edit("title", "Title", ("title",)),
        Edit("meta_title", "Title for search results", ("meta_title",)),
        Edit("meta_description", "Description for search results", ("meta_description",)),
    ),
)
