"""The list of agents keeps its promises: eleven, in order, each with a page that says what it does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from agents import AGENTS, get_agent
from agents.actions import ACTIONS
from agents.base import Agent
from errors import NotFound
from lib.strict_schema import make_strict_schema

ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = [
    "brand_strategy",
    "content_seo",
    "analytics",
    "creative_design",
    "advertising",
    "social_media",
    "email_crm",
    "sales_enablement",
    "retention",
    "operations",
    "app_intelligence",
]


def test_there_are_eleven_in_the_order_of_the_dashboard() -> None:
    assert [agent.key for agent in AGENTS] == KEYS


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.key)
def test_each_agent_has_its_file_its_icon_and_its_words(agent: Agent) -> None:
    icons = (ROOT / "static/vendor/lucide/icons.svg").read_text()
    assert (ROOT / "agents" / f"{agent.key}.py").is_file()
    assert f'id="{agent.icon}"' in icons
    assert 10 < len(agent.verb_line) <= 70
    assert agent.reads and agent.feeds
    assert 3 <= len(agent.tasks) <= 6
    assert len({task.key for task in agent.tasks}) == len(agent.tasks)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.key)
def test_each_task_has_examples_that_are_valid_briefs_and_a_strict_schema(agent: Agent) -> None:
    for task in agent.tasks:
        assert len(task.examples) == 3
        for example in task.examples:
            task.brief.model_validate(dict(example.values))
        schema = make_strict_schema(task.answer)
        assert schema["additionalProperties"] is False
        assert set(schema["required"]) == set(schema["properties"])
        assert not re.search(r"Length|\"pattern\"|\"default\"", str(schema))


def test_an_unknown_agent_is_not_found() -> None:
    with pytest.raises(NotFound):
        get_agent("mind_reader")


def test_each_action_has_a_key_of_its_own(app: Flask) -> None:
    assert len({action.key for action in ACTIONS}) == len(ACTIONS)
