"""A run's draft: its versions, what the checks say of each, and the difference between two."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import select

from agents import get_agent
from agents.base import Agent, Check, Context, Task
from agents.complaints import path_of, sentence_of
from agents.parts.checks import THIN_COVERAGE
from agents.parts.documents import list_lines
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from lib.line_differences import DiffLine, compare_lines
from models import AgentRun, AgentRunVersion

PLAYBOOK_NOTE = "Drafted from a playbook"
SHARED_VERSION_MINUTES = 10


def task_of(run: AgentRun) -> tuple[Agent, Task[Any, Any]]:
    """The agent and the task that a run is of. Raises NotFound when this LUX has no such task any more."""
    agent = get_agent(run.agent)
    task = agent.find_task(run.task)
    if task is None:
        raise NotFound("This agent has no such task.")
    return agent, task


def make_envelope(
    task: Task[Any, Any], brief: BaseModel, context: Context, result: BaseModel, *, drafted_by: str, notice: str = ""
) -> dict[str, Any]:
    """What stands around a result: summary, checks, confidence, assumptions, and how it came about."""
    checks = task.check(brief, context, result)
    failed = any(check.verdict == "fail" for check in checks)
    proposed = [] if failed else task.propose(brief, context, result)
    return {
        "summary": task.summarise(result),
        "confidence": measure_confidence(context, checks),
        "assumptions": task.assume(brief, context),
        "checks": [check.__dict__ for check in checks],
        "flags": list_flags(context, checks, drafted_by),
        "proposed": [one.__dict__ for one in proposed],
        "drafted_by": drafted_by,
        "notice": notice,
    }


def list_flags(context: Context, checks: list[Check], drafted_by: str) -> list[str]:
    """What a reader should know before the first line: by playbook, on thin data, with a failed check, an order."""
    flags = ["playbook"] if drafted_by == "playbook" else []
    flags += ["thin_data"] if context.coverage < THIN_COVERAGE else []
    flags += ["needs_change"] if any(check.verdict == "fail" for check in checks) else []
    return flags + [check.key for check in checks if check.key == "orders" and check.verdict == "warn"]


def measure_confidence(context: Context, checks: list[Check]) -> int:
    """Percent, from how much data there was to read and how the checks went; never from the model's own opinion."""
    lost = sum({"fail": 1.0, "warn": 0.4}.get(check.verdict, 0.0) for check in checks)
    quality = max(0.0, 1.0 - 2 * lost / max(1, len(checks)))
    failed = any(check.verdict == "fail" for check in checks)
    percent = round(100 * (0.45 * context.coverage + 0.55 * quality))
    return min(percent, 40) if failed else percent


def list_failures(run: AgentRun) -> list[str]:
    """What keeps the current version from being proposed, one sentence each."""
    checks = (run.result or {}).get("checks", [])
    return [f"{check['label']}: {check['detail']}" for check in checks if check["verdict"] == "fail"]


def list_versions(run_id: int) -> list[AgentRunVersion]:
    """A run's versions, the newest first."""
    statement = select(AgentRunVersion).where(AgentRunVersion.run_id == run_id)
    return list(db.session.scalars(statement.order_by(AgentRunVersion.number.desc())))


def get_version(run_id: int, number: int) -> AgentRunVersion:
    """One version; raises NotFound."""
    version = db.session.get(AgentRunVersion, (run_id, number))
    if version is None:
        raise NotFound("There is no such version.")
    return version


def get_result(run: AgentRun, version: AgentRunVersion) -> Any:
    """A version's body as typed values. Raises NotFound when this LUX cannot read it any more."""
    _, task = task_of(run)
    try:
        return task.result.model_validate(version.body)
    except ValidationError as error:
        raise NotFound("This version was written by another LUX and cannot be read.") from error


def change_draft(
    run_id: int, body: Mapping[str, Any], *, made_by: str, note: str = "", is_autosave: bool = False
) -> AgentRunVersion | None:
    """Saves a person's edit as a version, with fresh checks; commits. None: nothing was different.

    Autosaves of one person in a row share a version for some minutes.

    Raises InputInvalid by field, Conflict while the run goes on, NotFound.
    """
    run = db.session.get(AgentRun, run_id, with_for_update=True, populate_existing=True)
    if run is None or run.version == 0:
        raise NotFound("There is no draft to change.")
    if run.state in ("waiting", "running"):
        raise Conflict("The agent is still writing. Wait for it, or stop it first.")
    _, task = task_of(run)
    try:
        result = task.result.model_validate(dict(body))
    except ValidationError as error:
        raise InputInvalid({path_of(one["loc"]): sentence_of(one) for one in error.errors()}) from error
    if result.model_dump(mode="json") == get_version(run_id, run.version).body:
        db.session.rollback()
        return None
    brief = task.brief.model_validate(run.brief)
    before = run.result or {}
    context = task.read(brief)
    # The figures may have moved since: the evidence stands beside the checks that were made with it.
    run.evidence = [one.as_row() for one in context.evidence]
    run.result = make_envelope(
        task,
        brief,
        context,
        result,
        drafted_by=str(before.get("drafted_by", "model")),
        notice=str(before.get("notice", "")),
    )
    newest = get_version(run_id, run.version)
    if is_autosave and newest.made_by == made_by and not newest.note and _is_recent(newest):
        newest.body = result.model_dump(mode="json")
        version = newest
    else:
        version = add_version(run, result, made_by=made_by, note=note)
    db.session.commit()
    return version


def _is_recent(version: AgentRunVersion) -> bool:
    return datetime.now(UTC) - version.created_at < timedelta(minutes=SHARED_VERSION_MINUTES)


def restore_version(run_id: int, number: int, *, made_by: str) -> AgentRunVersion | None:
    """Makes an older version the current one, as a version of its own; commits. Raises NotFound, Conflict."""
    body = get_version(run_id, number).body
    return change_draft(run_id, body, made_by=made_by, note=f"Version {number} restored")


def add_version(run: AgentRun, result: BaseModel, *, made_by: str, note: str = "") -> AgentRunVersion:
    """Adds the next version, in the caller's transaction."""
    newest = db.session.scalar(
        select(AgentRunVersion.number)
        .where(AgentRunVersion.run_id == run.id)
        .order_by(AgentRunVersion.number.desc())
        .limit(1)
    )
    run.version = (newest or 0) + 1
    version = AgentRunVersion(
        run_id=run.id, number=run.version, body=result.model_dump(mode="json"), made_by=made_by, note=note
    )
    db.session.add(version)
    return version


def list_differences(run: AgentRun, older: AgentRunVersion, newer: AgentRunVersion) -> list[DiffLine]:
    """The difference of two versions, line by line, as a person reads them."""
    _, task = task_of(run)
    before, after = list_lines(task, get_result(run, older)), list_lines(task, get_result(run, newer))
    return compare_lines(before, after)
