"""Plans and their steps: made from a diagnosis, approved by the hash of a text, carried out by the repair service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import delete, func, select, text

from errors import Conflict, NotFound
from extensions import db
from lib.digests import is_same
from models import ErrorGroup, RepairPlan, RepairStep, RepairVerification
from receipts.actors import Actor

APPROVAL_HOLDS = timedelta(minutes=15)
# How far back what was probed while an error was live still tells something about it.
BASELINE_HOLDS = timedelta(hours=24)
KEPT = timedelta(days=90)
SHOWN = ("planned", "waiting", "running", "done", "failed")
SYSTEM_PLAN_HOLDS = timedelta(hours=24)
LOST_AFTER = timedelta(seconds=10)
# Held for as long as a step runs, by a session that dies with its process; the second number is the step's id.
STEP_LOCK = 0x4C5552


@dataclass(frozen=True)
class StepDraft:
    """A step as the service has thought it out."""

    repair: str
    tier: str
    state: str
    obstacle: str | None = None
    dry_run: str | None = None
    digest: str | None = None


def add_plan(
    *,
    group: ErrorGroup | None,
    error_id: int | None,
    actor: Actor,
    mode: str,
    diagnosis: Mapping[str, Any],
    facts: Mapping[str, str],
    fix_steps: Sequence[str],
    baseline: Sequence[Mapping[str, Any]],
    steps: Sequence[StepDraft],
    state: str = "planned",
) -> RepairPlan:
    """Adds a plan with its steps; the caller commits."""
    plan = RepairPlan(
        group_id=group.id if group else None,
        error_id=error_id,
        origin=actor.origin,
        mode=mode,
        state=state,
        actor=actor.name,
        user_id=actor.user_id,
        rule=str(diagnosis["rule"]),
        diagnosis=dict(diagnosis),
        facts=dict(facts),
        fix_steps=list(fix_steps),
        baseline=[dict(row) for row in baseline],
    )
    db.session.add(plan)
    db.session.flush()
    now = datetime.now(UTC)
    for position, step in enumerate(steps, 1):
        db.session.add(
            RepairStep(
                plan_id=plan.id,
                position=position,
                repair=step.repair,
                tier=step.tier,
                state=step.state,
                obstacle=step.obstacle,
                dry_run=step.dry_run,
                digest=step.digest,
                dry_run_at=now if step.dry_run else None,
            )
        )
    db.session.flush()
    return plan


def get_plan(plan_id: int) -> RepairPlan:
    """The plan; raises NotFound."""
    plan = db.session.get(RepairPlan, plan_id, populate_existing=True)
    if plan is None:
        raise NotFound("There is no such repair plan.")
    return plan


def get_step(step_id: int) -> RepairStep:
    """The step; raises NotFound."""
    step = db.session.get(RepairStep, step_id, populate_existing=True)
    if step is None:
        raise NotFound("There is no such step.")
    return step


def list_steps(plan_id: int) -> list[RepairStep]:
    """A plan's steps in order."""
    query = select(RepairStep).where(RepairStep.plan_id == plan_id).order_by(RepairStep.position)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def list_plans(group_id: int, limit: int = 10) -> list[RepairPlan]:
    """A group's plans, the newest first."""
    query = select(RepairPlan).where(RepairPlan.group_id == group_id).order_by(RepairPlan.id.desc()).limit(limit)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def list_system_plans() -> list[RepairPlan]:
    """The newest plan of each rule for the system as a whole, of the last day, with a step to act on or look at."""
    recent = datetime.now(UTC) - SYSTEM_PLAN_HOLDS
    newest = select(func.max(RepairPlan.id)).where(RepairPlan.group_id.is_(None), RepairPlan.created_at > recent)
    acted_on = select(RepairStep.plan_id).where(RepairStep.state.in_(SHOWN))
    query = select(RepairPlan).where(RepairPlan.id.in_(newest.group_by(RepairPlan.rule)), RepairPlan.id.in_(acted_on))
    return list(db.session.scalars(query.order_by(RepairPlan.id.desc())))


def find_step_by_digest(plan_id: int, digest: str) -> RepairStep | None:
    """The step of a plan whose dry run has that hash."""
    return next((step for step in list_steps(plan_id) if step.digest and is_same(digest, step.digest)), None)


