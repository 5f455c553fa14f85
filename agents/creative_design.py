"""Creative & Design: ways to show a thing, briefs for pictures in every size, and a check against the brand."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.brand_check import BRAND_CHECK
from agents.tasks.creative import CONCEPTS, GRAPHIC, HEADER

AGENT = Agent(
    key="creative_design",
    label="Creative & Design",
    verb_line="Turns a brief into concepts and checked artwork",
    icon="palette",
    tasks=(CONCEPTS, HEADER, GRAPHIC, BRAND_CHECK),
    reads=("the brand page and its colour", "sizes of networks", "texts and colours that you paste", "pictures"),
    feeds=("pictures in each network’s size", "briefs for designers and checks as documents"),
)
