"""The other six agents, task by task, in three businesses, with every kind of model; listed tasks join."""

from __future__ import annotations

import pytest
from flask import Flask

from agents import AGENTS
from agents.base import Agent
from tests.agents.businesses import BUSINESSES
from tests.agents.every_task import expect_documented, expect_whole, find_task, name_of
from tests.fakes.openai_server import OpenAIServer

AGENTS_HERE: list[Agent] = AGENTS[5:]
NAMES = [name_of(agent, task) for agent in AGENTS_HERE for task in agent.tasks]


@pytest.mark.parametrize("business", BUSINESSES)
@pytest.mark.parametrize("name", NAMES)
def test_it_works_for_a_business_with_every_kind_of_model(
    shared_model_app: Flask, shared_server: OpenAIServer, name: str, business: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, task = find_task(name)
    expect_whole(shared_model_app, shared_server, agent, task, business, monkeypatch)


def test_what_the_document_says_is_proposed_for_some_business() -> None:
    expect_documented(NAMES)