def expect_approvable(step: RepairStep, digest: str, digest_now: str) -> None:
    """Raises Conflict unless the step waits, its dry run is fresh, and it would still say the very same."""
    if step.state not in ("waiting", "planned", "blocked"):
        raise Conflict(f"This step is {step.state}; only one that waits can be approved.")
    if step.dry_run_at is None or step.digest is None:
        raise Conflict("There is no dry run to approve yet.")
    if datetime.now(UTC) - step.dry_run_at > APPROVAL_HOLDS:
        raise Conflict("This dry run is older than 15 minutes. Make a new one and look at it again.")
    if not is_same(digest, step.digest):
        raise Conflict("This approval is for another dry run. Look at the one of now.")
    if not is_same(digest_now, step.digest):
        raise Conflict("What the repair would do has changed since this dry run. Make a new one and look at it again.")


def note_progress(step: RepairStep, text: str, kind: str = "info") -> None:
    """Adds a line to the step's story, for whoever watches it; commits."""
    step.progress = [*step.progress, {"at": datetime.now(UTC).isoformat(), "kind": kind, "text": text}]
    db.session.commit()


def list_baseline(group_id: int, since: datetime | None) -> list[dict[str, Any]]:
    """What plans of this group probed while the error was live, lately and since it was last settled."""
    least = datetime.now(UTC) - BASELINE_HOLDS
    query = select(RepairPlan.baseline).where(RepairPlan.group_id == group_id)
    query = query.where(RepairPlan.created_at > max(least, since or least)).order_by(RepairPlan.id)
    return [row for rows in db.session.scalars(query) for row in rows]


def find_open_verification(group_id: int) -> RepairVerification | None:
    """The verification that watches a group now."""
    query = select(RepairVerification).where(
        RepairVerification.group_id == group_id, RepairVerification.state == "open"
    )
    return db.session.scalars(query).first()


def list_open_verifications(limit: int = 50) -> list[RepairVerification]:
    """All that are being watched, the oldest first."""
    query = select(RepairVerification).where(RepairVerification.state == "open")
    return list(db.session.scalars(query.order_by(RepairVerification.id).limit(limit)))


def forget_old_plans() -> int:
    """Deletes plans older than 90 days with their steps; receipts stay. How many; commits. For the clock."""
    old = delete(RepairPlan).where(RepairPlan.created_at < datetime.now(UTC) - KEPT)
    count = db.session.execute(old.returning(RepairPlan.id)).all()
    db.session.commit()
    return len(count)


@contextmanager
def holding(step_id: int) -> Iterator[bool]:
    """Shows that this process is at work on the step; whether no other one is.

    Without a connection for that it goes on all the same.
    """
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    is_alone = True
    with ExitStack() as stack:
        with suppress(psycopg.Error):
            session = psycopg.connect(url, autocommit=True, connect_timeout=3, application_name="lux repair step")
            stack.callback(session.close)
            row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", (STEP_LOCK, step_id % 2**31)).fetchone()
            is_alone = row is None or bool(row[0])
        yield is_alone


def list_lost_steps() -> list[RepairStep]:
    """Steps whose process ended under them, such as the one that a restart restarted."""
    held = text(
        "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = CAST(:lock AS oid) AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    at_work = set(db.session.scalars(held, {"lock": STEP_LOCK}))
    query = select(RepairStep).where(RepairStep.state == "running")
    steps = db.session.scalars(query.where(RepairStep.started_at < datetime.now(UTC) - LOST_AFTER))
    return [step for step in steps if step.id % 2**31 not in at_work]


def list_unproved_steps() -> list[RepairStep]:
    """Steps that were carried out and checked, and then their process ended before the proof had begun."""
    watched = select(RepairVerification.plan_id)
    query = select(RepairStep).join(RepairPlan, RepairPlan.id == RepairStep.plan_id)
    query = query.where(RepairPlan.state == "running", RepairPlan.id.not_in(watched))
    query = query.where(RepairStep.state.in_(("done", "failed")))
    return list(db.session.scalars(query.where(RepairStep.finished_at < datetime.now(UTC) - LOST_AFTER)))
