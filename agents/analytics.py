"""Analytics & Optimization: what happened, what is unusual, which version won, what comes next.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="analytics",
    label="Analytics & Optimization",
    verb_line="Explains what happened and what to do next",
    icon="chart-line",
    planned=(
        PlannedTask("What happened", "The figures of a period with their change and the uncertainty of each."),
        PlannedTask("Anomalies", "What is out of line, by how much, and the likely cause."),
        PlannedTask("A/B verdict", "Winner or none, the lift, its interval and the power of the test."),
        PlannedTask("Forecast", "Low, mean and high, computed in code and explained in words."),
    ),
    reads=(
        "the ledger of messages",
        "opens and clicks, people and machines apart",
        "conversions",
    ),
    feeds=(
        "A/B decisions",
        "pausing a campaign",
        "rescheduling a campaign",
    ),
    meanwhile=(("See each campaign's results", "/campaigns"),),
)
