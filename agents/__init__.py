"""The eleven agents, in the order of the dashboard. To add one, write its file and list it in AGENTS."""

from __future__ import annotations

from agents import (
    advertising,
    analytics,
    app_intelligence,
    brand_strategy,
    content_seo,
    creative_design,
    email_crm,
    operations,
    retention,
    sales_enablement,
    social_media,
)
from agents.base import Agent
from errors import NotFound

AGENTS: list[Agent] = [
    brand_strategy.AGENT,
    content_seo.AGENT,
    analytics.AGENT,
    creative_design.AGENT,
    advertising.AGENT,
    social_media.AGENT,
    email_crm.AGENT,
    sales_enablement.AGENT,
    retention.AGENT,
    operations.AGENT,
    app_intelligence.AGENT,
]


def get_agent(key: str) -> Agent:
    """The agent of that key; raises NotFound."""
    for agent in AGENTS:
        if agent.key == key:
            return agent
    raise NotFound("There is no agent of that name.")
