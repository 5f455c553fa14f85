"""What a repair run answers: the report that the API, the chatbot and the pages show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models import RepairPlan, RepairStep

DIAGNOSIS_KEYS = ("rule", "cause", "confidence", "evidence")


@dataclass(frozen=True)
class GroupReport:
    """One error group of a run."""

    error_id: int | None
    group_id: int | None
    diagnosis: Mapping[str, Any]
    fix_steps: list[str]
    actions: list[dict[str, Any]]
    test_results: list[dict[str, Any]]
    is_resolved: bool
    state: str
    resolution_notes: Mapping[str, Any]

    def as_row(self) -> dict[str, Any]:
        return {
            "error_id": self.error_id,
            "group_id": self.group_id,
            "diagnosis": {key: self.diagnosis.get(key) for key in DIAGNOSIS_KEYS},
            "fix_steps": self.fix_steps,
            "actions": self.actions,
            "test_results": self.test_results,
            "resolved": self.is_resolved,
            "state": self.state,
            "resolution_notes": dict(self.resolution_notes),
        }


@dataclass(frozen=True)
class Report:
    """A whole run. `status`: done, partial (time was up), dry_run, nothing_to_do, off, or stopped by the switch."""

    status: str
    results: list[GroupReport] = field(default_factory=list)

    def as_row(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "examined": len(self.results),
            "resolved": sum(result.is_resolved for result in self.results),
            "results": [result.as_row() for result in self.results],
        }


def action_row(plan: RepairPlan, step: RepairStep, title: str, undo: str) -> dict[str, Any]:
    """A step as the report tells it."""
    return {
        "plan_id": plan.id,
        "step_id": step.id,
        "repair": step.repair,
        "title": title,
        "tier": step.tier,
        "state": step.state,
        "automatic": step.is_automatic,
        "obstacle": step.obstacle,
        "dry_run": step.dry_run,
        "digest": step.digest,
        "outcome": step.outcome,
        "before": step.before,
        "after": step.after,
        "undo": undo,
    }


def read_notes(text: str | None) -> dict[str, Any]:
    """A group's resolution notes as an object."""
    try:
        notes = json.loads(text or "{}")
    except ValueError:
        return {"note": text}
    return notes if isinstance(notes, dict) else {"note": text}
