"""What the tests of agents share: a brand, a segment with people, a model server, an app that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from agents import get_agent
from agents.base import Agent, Task
from agents.tasks.campaign.brief import CampaignBrief
from campaigns.brand import BrandLink, BrandValues, change_brand
from error_logger import error_logger, listen
from extensions import db
from tests.fakes.openai_server import OpenAIServer

BRAND = BrandValues(
    company="Lumen Tea",
    website="https://lumen.example",
    voice="Warm and plain, a little dry humour.",
    audience="People who drink tea every day.",
    offer="Single-garden teas, packed in small batches.",
    words_to_avoid=["cheap"],
    proof_points=["Every tea comes from one garden", "Free returns for 30 days"],
    links=[BrandLink("Shop", "https://lumen.example/shop")],
)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def model_app(server: OpenAIServer, make_app: Callable[..., Flask], empty_database: None) -> Iterator[Flask]:
    """An app whose agents ask the test server."""
    app = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
    with app.app_context():
        change_brand(BRAND, actor="tests")
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def running_server() -> Iterator[OpenAIServer]:
    """One server for all tests of a file."""
    with OpenAIServer(piece_size=4000) as running:
        yield running


@pytest.fixture(scope="module")
def asking_app(running_server: OpenAIServer, make_app: Callable[..., Flask]) -> Flask:
    """One app for all tests of a file, with money for all of them."""
    settings = {"AI_DAILY_BUDGET_USD": "1000", "AI_AGENT_BUDGET_USD": "1000"}
    return make_app(OPENAI_API_KEY=running_server.key, OPENAI_BASE_URL=running_server.url, **settings)


@pytest.fixture
def shared_server(running_server: OpenAIServer) -> OpenAIServer:
    """The file's server as it was on its first day."""
    running_server.answers, running_server.moods, running_server.requests = [], [], []
    running_server.piece_size = 4000
    return running_server


@pytest.fixture
def shared_model_app(asking_app: Flask, empty_database: None) -> Iterator[Flask]:
    """The file's app, whose agents ask the file's server, on an empty database and without a brand."""
    listen(asking_app)
    with asking_app.app_context():
        yield asking_app
        db.session.remove()
        # What its models did wrong is written before the next test's database is emptied.
        error_logger().flush_now(10)


@pytest.fixture
def branded_app(app: Flask) -> Flask:
    """The app without a model, with a brand."""
    change_brand(BRAND, actor="tests")
    return app


@pytest.fixture
def email_crm() -> Agent:
    return get_agent("email_crm")


@pytest.fixture
def task(email_crm: Agent) -> Task[Any, Any]:
    found = email_crm.find_task("campaign")
    assert found is not None
    return found


@pytest.fixture
def brief() -> CampaignBrief:
    return CampaignBrief(
        kind="offer",
        goal="Sell the first flush to people who know us.",
        offer="The first flush is here\nShipping is free until 31 March",
        link="https://lumen.example/first-flush",
    )
