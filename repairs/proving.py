"""Proves what a repair did: begins the proof of a step, carries it on while a group is watched, and settles it.

What counts as resolved is decided in probes/verdicts.py; a repair of the system as a whole: system_proof.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from error_groups import RESOLVED_STATES, change_group_state
from error_logger import error_logger
from extensions import db
from models import ErrorGroup, RepairPlan, RepairStep, RepairVerification
from probes import watching
from probes.base import TestResult
from probes.verdicts import FAILING, VERIFYING, Verdict
from receipts.actors import CLOCK, Actor
from receipts.ledger import add_receipt
from receipts.limits import FAILURES_BEFORE_A_PERSON, count_failed_verifications
from receipts.plans import get_plan, get_step, holding, list_baseline, list_steps
from repairs import find_repair
from repairs.base import Outcome, Repair
from repairs.carrying_out import carry_out, check, rows_of, situation_of
from repairs.system_proof import AskHealth, prove_system


def look_again(verification: RepairVerification, actor: Actor) -> list[TestResult]:
    """Looks at a watched group and settles it if the proof is complete or broken; commits."""
    group = db.session.get_one(ErrorGroup, verification.group_id)
    plan = get_plan(verification.plan_id)
    verdict, results = watching.look(verification, group, plan)
    db.session.refresh(verification, ["state"], with_for_update=True)
    if verification.state != "open":
        # The clock and a run may look at the same time: who settles first has settled.
        db.session.rollback()
        return results
    _settle(plan, group, verification, verdict, results, actor)
    return results


def carry_out_approved(step_id: int, actor: Actor, ask_health: AskHealth) -> None:
    """Runs a step that a person has approved, and proves it; commits."""
    step = get_step(step_id)
    plan, repair = get_plan(step.plan_id), repair_of(step)
    group = db.session.get(ErrorGroup, plan.group_id) if plan.group_id else None
    changed_at = datetime.now(UTC)
    result = carry_out(plan, step, repair, situation_of(group, plan.rule, plan.facts), actor, is_automatic=False)
    prove(plan, group, repair, result, changed_at, actor, ask_health)


def finish_lost(step: RepairStep, ask_health: AskHealth) -> None:
    """A step whose process ended under it, perhaps because it was to: looks whether it worked. Once, whoever asks."""
    with holding(step.id) as is_alone:
        db.session.refresh(step)
        if is_alone and step.state == "running":
            _finish(step, ask_health)


def _finish(step: RepairStep, ask_health: AskHealth) -> None:
    plan, repair = get_plan(step.plan_id), repair_of(step)
    group = db.session.get(ErrorGroup, plan.group_id) if plan.group_id else None
    situation = situation_of(group, plan.rule, plan.facts)
    outcome = Outcome(step.outcome or "The process that ran it ended.", step.before, step.after, step.undo)
    changed_at = step.started_at or datetime.now(UTC)
    result = check(plan, step, repair, situation, CLOCK, outcome)
    prove(plan, group, repair, result, changed_at, CLOCK, ask_health)


def prove_late(step: RepairStep, ask_health: AskHealth) -> None:
    """A step that was checked, and whose process ended before the proof began: begins it."""
    plan, repair = get_plan(step.plan_id), repair_of(step)
    group = db.session.get(ErrorGroup, plan.group_id) if plan.group_id else None
    seen = step.progress[-1]["text"] if step.progress else step.state
    result = TestResult("status", f"check {repair.id}", "it has worked", seen, step.state == "done", "post-check")
    prove(plan, group, repair, result, step.started_at or datetime.now(UTC), CLOCK, ask_health)


def note_returned() -> int:
    """Groups that were quiet and are not any more come back; how many. Commits."""
    query = select(ErrorGroup).join(RepairVerification, RepairVerification.group_id == ErrorGroup.id)
    query = query.where(
        ErrorGroup.state == "quiet_unverified",
        RepairVerification.state == "quiet_unverified",
        ErrorGroup.last_seen > RepairVerification.closed_at,
    )
    returned = set(db.session.scalars(query))
    for group in returned:
        group.state, group.alert_reason = "regressed", "regression"
    db.session.commit()
    return len(returned)


def repair_of(step: RepairStep) -> Repair:
    """The repair that a step names; raises LookupError when this release does not have it any more."""
    repair = find_repair(step.repair)
    if repair is None:
        raise LookupError(step.repair)
    return repair


def prove(
    plan: RepairPlan,
    group: ErrorGroup | None,
    repair: Repair,
    result: TestResult,
    changed_at: datetime,
    actor: Actor,
    ask_health: AskHealth,
) -> list[TestResult]:
    """After an action: watches the group, or hands it to a person when the repair only keeps the damage small."""
    if group is None:
        return prove_system(plan, repair, result, actor, ask_health).results
    if repair.only_contains and result.passed:
        group.state = "diagnosed" if repair.leaves_nothing else "needs_human"
        group.resolution_notes = _notes(plan, group.state, [f"{repair.title}: the damage is contained."], actor)
        plan.state, plan.finished_at = "done", datetime.now(UTC)
        db.session.commit()
        return []
    group.state = VERIFYING
    verification = watching.add_verification(group, plan, [result], changed_at)
    db.session.commit()
    return look_again(verification, actor)


def _settle(
    plan: RepairPlan,
    group: ErrorGroup,
    verification: RepairVerification,
    verdict: Verdict,
    results: Sequence[TestResult],
    actor: Actor,
) -> None:
    """Writes down what a look has shown; commits."""
    plan.tests = [*list_seen_live(group, plan), *rows_of(results)]
    watching.close(verification, verdict)
    db.session.flush()
    state = verdict.state
    if state == FAILING and count_failed_verifications(group) >= FAILURES_BEFORE_A_PERSON:
        state = "needs_human"
    notes = _notes(plan, state, verdict.reasons, actor)
    release = error_logger().release_name if state in RESOLVED_STATES else None
    change_group_state(group, state, notes=notes, release=release)
    if verdict.state != VERIFYING:
        plan.state = "done" if verdict.state != FAILING else "failed"
        plan.finished_at = datetime.now(UTC)
        add_receipt(
            "verification",
            actor,
            plan=plan,
            proof=plan.tests,
            note=f"{state}: {' '.join(verdict.reasons)}",
            after={"state": state},
        )
        if verdict.state == FAILING:
            group.alert_reason = "repair_failed"
    db.session.commit()


def list_seen_live(group: ErrorGroup, plan: RepairPlan) -> list[dict[str, Any]]:
    """What was tried while the error was live: of each probe the latest failure, else what this plan has seen."""
    failed = {row["key"]: row for row in list_baseline(group.id, group.resolved_at) if not row["passed"]}
    return [failed.get(row["key"], row) for row in plan.baseline]


def _notes(plan: RepairPlan, state: str, reasons: Sequence[str], actor: Actor) -> str:
    steps = list_steps(plan.id)
    return json.dumps(
        {
            "by": actor.name,
            "at": datetime.now(UTC).isoformat(),
            "state": state,
            "plan_id": plan.id,
            "rule": plan.rule,
            "cause": plan.diagnosis.get("cause"),
            "reasons": list(reasons),
            "actions": [f"{step.repair}: {step.outcome}" for step in steps if step.outcome],
            "evidence": plan.diagnosis.get("evidence", []),
        }
    )
