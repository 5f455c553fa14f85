"""Advertising & Demand Gen: budgets split, ads within their limits, audiences with their sizes, and pacing."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.ad_audiences import AD_AUDIENCES
from agents.tasks.ads import AD_COPY, MEDIA_PLAN, PACING

AGENT = Agent(
    key="advertising",
    label="Advertising & Demand Gen",
    verb_line="Plans media and writes ads inside every limit",
    icon="target",
    tasks=(MEDIA_PLAN, AD_COPY, AD_AUDIENCES, PACING),
    reads=("the brand page", "segments and their sizes", "sources of contacts", "budgets that you give"),
    feeds=("ad plans with the networks’ files", "audiences as hashed addresses", "documents"),
)
