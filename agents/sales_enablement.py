"""Sales Enablement: whom to talk to and why, what to say, and documents to hand over."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.sales import LEAD_SCORES, NEXT_ACTIONS, ONE_PAGER, SALES_PROPOSAL

AGENT = Agent(
    key="sales_enablement",
    label="Sales Enablement",
    verb_line="Scores leads and prepares the next conversation",
    icon="handshake",
    tasks=(LEAD_SCORES, NEXT_ACTIONS, SALES_PROPOSAL, ONE_PAGER),
    reads=("opens, clicks and what is known of contacts", "the brand page", "needs that you tell"),
    feeds=("lead scores", "tasks for people", "segments", "proposals and one-pagers as documents"),
)
