"""Treats what no error group stands for: what the health checks say about the system as a whole.

Only what something can be done about is reported: a repair of tier A is carried out, one of tier P is offered.
"""

from __future__ import annotations

from collections.abc import Sequence

from diagnosis.base import Diagnosis
from diagnosis.deciding import diagnose
from diagnosis.gathering import HealthRow, signals_of_health
from extensions import db
from models import RepairPlan
from probes.base import TestResult
from probes.verdicts import RESOLVED
from receipts.fix_steps import Option, list_fix_steps
from receipts.limits import find_limit
from receipts.plans import StepDraft, add_plan, list_steps
from receipts.reports import GroupReport, action_row
from repairs import find_repair
from repairs.base import Repair
from repairs.carrying_out import carry_out, draft_steps, facts_of, rows_of, situation_of
from repairs.system_proof import WORDS, probe_before, prove_system
from repairs.treating import Run


def treat_system(run: Run, health: Sequence[HealthRow]) -> list[GroupReport]:
    """A report for each diagnosis of the system for which there is a repair that is possible now; commits."""
    signals = signals_of_health(health)
    if not signals:
        return []
    fields = {signal.evidence_id: signal.fields for signal in signals}
    reports = []
    for diagnosis in diagnose(signals, run.surroundings):
        facts = facts_of(diagnosis, fields, "")
        situation = situation_of(None, diagnosis.rule, facts)
        try:
            drafts = draft_steps(diagnosis.repairs, situation, run.surroundings, run.repairs)
        except LookupError:
            continue
        if any(draft.state != "blocked" for draft in drafts):
            reports.append(_treat(run, diagnosis, facts, drafts))
    return reports


def _treat(run: Run, diagnosis: Diagnosis, facts: dict[str, str], drafts: Sequence[StepDraft]) -> GroupReport:
    options = []
    dependencies: list[str] = []
    for draft in drafts:
        repair = find_repair(draft.repair, run.repairs)
        if repair is not None:
            options.append(Option(repair.id, repair.title, draft.tier, draft.obstacle))
            dependencies += repair.dependencies
    evidence = diagnosis.evidence
    baseline = probe_before(evidence, diagnosis.rule, dependencies, run.ask_health)
    plan = add_plan(
        group=None,
        error_id=None,
        actor=run.actor,
        mode="dry_run" if run.is_dry_run else run.mode,
        diagnosis=diagnosis.as_row(),
        facts=facts,
        fix_steps=list_fix_steps(diagnosis.cause, diagnosis.advice, diagnosis.trap, options),
        baseline=rows_of(baseline),
        steps=drafts,
    )
    db.session.commit()
    acted = None if run.is_dry_run or run.mode != "safe" else _act(run, plan)
    if acted is None:
        return _report(plan, "diagnosed", baseline)
    proof = prove_system(plan, *acted, run.actor, run.ask_health)
    return _report(plan, proof.state, proof.results, proof.reasons)


def _act(run: Run, plan: RepairPlan) -> tuple[Repair, TestResult] | None:
    for step in list_steps(plan.id):
        repair = find_repair(step.repair, run.repairs)
        if repair is None or step.tier != "A" or step.state != "planned":
            continue
        limit = find_limit(repair.id, repair.cooldown, repair.daily_limit, is_automatic=True, group_id=None)
        if limit:
            step.obstacle = limit
            db.session.commit()
            continue
        situation = situation_of(None, plan.rule, plan.facts)
        return repair, carry_out(plan, step, repair, situation, run.actor, is_automatic=True)
    return None


def _report(plan: RepairPlan, state: str, results: Sequence[TestResult], reasons: Sequence[str] = ()) -> GroupReport:
    actions = []
    for step in list_steps(plan.id):
        repair = find_repair(step.repair)
        actions.append(action_row(plan, step, repair.title if repair else "", repair.undo_words if repair else ""))
    notes = {"reasons": list(reasons), "note": f"{WORDS[state]} {plan.note}"} if reasons else {}
    steps, tests = list(plan.fix_steps), rows_of(results)
    return GroupReport(None, None, plan.diagnosis, steps, actions, tests, state == RESOLVED, state, notes)
