"""Operations & Integration: integrations, data quality, duplicates, deliverability and intake.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="operations",
    label="Operations & Integration",
    verb_line="Keeps data clean and connections working",
    icon="workflow",
    planned=(
        PlannedTask("Integration health", "What each connection did and what it refused."),
        PlannedTask("Data quality", "The failing rule, how many, examples and the fix."),
        PlannedTask("Duplicates", "Merge previews, nothing merged unasked."),
        PlannedTask("Deliverability", "The domain's records, checked, with what to change."),
    ),
    reads=(
        "the webhook inbox",
        "the queue",
        "the domain's records",
        "contacts",
    ),
    feeds=(
        "merges",
        "replays",
        "throttling",
        "tasks",
    ),
    meanwhile=(("Look at the webhook inbox", "/webhook-inbox"),),
)
