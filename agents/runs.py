"""The life of a run as people see it: started, followed event by event, stopped, tried again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from sqlalchemy import select

import ai
from agents.base import Agent, Task
from agents.complaints import path_of, sentence_of
from agents.drafts import task_of
from config import current_settings
from errors import Conflict, InputInvalid, NotFound
from extensions import db, defer
from lib.strict_schema import make_strict_schema
from models import AgentRun, AgentRunEvent
from news import note_news

Way = Literal["model", "continue", "playbook"]
ENDED = ("done", "failed", "stopped")
MOST_EVENTS = 500


def run_topic(run_id: int) -> str:
    """What who follows a run waits for news of."""
    return f"run {run_id}"


def read_brief(task: Task[Any, Any], form: Mapping[str, Any]) -> BaseModel:
    """A form as the task's brief. Raises InputInvalid, one sentence for each field."""
    try:
        brief: BaseModel = task.brief.model_validate(
            {name: form[name] for name in task.brief.model_fields if name in form}
        )
    except ValidationError as error:
        wrong = {path_of(one["loc"]): sentence_of(one) for one in reversed(error.errors())}
        raise InputInvalid(wrong) from error
    return brief


def start_run(
    agent: Agent,
    task: Task[Any, Any],
    brief: BaseModel,
    *,
    user_id: int | None,
    way: Way = "model",
    schedule_id: int | None = None,
) -> AgentRun:
    """Puts a run on the queue; commits."""
    run = AgentRun(
        agent=agent.key,
        task=task.key,
        brief=brief.model_dump(mode="json"),
        user_id=user_id,
        way=way,
        schedule_id=schedule_id,
    )
    db.session.add(run)
    db.session.flush()
    defer(db.session, "run_agent", lock=f"agent-run-{run.id}", run_id=run.id)
    db.session.commit()
    return run


def get_run(run_id: int, agent_key: str | None = None) -> AgentRun:
    """The run; raises NotFound, also when it is another agent's."""
    run = db.session.get(AgentRun, run_id)
    if run is None or (agent_key is not None and run.agent != agent_key):
        raise NotFound("There is no such run.")
    return run


def list_runs(agent_key: str, most: int = 10) -> list[AgentRun]:
    """An agent's newest runs."""
    statement = select(AgentRun).where(AgentRun.agent == agent_key).order_by(AgentRun.id.desc()).limit(most)
    return list(db.session.scalars(statement))


def stop_run(run_id: int) -> AgentRun:
    """Asks a run to stop; one that has not begun stops at once; commits. Raises NotFound."""
    run = db.session.get(AgentRun, run_id, with_for_update=True, populate_existing=True)
    if run is None:
        raise NotFound("There is no such run.")
    if run.state == "waiting":
        run.state = "stopped"
    elif run.state == "running":
        run.is_stop_wanted = True
    note_news(db.session, run_topic(run_id))
    db.session.commit()
    return run


def retry_run(run_id: int, way: Way) -> AgentRun:
    """Tries an ended run again with its own brief; its versions and its partial text stay; commits.

    `way`: "model" from the start, "continue" from the partial text, "playbook" without a model. Raises Conflict while
    the run goes on, NotFound.
    """
    run = db.session.get(AgentRun, run_id, with_for_update=True, populate_existing=True)
    if run is None:
        raise NotFound("There is no such run.")
    if run.state not in ENDED:
        raise Conflict("This run is still going on.")
    run.state, run.way, run.error, run.is_stop_wanted, run.finished_at = "waiting", way, None, False, None
    defer(db.session, "run_agent", lock=f"agent-run-{run.id}", run_id=run.id)
    db.session.commit()
    return run


def find_state(run_id: int) -> str:
    """Where a run is; "" when there is none."""
    return db.session.scalar(select(AgentRun.state).where(AgentRun.id == run_id)) or ""


def list_events(run_id: int, after: int = 0) -> list[AgentRunEvent]:
    """A run's events after a number, in order."""
    statement = select(AgentRunEvent).where(AgentRunEvent.run_id == run_id, AgentRunEvent.number > after)
    return list(db.session.scalars(statement.order_by(AgentRunEvent.number).limit(MOST_EVENTS)))


def read_stream(run_id: int) -> tuple[str, list[str], int]:
    """What the run's newest attempt has shown so far: its text, its steps, and the number of the last event."""
    text, steps, number, after = "", list[str](), 0, 0
    while events := list_events(run_id, after):
        for event in events:
            number = event.number
            if event.kind == "begin":
                text, steps = "", []
            elif event.kind == "step":
                steps.append(str(event.detail["text"]))
            elif event.kind == "text":
                text = str(event.detail["set"]) if "set" in event.detail else text + str(event.detail["add"])
        after = number
    return text, steps, number


def make_question(run: AgentRun, system: str, user: str, task: Task[Any, Any]) -> ai.Question:
    """The question that a run puts to the model."""
    settings = current_settings()
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return ai.Question(
        purpose=f"{run.agent}.{run.task}",
        messages=messages,
        schema=make_strict_schema(task.answer),
        schema_name=f"{run.agent}_{run.task}",
        longest_answer_tokens=task.longest_answer_tokens,
        run_id=run.id,
        run_cap_usd=settings.ai_run_budget_usd,
        area_cap_usd=settings.ai_agent_budget_usd,
    )


def estimate_run_cost(agent: Agent, task: Task[Any, Any]) -> float:
    """The most that one run can cost in US dollars, without its one repair: a usual brief, the longest answer."""
    sample = AgentRun(id=0, agent=agent.key, task=task.key, brief={})
    usual_context = "x" * 6000
    return ai.estimate_cost_usd(make_question(sample, usual_context, usual_context, task))


def describe_brief(run: AgentRun) -> dict[str, Any]:
    """A run's brief as its form's values; empty when this LUX cannot read it any more."""
    _, task = task_of(run)
    try:
        return dict(task.brief.model_validate(run.brief).model_dump(mode="json"))
    except ValidationError:
        return {}
