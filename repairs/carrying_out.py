"""Carries one step of a plan out, checks it, undoes it; each deed leaves its receipt in the same transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from config import current_settings
from diagnosis.base import Diagnosis, RepairOption, Surroundings
from error_logger import error_logger
from errors import Conflict
from extensions import db
from models import ErrorGroup, RepairPlan, RepairStep
from probes.base import TestResult
from receipts.actors import Actor
from receipts.ledger import add_receipt
from receipts.plans import StepDraft, holding, note_progress
from repairs import find_repair
from repairs.base import Outcome, Repair, RepairFailed, Situation, digest_of

log = logging.getLogger("lux.repairs")


def situation_of(group: ErrorGroup | None, rule: str, facts: Mapping[str, str]) -> Situation:
    """What a repair is told about a group's fault."""
    return Situation(
        settings=current_settings(),
        group_id=group.id if group else None,
        place=(group.place or "") if group else "",
        error_type=group.error_type if group else "",
        rule=rule,
        facts=dict(facts),
        release=error_logger().release_name,
    )


def draft_steps(
    options: Sequence[RepairOption], situation: Situation, surroundings: Surroundings, repairs: Sequence[Repair] = ()
) -> list[StepDraft]:
    """Each repair that a diagnosis names, with what it would do here. Raises LookupError for one that nobody knows."""
    drafts = []
    for option in options:
        repair = find_repair(option.id, repairs)
        if repair is None:
            raise LookupError(option.id)
        tier = max(option.tier, repair.tier_in(surroundings), key="APH".index)
        drafts.append(draft_step(repair, tier, situation))
    return drafts


def draft_step(repair: Repair, tier: str, situation: Situation) -> StepDraft:
    """One repair as a step: blocked by an obstacle, or with the text of its dry run."""
    try:
        obstacle = repair.find_obstacle(situation)
        if obstacle is not None or tier == "H":
            return StepDraft(repair.id, tier, "blocked", obstacle or "Advice for a person.")
        text = repair.say_dry_run(situation)
    except Exception as error:  # a dry run that breaks is an obstacle, and never more
        db.session.rollback()
        log.warning("The dry run of %s failed: %s", repair.id, type(error).__name__)
        return StepDraft(repair.id, tier, "blocked", f"Its dry run failed: {_words(error)}")
    return StepDraft(repair.id, tier, "waiting" if tier == "P" else "planned", None, text, digest_of(text))


def carry_out(
    plan: RepairPlan, step: RepairStep, repair: Repair, situation: Situation, actor: Actor, *, is_automatic: bool
) -> TestResult:
    """Runs the step and its post-check; commits each stage. What fails is a result, not an error."""
    step.state, step.started_at, step.is_automatic = "running", datetime.now(UTC), is_automatic
    group = db.session.get(ErrorGroup, plan.group_id) if plan.group_id else None
    if group is not None:
        group.state = "repairing"
    plan.state = "running"
    note_progress(step, f"{repair.title} begins.", "running")
    with holding(step.id):
        return _run_and_check(plan, step, repair, situation, actor, is_automatic=is_automatic)


def _run_and_check(
    plan: RepairPlan, step: RepairStep, repair: Repair, situation: Situation, actor: Actor, *, is_automatic: bool
) -> TestResult:
    try:
        outcome = repair.run(situation)
        db.session.commit()
    except Exception as error:
        db.session.rollback()
        _log_failure(repair, error)
        return _fail(plan, step, repair, actor, _words(error), is_automatic=is_automatic)
    step.outcome, step.before, step.after = outcome.text, dict(outcome.before), dict(outcome.after)
    step.undo = dict(outcome.undo) if outcome.undo is not None else None
    note_progress(step, outcome.text)
    return check(plan, step, repair, situation, actor, outcome)


def check(
    plan: RepairPlan, step: RepairStep, repair: Repair, situation: Situation, actor: Actor, outcome: Outcome
) -> TestResult:
    """Looks whether the step did what it was to do, and writes the receipt; commits."""
    try:
        result = repair.post_check(situation, outcome)
    except Exception as error:
        db.session.rollback()
        _log_failure(repair, error)
        result = TestResult("status", f"check {repair.id}", "it can be checked", _words(error), False, "post-check")
    db.session.rollback()
    step.state = "done" if result.passed else "failed"
    step.finished_at = datetime.now(UTC)
    add_receipt(
        "action" if result.passed else "failure",
        actor,
        plan=plan,
        step=step,
        proof=[result.as_row()],
        undo=repair.undo_words,
        note=outcome.text,
        before=outcome.before,
        after=outcome.after,
        is_automatic=step.is_automatic,
    )
    passed = "passed" if result.passed else "did not pass"
    note_progress(step, f"The post-check {passed}: {result.seen}.", "success" if result.passed else "danger")
    return result


def undo_step(plan: RepairPlan, step: RepairStep, repair: Repair, situation: Situation, actor: Actor) -> str:
    """Puts back what a step changed; commits. Raises Conflict."""
    if step.state not in ("done", "failed") or step.undo is None or not repair.can_be_undone:
        raise Conflict(f"{repair.title}: {repair.undo_words}.")
    try:
        words = repair.undo(situation, step.undo)
    except RepairFailed as error:
        db.session.rollback()
        raise Conflict(str(error)) from error
    step.state, step.undone_at = "undone", datetime.now(UTC)
    add_receipt("undo", actor, plan=plan, step=step, note=words, before=step.after, after=step.before)
    note_progress(step, f"Undone: {words}", "info")
    return words


def facts_of(diagnosis: Diagnosis, fields: Mapping[str, Mapping[str, str]], place: str) -> dict[str, str]:
    """Facts out of the evidence that a diagnosis names, for repairs to check; and the task that the place names."""
    facts: dict[str, str] = {}
    for evidence_id in diagnosis.evidence:
        facts |= {key: str(value)[:200] for key, value in fields.get(evidence_id, {}).items()}
    kind, _, name = place.partition(" ")
    if kind in ("task", "job"):
        facts[kind] = name
    return facts


def _fail(
    plan: RepairPlan, step: RepairStep, repair: Repair, actor: Actor, words: str, *, is_automatic: bool
) -> TestResult:
    step.state, step.finished_at, step.outcome = "failed", datetime.now(UTC), words
    result = TestResult("status", f"run {repair.id}", "it is carried out", words, False, "run")
    add_receipt("failure", actor, plan=plan, step=step, proof=[result.as_row()], note=words, is_automatic=is_automatic)
    note_progress(step, f"It failed, and changed nothing: {words}", "danger")
    return result


def _log_failure(repair: Repair, error: Exception) -> None:
    """A repair that says why is expected to; anything else is a fault of LUX."""
    if isinstance(error, RepairFailed):
        log.warning("%s could not be carried out: %s", repair.id, error)
    else:
        log.exception("%s broke.", repair.id, extra={"place": f"repair {repair.id}"})


def _words(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0][:300]
    return text if isinstance(error, RepairFailed) else f"{type(error).__name__}: {text}"


def rows_of(results: Sequence[TestResult]) -> list[dict[str, Any]]:
    """Test results as they are kept and answered."""
    return [result.as_row() for result in results]
