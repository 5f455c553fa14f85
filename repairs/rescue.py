"""What LUX does when it cannot even read its own ledger: the database is down, full of clients, or not migrated.

It looks at the very error that the database gave, runs the one repair of tier A that the rule names and that needs no
ledger, and leaves the receipt as soon as there is a database to write it to.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from config import current_settings
from diagnosis.base import Diagnosis, Signal, Surroundings
from diagnosis.deciding import diagnose
from diagnosis.reading import signals_of_exception
from extensions import db
from models import ErrorGroup, RepairPlan
from probes.base import TestResult
from probes.dependencies import CONNECT_SECONDS, database_url, run_dependency_probe
from probes.views import run_view_probe
from receipts.actors import Actor
from receipts.fix_steps import Option, list_fix_steps
from receipts.ledger import add_receipt
from receipts.plans import add_plan
from receipts.reports import GroupReport
from repairs import REPAIRS, find_repair
from repairs.base import Outcome, Repair, RepairFailed, Situation

log = logging.getLogger("lux.repairs")


@dataclass
class Rescue:
    """What was found and done without a ledger."""

    diagnosis: Diagnosis
    fix_steps: list[str]
    baseline: list[TestResult] = field(default_factory=list)
    result: TestResult | None = None
    outcome: Outcome | None = None
    repair: Repair | None = None
    obstacle: str = ""
    changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    is_ledger_back: bool = False

    def baseline_of(self, place: str | None) -> list[TestResult]:
        """What was probed before the rescue."""
        return list(self.baseline)

    @property
    def report(self) -> GroupReport:
        """The report for what no error group stands for yet."""
        actions: list[dict[str, Any]] = []
        if self.repair is not None:
            actions.append(
                {
                    "repair": self.repair.id,
                    "title": self.repair.title,
                    "tier": "A",
                    "state": "done" if self.result is not None and self.result.passed else "failed",
                    "automatic": True,
                    "outcome": self.outcome.text if self.outcome else None,
                    "undo": self.repair.undo_words,
                }
            )
        elif self.obstacle:
            actions.append({"repair": None, "state": "blocked", "obstacle": self.obstacle})
        results = [*self.baseline, *([self.result] if self.result else [])]
        return GroupReport(
            None,
            None,
            self.diagnosis.as_row(),
            self.fix_steps,
            actions,
            [result.as_row() for result in results],
            False,
            "verifying" if self.is_ledger_back else "needs_human",
            {},
        )

    def write_receipt(self, actor: Actor) -> None:
        """Writes the plan and the receipt of what was done meanwhile; commits."""
        if self.repair is None or self.result is None or self.outcome is None:
            return
        plan: RepairPlan = add_plan(
            group=None,
            error_id=None,
            actor=actor,
            mode="safe",
            diagnosis=self.diagnosis.as_row(),
            facts={},
            fix_steps=self.fix_steps,
            baseline=[result.as_row() for result in self.baseline],
            steps=[],
            state="done" if self.result.passed else "failed",
        )
        add_receipt(
            "action" if self.result.passed else "failure",
            actor,
            plan=plan,
            proof=[*plan.baseline, self.result.as_row()],
            undo=self.repair.undo_words,
            note=f"{self.outcome.text} (While the database was away; written afterwards.)",
            before=self.outcome.before,
            after=self.outcome.after,
            is_automatic=True,
            repair=self.repair.id,
        )
        db.session.commit()


def expect_ledger() -> None:
    """Raises what the database says when the ledger cannot be read or no new connection can be made."""
    psycopg.connect(database_url(), connect_timeout=CONNECT_SECONDS, application_name="lux repair").close()
    db.session.execute(select(RepairPlan.id, ErrorGroup.is_noise).join_from(RepairPlan, ErrorGroup).limit(1))
    db.session.rollback()


def is_ledger_gone(error: Exception) -> bool:
    """Whether the error means that there is no ledger to read, rather than a fault in a question."""
    if isinstance(error, OperationalError | PoolTimeout | psycopg.OperationalError):
        return True
    original = error.orig if isinstance(error, DBAPIError) else None
    missing = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
    return isinstance(error, ProgrammingError) and isinstance(original, missing)


def rescue(error: Exception, surroundings: Surroundings, *, may_act: bool) -> Rescue:
    """Finds out what is wrong with the database and, where it may, runs one repair. Never raises for what it finds."""
    diagnosis = diagnose(_signals(error), surroundings)[0]
    situation = Situation(current_settings(), rule=diagnosis.rule)
    options = [Option(option.id, _title(option.id), option.tier) for option in diagnosis.repairs]
    rescued = Rescue(diagnosis, list_fix_steps(diagnosis.cause, diagnosis.advice, diagnosis.trap, options))
    rescued.baseline = _probe()
    wanted = [option.id for option in diagnosis.repairs]
    for repair in _able(wanted, surroundings):
        obstacle = repair.find_obstacle(situation)
        if obstacle is not None or not may_act:
            rescued.obstacle = obstacle or "Repairs do not run by themselves now."
            continue
        rescued.repair = repair
        rescued.changed_at = datetime.now(UTC)
        try:
            rescued.outcome = repair.run(situation)
            rescued.result = repair.post_check(situation, rescued.outcome)
        except RepairFailed as failure:
            rescued.outcome = Outcome(str(failure))
            rescued.result = TestResult("database", f"run {repair.id}", "it is carried out", str(failure), False, "run")
        log.warning("%s without a ledger: %s", repair.id, rescued.outcome.text)
        break
    rescued.is_ledger_back = _is_ledger_back()
    return rescued


def _signals(error: Exception) -> list[Signal]:
    original = (error.orig if isinstance(error, DBAPIError) else None) or error
    kind = f"{type(original).__module__}.{type(original).__qualname__}"
    base = Signal("error", str(original)[:1000], "database:now", at=datetime.now(UTC), place="repair run")
    return signals_of_exception(base, kind, str(original), "")


def _able(wanted: Sequence[str], surroundings: Surroundings) -> list[Repair]:
    """The repairs that the rule names, work without a ledger and are of tier A here."""
    return [
        repair
        for repair in REPAIRS
        if repair.id in wanted and repair.works_without_database and repair.tier_in(surroundings) == "A"
    ]


def _probe() -> list[TestResult]:
    """The database and every view that has declared a probe: what fails now and passes later proves something."""
    results = [run_dependency_probe(key, is_live_baseline=True) for key in ("database", "schema")]
    for endpoint, probe in current_app.config.get("PROBES", {}).items():
        if not probe.sample:
            results.append(run_view_probe(endpoint, probe, is_live_baseline=True))
    return results


def _is_ledger_back() -> bool:
    try:
        expect_ledger()
    except (SQLAlchemyError, psycopg.Error):
        return False
    finally:
        db.session.rollback()
    return True


def _title(key: str) -> str:
    repair = find_repair(key)
    return repair.title if repair else key
