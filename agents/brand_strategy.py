"""Brand & Strategy: where the company stands, what it wants, and the plan for the quarter.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="brand_strategy",
    label="Brand & Strategy",
    verb_line="Sets the direction: positioning, goals and the quarter's plan",
    icon="compass",
    planned=(
        PlannedTask(
            "Positioning",
            "One statement, three pillars, and the proof for each, taken from your brand page and your results.",
        ),
        PlannedTask(
            "Quarterly plan",
            "Objectives with a baseline, a target and a date; initiatives with channels, budget and dates; the risks.",
        ),
        PlannedTask("Competitor watch", "What others say about the same promise, kept as notes with their sources."),
        PlannedTask("Audience map", "Which segments you have, how each responds, and which one is missing."),
    ),
    reads=(
        "the brand page",
        "campaigns and their results by channel",
        "segments",
    ),
    feeds=(
        "the calendar",
        "tasks",
        "the brand voice",
    ),
    meanwhile=(
        ("Fill in the brand page", "/settings/brand"),
        ("Look at your segments", "/segments"),
    ),
)
