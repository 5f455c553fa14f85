"""Email & CRM: writes whole e-mail campaigns and series, makes segments of words, looks after the audience's health."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.campaign.task import CAMPAIGN
from agents.tasks.list_health import LIST_HEALTH
from agents.tasks.segment import SEGMENT
from agents.tasks.sequence import SEQUENCE

AGENT = Agent(
    key="email_crm",
    label="Email & CRM",
    verb_line="Writes whole e-mail campaigns for your segments",
    icon="mail",
    tasks=(CAMPAIGN, SEQUENCE, SEGMENT, LIST_HEALTH),
    reads=("the brand page", "segments and their consent", "the results of past campaigns", "when people click"),
    feeds=("campaign drafts", "segments", "a series as a document"),
)
