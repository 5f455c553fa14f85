"""Analytics & Optimization: what happened, what stands out, where it goes, what to do; every sum is done in code."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.ab_verdict import AB_VERDICT
from agents.tasks.analytics_reports import ANOMALIES, FORECAST, WHAT_HAPPENED
from agents.tasks.what_to_do import WHAT_TO_DO

AGENT = Agent(
    key="analytics",
    label="Analytics & Optimization",
    verb_line="Explains what happened and what to do next",
    icon="chart-line",
    tasks=(WHAT_HAPPENED, ANOMALIES, AB_VERDICT, FORECAST, WHAT_TO_DO),
    reads=("the ledger of messages", "opens and clicks, people and machines apart", "new contacts", "your figures"),
    feeds=("pauses", "better hours", "reports as documents"),
)
