"""Adds tasks for people, several at once; undone, those that nobody has touched go again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from agents.actions.base import Action, Outcome, Payload
from errors import InputInvalid
from models import Proposal
from planning.tasks import TaskDraft, check_draft, put_tasks, today, withdraw_tasks

MOST_TASKS = 20


class ProposedTask(Payload):
    """One thing to do. `due_in_days` counts from the day of the approval."""

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=160)]
    detail: Annotated[str, StringConstraints(max_length=4000)] = ""
    due_in_days: Annotated[int, Field(ge=0, le=730)] | None = None
    contact_id: int | None = None
    campaign_id: int | None = None
    link: Annotated[str, StringConstraints(max_length=300)] = ""


class AddTasks(Payload):
    """What is to be done."""

    tasks: Annotated[list[ProposedTask], Field(min_length=1, max_length=MOST_TASKS)]
    made_by: Annotated[str, StringConstraints(max_length=80)] = "An agent"


def _draft(task: ProposedTask, *, run_id: int | None = None, assignee_id: int | None = None) -> TaskDraft:
    return TaskDraft(
        title=task.title,
        detail=task.detail,
        due_on=None if task.due_in_days is None else today() + timedelta(days=task.due_in_days),
        assignee_id=assignee_id,
        contact_id=task.contact_id,
        campaign_id=task.campaign_id,
        run_id=run_id,
        link=task.link,
    )


def _check(payload: AddTasks) -> None:
    for number, task in enumerate(payload.tasks):
        try:
            check_draft(_draft(task))
        except InputInvalid as error:
            raise InputInvalid({f"tasks.{number}.{name}": said for name, said in error.fields.items()}) from error


def _describe(payload: AddTasks) -> str:
    titles = "; ".join(f"“{task.title}”" for task in payload.tasks[:4])
    more = f" and {len(payload.tasks) - 4} more" if len(payload.tasks) > 4 else ""
    return f"Adds to the Tasks page, for whoever approves: {titles}{more}. Nobody is written to by it."


def _carry_out(payload: AddTasks, proposal: Proposal, user_id: int | None) -> Outcome:
    drafts = [_draft(task, run_id=proposal.run_id, assignee_id=user_id) for task in payload.tasks]
    return {"task_ids": [task.id for task in put_tasks(drafts, made_by=payload.made_by)]}


def _undo(outcome: Mapping[str, Any]) -> None:
    withdraw_tasks(int(one) for one in outcome["task_ids"])


ACTION: Action[AddTasks] = Action(
    key="add_tasks",
    label="Add tasks",
    accept="Add these tasks",
    payload=AddTasks,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. The tasks are gone.",
    find_address=lambda _outcome: "/tasks/",
    done="They are on the Tasks page.",
)
