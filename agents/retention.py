"""Customer Retention & Loyalty: who is slipping away, how to win them back, and how to keep those who stay."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.loyalty_plan import LOYALTY_PLAN
from agents.tasks.slipping import SLIPPING
from agents.tasks.win_back import WIN_BACK

AGENT = Agent(
    key="retention",
    label="Customer Retention & Loyalty",
    verb_line="Finds who is slipping away and wins them back",
    icon="heart",
    tasks=(SLIPPING, WIN_BACK, LOYALTY_PLAN),
    reads=("opens and clicks over time", "who gets how much mail", "the results of past campaigns", "the brand page"),
    feeds=("at-risk segments", "win-back campaign drafts", "a loyalty plan as a document"),
)
