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
from tests.agents.documented import read_documented

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


# In tests/pages/test_*_in_use.py.
IN_USE = {
    "brand_strategy": "test_brand_and_strategy_gives_dates_on_the_calendar_and_a_segment_that_was_missing",
    "content_seo": "test_content_and_seo_gives_an_article_that_is_exported",
    "analytics": "test_analytics_gives_a_campaign_a_better_hour",
    "creative_design": "test_a_concept_becomes_a_picture_in_the_mail_of_a_campaign",
    "advertising": "test_ads_become_a_plan_whose_file_is_downloaded_and_read_again",
    "social_media": "test_social_media_gives_posts_that_are_planned_and_published_to_a_receiver",
    "email_crm": "test_email_and_crm_gives_a_segment_with_members_and_a_campaign_for_it",
    "sales_enablement": "test_sales_gives_scores_that_stay_and_tasks_that_are_ticked_off",
    "retention": "test_retention_gives_a_segment_of_who_is_slipping_and_a_campaign_to_win_them_back",
    "operations": "test_operations_replays_dead_bodies_that_become_contacts",
    "app_intelligence": "test_the_app_agent_repairs_a_fault",
}


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


def test_the_document_names_every_task_in_its_order() -> None:
    assert list(read_documented()) == [f"{agent.key}.{task.key}" for agent in AGENTS for task in agent.tasks]


def test_every_action_is_proposed_by_some_task() -> None:
    assert set().union(*read_documented().values()) == {action.key for action in ACTIONS}


@pytest.mark.parametrize("key", KEYS)
def test_each_agent_is_shown_in_a_browser_from_its_tile_to_a_thing_in_use(key: str) -> None:
    files = sorted((ROOT / "tests/pages").glob("test_*_in_use.py"))
    assert any(f"def {IN_USE[key]}(" in file.read_text() for file in files)


def test_an_unknown_agent_is_not_found() -> None:
    with pytest.raises(NotFound):
        get_agent("mind_reader")


def test_each_action_has_a_key_of_its_own(app: Flask) -> None:
    assert len({action.key for action in ACTIONS}) == len(ACTIONS)
