"""Sales Enablement: which lead first, what to do next, and the document to bring along.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="sales_enablement",
    label="Sales Enablement",
    verb_line="Scores leads and prepares the next conversation",
    icon="handshake",
    planned=(
        PlannedTask("Lead scores", "Fit and intent, with every point explained."),
        PlannedTask("Next best actions", "What to do for whom, and why now."),
        PlannedTask("Proposal and one-pager", "A document for one company from what LUX knows."),
    ),
    reads=(
        "the contact's timeline",
        "forms",
        "campaign touches",
    ),
    feeds=(
        "lead scores",
        "tasks",
        "automations",
    ),
    meanwhile=(("Look at who clicked", "/contacts"),),
)
