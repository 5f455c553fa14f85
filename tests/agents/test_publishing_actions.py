"""Posts, articles and dates that agents propose: drafts on the calendar, taken back while nobody has touched them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from agents.actions import get_action
from agents.proposals import approve_proposal, undo_proposal
from errors import Conflict, InputInvalid
from extensions import db
from models import Article, CalendarEntry, Post, Proposal, User
from publishing.posts import PostDraft, change_post
from publishing.webhooks import WebhookDraft, add_webhook
from tests.agents.test_actions import propose
from tests.makers import make_user
from tests.publishing.publishing_scene import ARTICLE


@pytest.fixture
def person(app: Flask) -> User:
    return make_user(role="marketer")


def soon() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)


def posts(**changes: Any) -> dict[str, Any]:
    one = {"network": "x", "text": "Tea is ready", "tags": ["#tea"], "at": soon().isoformat()} | changes
    return {"posts": [one, {"network": "linkedin", "text": "A longer word about tea"}], "utm_campaign": "Winter"}


def address_of(proposal: Proposal) -> str:
    return get_action(proposal.action).find_address(proposal.outcome or {})


def test_approved_posts_are_drafts_with_an_hour_in_mind_and_the_webhook_of_their_network(person: User) -> None:
    for_all = add_webhook(WebhookDraft("Zapier", "https://hooks.example.com/1"), user_id=None).webhook_id
    for_x = add_webhook(WebhookDraft("n8n", "https://n8n.example.com/1", ("x",)), user_id=None).webhook_id
    done = approve_proposal(propose("draft_posts", **posts()).id, person)
    first, second = db.session.execute(db.select(Post).order_by(Post.id)).scalars()
    assert [(one.state, one.webhook_id, one.proposal_id) for one in (first, second)] == [
        ("draft", for_x, done.id), ("draft", for_all, done.id),
    ]  # fmt: skip
    assert first.planned_at is not None
    assert second.planned_at is None
    assert first.utm_campaign == "Winter"
    assert address_of(done).startswith("/calendar/?view=week&on=")


def test_an_hour_that_passes_before_the_approval_is_left_out(person: User) -> None:
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    done = approve_proposal(propose("draft_posts", **posts(at=past)).id, person)
    assert [one.planned_at for one in db.session.execute(db.select(Post)).scalars()] == [None, None]
    assert address_of(done) == "/calendar/posts/?state=draft"


def test_posts_that_their_network_would_not_take_are_not_proposed(person: User) -> None:
    for changes, said in (({"text": "a" * 281}, "too long"), ({"network": "myspace"}, "not a network")):
        with pytest.raises(InputInvalid, match=said):
            propose("draft_posts", **posts(**changes))


def test_posts_are_taken_back_together_or_not_at_all(person: User) -> None:
    first = approve_proposal(propose("draft_posts", **posts()).id, person)
    undo_proposal(first.id, person)
    assert all(one.archived_at for one in db.session.execute(db.select(Post)).scalars())
    second = approve_proposal(propose("draft_posts", **posts()).id, person)
    newest = db.session.execute(db.select(Post).order_by(Post.id.desc())).scalars().first()
    assert newest is not None
    change_post(newest.id, PostDraft("linkedin", "Somebody’s own words"))
    with pytest.raises(Conflict, match="worked on these posts"):
        undo_proposal(second.id, person)
    assert db.session.query(Post).filter(Post.archived_at.is_(None)).count() == 2


def test_an_article_becomes_a_draft_with_headings_and_is_taken_back(person: User) -> None:
    body = "In short.\n\n**The water**\n\nIt must **not** boil."
    done = approve_proposal(propose("draft_article", **{**ARTICLE, "body": body}).id, person)
    article = db.session.execute(db.select(Article)).scalar_one()
    assert (article.state, article.made_by) == ("draft", "Content & SEO")
    assert article.content["body"] == "In short.\n\n## The water\n\nIt must **not** boil."
    assert address_of(done) == f"/calendar/articles/{article.id}"
    undo_proposal(done.id, person)
    assert article.archived_at is not None


def test_an_article_over_the_limits_of_search_results_is_not_proposed(person: User) -> None:
    with pytest.raises(InputInvalid) as refused:
        propose("draft_article", **{**ARTICLE, "meta_title": "m" * 61})
    assert list(refused.value.fields) == ["meta_title"]


def test_dates_are_put_on_the_calendar_and_taken_off_again(person: User) -> None:
    day = soon().date()
    entries = [
        {"title": "Tasting", "starts_on": day.isoformat()},
        {"title": "End of the quarter", "starts_on": (day + timedelta(days=9)).isoformat(), "detail": "Targets"},
    ]
    done = approve_proposal(propose("add_calendar_entries", entries=entries).id, person)
    assert address_of(done) == f"/calendar/?on={day}"
    assert db.session.query(CalendarEntry).filter(CalendarEntry.archived_at.is_(None)).count() == 2
    undo_proposal(done.id, person)
    assert db.session.query(CalendarEntry).filter(CalendarEntry.archived_at.is_(None)).count() == 0
