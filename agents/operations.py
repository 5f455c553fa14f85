"""Operations & Integration: integrations, data quality, doubles, deliverability and intake."""

from __future__ import annotations

from agents.base import Agent
from agents.tasks.connections import INTAKE, INTEGRATION_HEALTH
from agents.tasks.contact_data import DATA_QUALITY, DUPLICATES
from agents.tasks.deliverability import DELIVERABILITY

AGENT = Agent(
    key="operations",
    label="Operations & Integration",
    verb_line="Keeps data clean and connections working",
    icon="workflow",
    tasks=(INTEGRATION_HEALTH, DATA_QUALITY, DUPLICATES, DELIVERABILITY, INTAKE),
    reads=(
        "the webhook inbox and its senders",
        "contacts in numbers",
        "the domain's records",
        "the ledger of messages",
    ),
    feeds=("merges of contacts", "replays of dead bodies", "retries of failed messages", "tasks for people"),
)
