"""The demo is a business whose figures add up and whose pages open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from agents import AGENTS
from campaigns.tallies import count_states_of
from demo.__main__ import fill
from demo.colleagues import APPROVED, REFUSED, UNDONE, WAITING
from extensions import db
from lib.networks import NETWORKS
from models import (
    AdPlan,
    AgentRun,
    Article,
    Asset,
    Campaign,
    Contact,
    ContactImport,
    ContactScore,
    DuplicatePair,
    ErrorGroup,
    IntakeBody,
    Message,
    OutgoingWebhook,
    PersonTask,
    Post,
    Proposal,
    TrackingEvent,
    WebhookDelivery,
)
from publishing.post_checks import check_post
from publishing.posts import text_of
from tests import makers
from tests.servers import drop_database, make_database

PEOPLE = 400


@pytest.fixture(scope="module")
def demo_url(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    url, folder = make_database(database_url), tmp_path_factory.mktemp("demo")
    assert fill(url, folder, PEOPLE)
    yield url, folder
    drop_database(database_url, url)


@pytest.fixture
def demo_app(demo_url: tuple[str, Path], make_app: Callable[..., Flask]) -> Iterator[Flask]:
    url, folder = demo_url
    app = make_app(DATABASE_URL=url, LUX_DATA_DIR=str(folder))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_every_campaign_balances_and_people_open_less_than_they_get(demo_app: Flask) -> None:
    assert (db.session.scalar(select(func.count()).select_from(Contact)) or 0) > PEOPLE
    campaigns = list(db.session.scalars(select(Campaign.id).where(Campaign.state == "finished")))
    assert len(campaigns) > 52
    for counts in count_states_of(campaigns).values():
        assert counts.is_balanced
        assert counts.clicks_human <= counts.opens_human <= counts.sent
    assert db.session.scalar(select(func.count()).select_from(Message).where(Message.state == "pending")) == 0


def test_nothing_happens_before_its_message_or_in_the_future(demo_app: Flask) -> None:
    late = select(func.count()).select_from(TrackingEvent).join(Message, Message.id == TrackingEvent.message_id)
    wrong = late.where((TrackingEvent.at < Message.finished_at) | (TrackingEvent.at > func.now()))
    assert db.session.scalar(wrong) == 0
    too_early = select(func.count()).select_from(Message).join(Contact, Contact.id == Message.contact_id)
    assert db.session.scalar(too_early.where(Message.created_at < Contact.created_at)) == 0


def states_of(model: type[Any]) -> set[str]:
    """The states that rows of a table are in."""
    return set(db.session.scalars(select(model.state).distinct()))


def test_every_network_has_had_posts_all_year_and_each_post_fits_its_network(demo_app: Flask) -> None:
    posts = list(db.session.scalars(select(Post)))
    published = [post for post in posts if post.state == "published"]
    assert {post.network for post in published} == {network.key for network in NETWORKS}
    days = {post.published_at.date() for post in published if post.published_at is not None}
    assert (max(days) - min(days)).days > 300
    ready = [text_of(post) for post in posts if post.state not in ("draft", "cancelled")]
    assert all(check.kind != "blocker" for text in ready for check in check_post(text))
    assert {"draft", "planned", "published", "failed", "cancelled"} <= states_of(Post)


def test_what_the_webhook_published_was_really_sent_and_nothing_leaves_the_demo(demo_app: Flask) -> None:
    assert states_of(WebhookDelivery) == {"delivered", "failed"}
    assert all(webhook.paused_at is not None for webhook in db.session.scalars(select(OutgoingWebhook)))


def test_there_is_something_of_everything_that_pages_show(demo_app: Flask) -> None:
    assert states_of(Article) == {"draft", "planned", "published"}
    assert {"done", "dead"} <= states_of(IntakeBody)
    assert {"open", "apart"} <= states_of(DuplicatePair)
    assert {"open", "done", "dropped"} <= states_of(PersonTask)
    assert {"draft", "scheduled", "finished"} <= states_of(Campaign)
    assert {"open", "resolved_by_human"} <= states_of(ErrorGroup)
    assert set(db.session.scalars(select(Asset.kind).distinct())) == {"upload", "drawn"}
    for model in (AdPlan, ContactImport, ContactScore):
        assert db.session.scalar(select(func.count()).select_from(model))


def test_every_agent_has_done_every_task_and_people_have_decided_on_some(demo_app: Flask) -> None:
    runs = {f"{run.agent}.{run.task}": run for run in db.session.scalars(select(AgentRun))}
    assert set(runs) == {f"{agent.key}.{task.key}" for agent in AGENTS for task in agent.tasks}
    assert {run.state for run in runs.values()} == {"done"}
    assert WAITING | APPROVED | set(REFUSED) | UNDONE <= set(runs)
    assert {"pending", "done", "refused", "undone"} == states_of(Proposal)


def test_a_second_start_changes_nothing(demo_url: tuple[str, Path]) -> None:
    assert fill(*demo_url, PEOPLE) is False


def test_its_pages_open(demo_app: Flask) -> None:
    client = makers.signed_in_client(demo_app, makers.make_user(role="owner", email="ada@demo.example"))
    for address in ("/", "/contacts/", "/segments/", "/campaigns/", "/calendar/", "/approvals/", "/analytics/"):
        assert client.get(address).status_code == 200
