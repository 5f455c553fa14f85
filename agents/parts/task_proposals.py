"""Proposals of tasks for people, out of what a run has found or planned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.base import ProposedAction
from agents.parts.result_parts import Finding

MOST_TASKS = 12
TITLE_LENGTH = 160
USUAL_DAYS = 7


def make_task_entry(
    title: str, detail: str, *, due_in_days: int | None = None, contact_id: int | None = None, link: str = ""
) -> dict[str, Any]:
    """One task as the action `add_tasks` takes it."""
    entry: dict[str, Any] = {"title": title[:TITLE_LENGTH].strip(), "detail": detail, "due_in_days": due_in_days}
    return entry | ({"contact_id": contact_id} if contact_id is not None else {}) | ({"link": link} if link else {})


def propose_tasks(made_by: str, tasks: Sequence[dict[str, Any]], reason: str) -> list[ProposedAction]:
    """One proposal that adds all the tasks, or none for none."""
    if not tasks:
        return []
    kept = list(tasks)[:MOST_TASKS]
    title = f"Add {len(kept)} tasks" if len(kept) > 1 else f"Add the task “{kept[0]['title']}”"[:120]
    effect = "They stand on the Tasks page with their day, for whoever approves them. Nothing is sent by it."
    return [ProposedAction("add_tasks", title, {"tasks": kept, "made_by": made_by}, reason, effect, "tasks")]


def propose_findings(made_by: str, findings: Sequence[Finding], link: str) -> list[ProposedAction]:
    """A task for each thing that was found, with what to do about it."""
    tasks = [
        make_task_entry(finding.title, f"{finding.what}\n\n{finding.do}", due_in_days=USUAL_DAYS, link=link)
        for finding in findings
    ]
    return propose_tasks(made_by, tasks, "Each finding needs somebody who sees to it.")
