"""APP Agent: the health of LUX itself, incidents, their diagnosis, and repairs with receipts.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="app_intelligence",
    label="APP Agent",
    verb_line="Watches LUX itself, explains faults and repairs them",
    icon="stethoscope",
    planned=(
        PlannedTask("Health", "What works, what is slow, what failed."),
        PlannedTask("Incidents", "Error groups with their story."),
        PlannedTask("Diagnosis", "Cause with confidence, and the evidence for it."),
        PlannedTask("Improvements", "What would have prevented it."),
    ),
    reads=(
        "error groups",
        "logs",
        "health checks",
        "jobs",
    ),
    feeds=(
        "repairs",
        "tasks",
    ),
    meanwhile=(("Back to the dashboard", "/"),),
)
