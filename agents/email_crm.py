"""Email & CRM: writes whole e-mail campaigns, makes segments of words."""

from __future__ import annotations

from agents.base import Agent, PlannedTask
from agents.campaign_task import CAMPAIGN
from agents.segment_task import SEGMENT

AGENT = Agent(
    key="email_crm",
    label="Email & CRM",
    verb_line="Writes whole e-mail campaigns for your segments",
    icon="mail",
    tasks=(CAMPAIGN, SEGMENT),
    planned=(
        PlannedTask("Sequence", "A welcome or follow-up series with its timing."),
        PlannedTask("Health of your audience", "Who hears from you, who has stopped listening, and what to do."),
    ),
    reads=("the brand page", "the segment and its consent", "the results of past campaigns", "when people click"),
    feeds=("campaign drafts", "segments"),
)
