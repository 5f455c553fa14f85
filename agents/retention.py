"""Customer Retention & Loyalty: who is slipping, how to win them back, and what keeps people.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="retention",
    label="Customer Retention & Loyalty",
    verb_line="Finds who is slipping away and wins them back",
    icon="heart",
    planned=(
        PlannedTask("Who is slipping", "A risk score with what drives it, by cohort."),
        PlannedTask("Win-back", "A play with its rules, its offer and its channel."),
        PlannedTask("Loyalty plan", "What to give, to whom, and what it costs."),
    ),
    reads=(
        "how engagement fades",
        "purchases",
        "automations",
    ),
    feeds=(
        "a segment of people at risk",
        "a win-back automation",
    ),
    meanwhile=(("Write a win-back campaign now", "/agents/email_crm"),),
)
