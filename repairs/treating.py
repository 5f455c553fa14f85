"""Treats one error group: diagnoses it, plans, acts as far as it may, and proves; answers with a report.

The repair service decides who may ask and when; carrying_out.py runs a step; probes/verdicts.py says what is resolved.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from diagnosis.base import Diagnosis, Surroundings
from diagnosis.deciding import diagnose
from diagnosis.gathering import signals_of_group
from error_groups import RESOLVED_STATES
from error_logger import error_logger
from extensions import db
from models import ErrorGroup, ErrorLog, RepairPlan
from probes import watching
from probes.base import TestResult
from probes.dependencies import find_dependencies, find_restart
from probes.verdicts import VERIFYING
from receipts.actors import Actor
from receipts.fix_steps import Option, list_fix_steps, word_by_model
from receipts.ledger import add_receipt
from receipts.limits import FAILURES_BEFORE_A_PERSON, count_failed_verifications, find_limit
from receipts.plans import (
    StepDraft,
    add_plan,
    find_open_verification,
    get_plan,
    list_baseline,
    list_steps,
)
from receipts.reports import GroupReport, action_row, read_notes
from repairs import find_repair
from repairs.base import Repair
from repairs.carrying_out import carry_out, draft_steps, facts_of, rows_of, situation_of
from repairs.proving import list_seen_live, look_again, prove
from repairs.rescue import Rescue
from repairs.system_proof import AskHealth, ask_nothing

log = logging.getLogger("lux.repairs")

MOST_GROUPS = 20
EXAMINED = ("open", "diagnosed", "regressed", "still_failing", "quiet_unverified", "needs_human", "verifying")


@dataclass(frozen=True)
class Run:
    """One run: who asks, how far it may go, and what was saved before the ledger could be read.

    `mode` is safe (acts) or diagnose (plans); `is_single`: somebody asked for this very error.
    """

    actor: Actor
    mode: str
    is_dry_run: bool
    is_single: bool
    surroundings: Surroundings
    repairs: Sequence[Repair] = ()
    rescued: Rescue | None = None
    ask_health: AskHealth = field(default=ask_nothing)


def list_unresolved() -> list[int]:
    """The groups that a run over everything examines, the latest seen first."""
    query = select(ErrorGroup.id).where(ErrorGroup.state.in_(EXAMINED), ErrorGroup.is_noise.is_(False))
    return list(
        db.session.scalars(query.order_by(ErrorGroup.last_seen.desc(), ErrorGroup.id.desc()).limit(MOST_GROUPS))
    )


def treat(run: Run, group: ErrorGroup, error_id: int | None) -> GroupReport:
    """Does for one group what the run allows; commits."""
    error_id = error_id or _latest_error(group.id)
    watched = find_open_verification(group.id)
    if watched is not None and not run.is_dry_run and run.rescued is None:
        results = look_again(watched, run.actor)
        if group.state == VERIFYING or group.state in RESOLVED_STATES:
            return _report(get_plan(watched.plan_id), group, error_id, results)
    signals = signals_of_group(group.id)
    diagnosis = diagnose(signals, run.surroundings)[0]
    fields = {signal.evidence_id: signal.fields for signal in signals}
    facts = facts_of(diagnosis, fields, group.place or "")
    situation = situation_of(group, diagnosis.rule, facts)
    try:
        drafts = draft_steps(diagnosis.repairs, situation, run.surroundings, run.repairs)
    except LookupError as error:
        return _refuse(run, group, error_id, diagnosis, str(error.args[0]))
    baseline = _probe_live(run, group, diagnosis, drafts)
    plan = add_plan(
        group=group,
        error_id=error_id,
        actor=run.actor,
        mode="dry_run" if run.is_dry_run else run.mode,
        diagnosis=diagnosis.as_row(),
        facts=facts,
        fix_steps=_fix_steps(run, group, diagnosis, drafts),
        baseline=rows_of(baseline),
        steps=drafts,
    )
    db.session.commit()
    if run.is_dry_run or group.state in RESOLVED_STATES:
        return _report(plan, group, error_id, baseline)
    return _act_and_prove(run, plan, group, error_id, diagnosis, baseline)


def _act_and_prove(
    run: Run,
    plan: RepairPlan,
    group: ErrorGroup,
    error_id: int | None,
    diagnosis: Diagnosis,
    baseline: list[TestResult],
) -> GroupReport:
    changed_at = datetime.now(UTC)
    is_rescued = run.rescued is not None and run.rescued.result is not None and _is_of_database(group)
    acted = _act(run, plan, group) if run.mode == "safe" and not is_rescued else None
    if acted is not None:
        results = prove(plan, group, acted[0], acted[1], changed_at, run.actor, run.ask_health)
        return _report(plan, group, error_id, [*baseline, acted[1], *results])
    cause = _what_changed_by_itself(run, group, baseline)
    if cause:
        verification = watching.add_verification(group, plan, cause, _since(run))
        # Probes roll the session back: what they look for must stand by then.
        db.session.commit()
        live = [TestResult.of_row(row) for row in list_seen_live(group, plan)]
        return _report(plan, group, error_id, [*live, *cause, *look_again(verification, run.actor)])
    waits = any(step.state in ("waiting", "planned") for step in list_steps(plan.id))
    known = diagnosis.is_known and waits
    group.state = "diagnosed" if known or diagnosis.rule == "nothing-wrong" else "needs_human"
    plan.state = "planned" if waits else "done"
    db.session.commit()
    return _report(plan, group, error_id, baseline)


def _act(run: Run, plan: RepairPlan, group: ErrorGroup) -> tuple[Repair, TestResult] | None:
    """Runs the first step that LUX may run by itself: one for each group and run."""
    failures = count_failed_verifications(group)
    for step in list_steps(plan.id):
        repair = find_repair(step.repair, run.repairs)
        if repair is None or step.tier != "A" or step.state != "planned":
            continue
        limit = find_limit(repair.id, repair.cooldown, repair.daily_limit, is_automatic=True, group_id=group.id)
        if failures >= FAILURES_BEFORE_A_PERSON:
            limit = f"It was repaired {failures} times and did not hold: now a person looks at it."
        if limit:
            step.obstacle = limit
            db.session.commit()
            continue
        situation = situation_of(group, plan.rule, plan.facts)
        return repair, carry_out(plan, step, repair, situation, run.actor, is_automatic=True)
    return None


def _what_changed_by_itself(run: Run, group: ErrorGroup, baseline: Sequence[TestResult]) -> list[TestResult]:
    """What may have addressed the cause without a repair: a new release, a rescue, a dependency that works again."""
    found = []
    if run.rescued is not None and run.rescued.result is not None and _is_of_database(group):
        found.append(run.rescued.result)
    is_of_server = "database" in find_dependencies(group.error_type, "")
    restarted = find_restart(group.first_seen) if is_of_server else None
    found += [restarted] if restarted is not None else []
    current = error_logger().release_name
    if group.last_release and group.last_release != current:
        seen = f"the last error came of {group.last_release}, this is {current}"
        found.append(TestResult("configuration", "compare releases", "another than the failing one", seen, True))
    failed = {row["key"] for row in list_baseline(group.id, group.resolved_at) if not row["passed"]}
    again = [result for result in baseline if result.passed and result.key in failed]
    found += [
        TestResult(result.kind, result.tried, "it works again", f"it failed before, now {result.seen}", True)
        for result in again
        if result.key.startswith(("dependency:", "loopback:"))
    ]
    return found


def _since(run: Run) -> datetime:
    """From when on nothing new may come: what came before the change was its consequence."""
    if run.rescued is not None:
        return run.rescued.changed_at
    return datetime.now(UTC)


def _probe_live(run: Run, group: ErrorGroup, diagnosis: Diagnosis, drafts: Sequence[StepDraft]) -> list[TestResult]:
    """The probes before the change; after a rescue, those that the rescue made."""
    if run.rescued is not None and _is_of_database(group):
        return list(run.rescued.baseline_of(group.place))
    further = [
        key
        for draft in drafts
        for repair in [find_repair(draft.repair, run.repairs)]
        if repair
        for key in repair.dependencies
    ]
    return watching.probe_live(group, diagnosis.rule, further)


def _is_of_database(group: ErrorGroup) -> bool:
    return bool({"database", "schema"} & set(find_dependencies(group.error_type, "")))


def _refuse(run: Run, group: ErrorGroup, error_id: int | None, diagnosis: Diagnosis, unknown: str) -> GroupReport:
    """A plan that names a repair that nobody knows is refused as a whole."""
    plan = add_plan(
        group=group,
        error_id=error_id,
        actor=run.actor,
        mode=run.mode,
        diagnosis=diagnosis.as_row(),
        facts={},
        fix_steps=[*diagnosis.advice],
        baseline=[],
        steps=[],
        state="refused",
    )
    plan.note = f"The plan names {unknown!r}, which is no repair of LUX: nothing of it is carried out."
    add_receipt("refusal", run.actor, plan=plan, note=plan.note)
    if not run.is_dry_run and group.state not in RESOLVED_STATES:
        group.state = "needs_human"
    db.session.commit()
    return _report(plan, group, error_id, [])


def _fix_steps(run: Run, group: ErrorGroup, diagnosis: Diagnosis, drafts: Sequence[StepDraft]) -> list[str]:
    options = []
    for draft in drafts:
        repair = find_repair(draft.repair, run.repairs)
        options.append(Option(draft.repair, repair.title if repair else draft.repair, draft.tier, draft.obstacle))
    steps = list_fix_steps(diagnosis.cause, diagnosis.advice, diagnosis.trap, options)
    # A model that is at fault itself is not asked how to word it.
    is_worded = run.is_single and not diagnosis.rule.startswith("model-")
    return word_by_model(diagnosis.rule, steps, group.error_type) if is_worded else steps


def _report(plan: RepairPlan, group: ErrorGroup, error_id: int | None, results: Sequence[TestResult]) -> GroupReport:
    db.session.refresh(group)
    actions: list[dict[str, Any]] = []
    for step in list_steps(plan.id):
        repair = find_repair(step.repair)
        title, undo = (repair.title, repair.undo_words) if repair else (step.repair, "")
        actions.append(action_row(plan, step, title, undo))
    return GroupReport(
        error_id,
        group.id,
        plan.diagnosis,
        list(plan.fix_steps),
        actions,
        rows_of(results),
        group.state in RESOLVED_STATES,
        group.state,
        read_notes(group.resolution_notes) | ({"note": plan.note} if plan.note else {}),
    )


def _latest_error(group_id: int) -> int | None:
    return db.session.scalars(
        select(ErrorLog.id).where(ErrorLog.group_id == group_id).order_by(ErrorLog.id.desc()).limit(1)
    ).first()
