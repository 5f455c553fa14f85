"""Email & CRM: writes the whole e-mail campaign, from brief to a draft that is ready to send."""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="email_crm",
    label="Email & CRM",
    verb_line="Writes whole e-mail campaigns for your segments",
    icon="mail",
    planned=(
        PlannedTask("Sequence", "A welcome or follow-up series with its timing."),
        PlannedTask("List health", "Who hears from you, who has stopped listening, and what to do."),
    ),
    reads=("the brand page", "the segment and its consent", "the results of past campaigns"),
    feeds=("campaign drafts",),
)
