"""Brand & Strategy: where the company stands, what it wants, and the plan for the quarter."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.audience_map import AUDIENCE_MAP
from agents.tasks.competitor_watch import COMPETITOR_WATCH
from agents.tasks.positioning import POSITIONING
from agents.tasks.quarterly_plan import QUARTERLY_PLAN

AGENT = Agent(
    key="brand_strategy",
    label="Brand & Strategy",
    verb_line="Sets the direction: positioning, goals and the quarter's plan",
    icon="compass",
    tasks=(POSITIONING, QUARTERLY_PLAN, COMPETITOR_WATCH, AUDIENCE_MAP),
    reads=("the brand page", "campaigns and their results", "segments", "your own notes"),
    feeds=("dates on the calendar", "tasks for people", "missing segments", "positioning as a document"),
)
