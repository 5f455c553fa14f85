"""What shows that a repair of the system as a whole helped, where no error group and no route stand for the fault.

The symptom is the health check that complained: it is asked three times after the repair, and so is every dependency
that failed before; whether LUX is ready and the pages of the part must go well too. What passed while the fault was
live proves nothing: then the outcome is called repaired, not proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import current_app

from extensions import db
from models import RepairPlan
from probes.base import TestResult
from probes.dependencies import find_dependencies, run_dependency_probe
from probes.verdicts import FAILING, PROBES_NEEDED, RESOLVED, VERIFYING, Proof, decide
from probes.views import run_view_probe
from probes.watching import COSTLY
from receipts.actors import Actor
from receipts.ledger import add_receipt
from repairs.base import Repair
from repairs.carrying_out import rows_of

# Asks a health check by its key; None for one that only the clock asks.
AskHealth = Callable[[str], TestResult | None]
READY = "ready"
CONTAINED, NOT_PROVED = "needs_human", "quiet_unverified"
WORDS = {
    RESOLVED: "Repaired and proved.",
    NOT_PROVED: "Repaired, not proved.",
    FAILING: "Still failing.",
    CONTAINED: "The damage is contained; the cause is for a person.",
}
# Each refused sign-in brings a lock-out nearer: the repair of a channel signs in once, and that is enough.
ASKED_BY_THE_REPAIR = COSTLY | {"mail"}
# Which pages show that a part works, by the key of the health check that speaks of it.
PAGES: Mapping[str, tuple[str, ...]] = {
    "database": ("contacts.index", "diagnostics.index"),
    "migrations": ("contacts.index", "diagnostics.index"),
    "queue": ("campaigns.index",),
    "worker": ("campaigns.index",),
    "clock": ("diagnostics.jobs",),
    "jobs": ("diagnostics.jobs",),
    "mail_server": ("campaigns.index", "channels.index"),
    "model": ("agents.index",),
    "circuit": ("agents.index",),
    "inbox": ("webhook_inbox.index",),
    "spool": ("webhook_inbox.index",),
    "disk": ("diagnostics.index",),
}


@dataclass(frozen=True)
class SystemProof:
    """What came of a repair: a state in the words of error groups, why, and everything that was tried."""

    state: str
    reasons: list[str]
    results: list[TestResult]


def ask_nothing(_key: str) -> None:
    """For a run that nobody has told how to ask health checks."""


def probe_before(evidence: Iterable[str], rule: str, further: Sequence[str], ask: AskHealth) -> list[TestResult]:
    """What the probes say while the fault is live."""
    checks = [one.removeprefix("health:") for one in evidence if one.startswith("health:")]
    keys = [f"health:{key}" for key in (*checks, READY)]
    keys += [f"dependency:{key}" for key in find_dependencies("", rule, further) if key not in ASKED_BY_THE_REPAIR]
    keys += [f"view:{endpoint}" for endpoint in dict.fromkeys(page for key in checks for page in PAGES.get(key, ()))]
    return [result for key in keys if (result := _probe(key, ask, is_live_baseline=True)) is not None]


def prove_system(plan: RepairPlan, repair: Repair, acted: TestResult, actor: Actor, ask: AskHealth) -> SystemProof:
    """Probes after the repair, decides, and writes it down with a receipt; commits."""
    baseline = [TestResult.of_row(row) for row in plan.baseline]
    symptom = _probe_after(baseline, ask) if acted.passed else []
    verdict = decide(Proof(cause=[acted], baseline=baseline, symptom=symptom))
    state, reasons = verdict.state, list(verdict.reasons)
    if state == VERIFYING:
        state, reasons = NOT_PROVED, [_why_not_proved(baseline)]
    if repair.only_contains and state != FAILING:
        state = CONTAINED
    elif state == RESOLVED:
        reasons[-1] = "Nothing else that was tried fails."
    said = " ".join(reasons)
    plan.tests = rows_of([*baseline, acted, *symptom])
    plan.state, plan.finished_at = "failed" if state == FAILING else "done", datetime.now(UTC)
    plan.outcome, plan.note = state, said
    note = f"{state}: {WORDS[state]} {said}"
    add_receipt("verification", actor, plan=plan, proof=plan.tests, note=note, after={"state": state})
    db.session.commit()
    return SystemProof(state, reasons, [*baseline, acted, *symptom])


def _probe_after(baseline: Sequence[TestResult], ask: AskHealth) -> list[TestResult]:
    """Three times what failed before, once what did not; ends with the first that fails."""
    results: list[TestResult] = []
    for before in baseline:
        for _ in range(1 if before.passed else PROBES_NEEDED):
            result = _probe(before.key, ask)
            if result is not None:
                results.append(result)
                if not result.passed:
                    return results
    return results


def _probe(key: str, ask: AskHealth, *, is_live_baseline: bool = False) -> TestResult | None:
    kind, _, name = key.partition(":")
    if kind == "dependency":
        return run_dependency_probe(name, is_live_baseline=is_live_baseline)
    if kind == "view":
        probe = current_app.config.get("PROBES", {}).get(name)
        return run_view_probe(name, probe, is_live_baseline=is_live_baseline) if probe else None
    result = ask(name)
    return TestResult.of_row({**result.as_row(), "before_repair": is_live_baseline}) if result else None


def _why_not_proved(baseline: Sequence[TestResult]) -> str:
    failed = [result.tried for result in baseline if not result.passed]
    if failed:
        return f"What it was to change has changed, but too little was asked again: {failed[0]}."
    return "What it was to change has changed, but every probe passed before it too, so their passing proves nothing."
