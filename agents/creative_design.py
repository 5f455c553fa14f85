"""Creative & Design: concepts, e-mail headers and graphics that keep to the brand.

Planned: give it tasks in the shape of agents/base.py, one after the other, and it opens by itself.
"""

from __future__ import annotations

from agents.base import Agent, PlannedTask

AGENT = Agent(
    key="creative_design",
    label="Creative & Design",
    verb_line="Turns a brief into concepts and checked artwork",
    icon="palette",
    planned=(
        PlannedTask("Concepts", "Headline, line beneath, call to action, layout, alternative text and palette."),
        PlannedTask("E-mail header", "A header as a vector graphic, sized for e-mail."),
        PlannedTask("Social graphic", "The same idea in each network's format."),
        PlannedTask("Brand check", "Contrast and rule violations of a piece, listed with the fix."),
    ),
    reads=(
        "the brand page",
        "the assets you have",
        "past creative",
    ),
    feeds=(
        "assets",
        "blocks of an e-mail",
    ),
    meanwhile=(("Choose the brand's colour", "/settings/brand"),),
)
