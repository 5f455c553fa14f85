"""APP Agent: the health of LUX itself, its incidents, their causes, and repairs with receipts. For operators."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.app_reports import DIAGNOSIS, HEALTH, IMPROVEMENTS, INCIDENTS

AGENT = Agent(
    key="app_intelligence",
    label="APP Agent",
    verb_line="Watches LUX itself, explains faults and repairs them",
    icon="stethoscope",
    tasks=(HEALTH, INCIDENTS, DIAGNOSIS, IMPROVEMENTS),
    reads=("health checks", "error groups", "the rules' diagnoses", "timed jobs"),
    feeds=("repairs with receipts", "tasks for people", "reports as documents"),
    role="operator",
)
