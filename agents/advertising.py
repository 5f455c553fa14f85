"""Advertising & Demand Gen: a media plan, ads within each network's limits, audiences and pacing.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="advertising",
    label="Advertising & Demand Gen",
    verb_line="Plans media and writes ads inside every limit",
    icon="target",
    planned=(
        PlannedTask("Media plan", "Budget by network and week, with the reason."),
        PlannedTask("Ad copy", "Ads with their character counts in each network's limits, and tagged links."),
        PlannedTask("Audiences", "Segments with their size and what is excluded."),
        PlannedTask("Pacing", "Spent against planned, and what to change."),
    ),
    reads=(
        "costs",
        "conversions",
        "segments",
    ),
    feeds=(
        "an ad plan as CSV",
        "tagged links",
        "an audience export",
    ),
    meanwhile=(("Build the audience as a segment", "/segments"),),
)
