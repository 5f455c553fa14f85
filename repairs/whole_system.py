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
from probes.dependencies import run_dependency_probe
from probes.verdicts import FAILING, RESOLVED, VERIFYING, Proof, decide
from probes.watching import COSTLY
from receipts.fix_steps import Option, list_fix_steps
from receipts.ledger import add_receipt
from receipts.limits import find_limit
from receipts.plans import StepDraft, add_plan, list_steps
from receipts.reports import GroupReport, action_row
from repairs import find_repair
from repairs.carrying_out import carry_out, draft_steps, facts_of, rows_of, situation_of
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
            dependencies += [key for key in repair.dependencies if key not in (*dependencies, *COSTLY)]
    baseline = [run_dependency_probe(key, is_live_baseline=True) for key in dependencies]
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
    symptom = [run_dependency_probe(key) for key in dependencies for _ in range(3)]
    verdict = decide(Proof(cause=[acted], baseline=baseline, symptom=symptom, is_over=False))
    state = {VERIFYING: "quiet_unverified", FAILING: "still_failing"}.get(verdict.state, verdict.state)
    plan.tests = rows_of([*baseline, acted, *symptom])
    plan.state = "done" if verdict.state != FAILING else "failed"
    add_receipt(
        "verification",
        run.actor,
        plan=plan,
        proof=plan.tests,
        note=f"{state}: {' '.join(verdict.reasons)}",
        after={"state": state},
    )
    db.session.commit()
    return _report(plan, state, [*baseline, acted, *symptom], list(verdict.reasons))


def _act(run: Run, plan: RepairPlan) -> TestResult | None:
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
        return carry_out(plan, step, repair, situation, run.actor, is_automatic=True)
    return None


def _report(plan: RepairPlan, state: str, results: Sequence[TestResult], reasons: Sequence[str] = ()) -> GroupReport:
    actions = []
    for step in list_steps(plan.id):
        repair = find_repair(step.repair)
        actions.append(action_row(plan, step, repair.title if repair else "", repair.undo_words if repair else ""))
    notes = {"reasons": list(reasons)} if reasons else {}
    steps, tests = list(plan.fix_steps), rows_of(results)
    return GroupReport(None, None, plan.diagnosis, steps, actions, tests, state == RESOLVED, state, notes)
