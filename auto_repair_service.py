"""Diagnose, plan, act, prove, record: one run of repair, for the API, the clock, the chatbot and the pages.

Rules decide and repairs act; nothing counts as resolved but by probes/verdicts.py. Every deed leaves a receipt. A
repair is added in repairs/, a rule in diagnosis/, a probe in routes.py or probes/dependencies.py, and nothing here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from config import current_settings
from diagnosis.base import Surroundings
from diagnosis.gathering import surroundings as find_surroundings
from diagnostics.base import PASS, run_check
from diagnostics.health import CHECKS, check_health
from diagnostics.readiness import find_obstacle as find_unreadiness
from error_groups import RESOLVED_STATES, change_group_state, clear_resolved, get_group
from error_logger import error_logger
from errors import Conflict, NotFound
from extensions import db
from models import ErrorLog, RepairPlan, RepairStep
from probes import watching
from probes.base import TestResult
from probes.dependencies import database_url
from probes.verdicts import Verdict
from receipts.actors import CLOCK, Actor
from receipts.ledger import add_receipt
from receipts.limits import RUN_LOCK, find_limit
from receipts.plans import (
    expect_approvable,
    find_open_verification,
    find_step_by_digest,
    get_plan,
    get_step,
    list_lost_steps,
    list_open_verifications,
    list_plans,
    list_unproved_steps,
    note_progress,
)
from receipts.reports import GroupReport, Report
from receipts.switches import STOPPED, find_stop, mirror_stop, turn_switch
from repairs.base import Repair, digest_of
from repairs.carrying_out import draft_step, situation_of, undo_step
from repairs.proving import carry_out_approved, finish_lost, look_again, note_returned, prove_late, repair_of
from repairs.rescue import Rescue, expect_ledger, is_ledger_gone, rescue
from repairs.system_proof import READY
from repairs.treating import Run, list_unresolved, treat
from repairs.whole_system import treat_system

__all__ = [
    "Actor",
    "Report",
    "approve_step",
    "clear",
    "find_plan",
    "renew_dry_run",
    "repair_by_clock",
    "set_kill_switch",
    "start_repair",
    "undo",
    "verify_open",
]

log = logging.getLogger("lux.repairs")

TIME_BUDGET_SECONDS = 40.0
WAIT_FOR_RUN_SECONDS = 10.0


def start_repair(
    *,
    actor: Actor,
    error_id: int | None = None,
    group_id: int | None = None,
    is_dry_run: bool = False,
    mode: str = "safe",
    repairs: Sequence[Repair] = (),
) -> Report:
    """Examines one error, one group or all that are open; commits. `mode`: safe acts, diagnose only plans.

    Raises NotFound for an unknown error or group, Conflict when another run is under way. `repairs` go before REPAIRS.
    """
    settings = current_settings()
    surroundings = Surroundings.of(settings)
    rescued: Rescue | None = None
    try:
        expect_ledger()
    except (SQLAlchemyError, psycopg.Error) as error:
        db.session.rollback()
        if not is_ledger_gone(error):
            raise
        may_act = settings.auto_repair == "safe" and mode == "safe" and not is_dry_run and find_stop() is None
        rescued = rescue(error, surroundings, may_act=may_act)
        if not rescued.is_ledger_back:
            return Report("stopped" if find_stop() else "done", [rescued.report])
    stop = find_stop()
    allowed = "diagnose" if stop is not None or settings.auto_repair != "safe" else mode
    run = Run(
        actor,
        allowed,
        is_dry_run,
        error_id is not None or group_id is not None,
        surroundings,
        repairs,
        rescued,
        _ask_health,
    )
    with _one_at_a_time():
        run = replace(run, surroundings=find_surroundings())
        if rescued is not None:
            rescued.write_receipt(actor)
            error_logger().flush_now(10.0)
        pairs = _list_groups(error_id, group_id)
        results, is_cut = _treat_all(run, pairs)
        if not run.is_single:
            results += treat_system(run, _list_unwell())
    if rescued is not None and not results:
        results = [rescued.report]
    status = "partial" if is_cut else "done" if results else "nothing_to_do"
    if settings.auto_repair == "off":
        status = "off"
    status = "stopped" if stop is not None else "dry_run" if is_dry_run and results else status
    return Report(status, results)


def repair_by_clock() -> Report:
    """What the clock does every six hours, as far as AUTO_REPAIR allows."""
    if current_settings().auto_repair == "off":
        return Report("off")
    return start_repair(actor=CLOCK)


def clear(older_than_hours: float = 24) -> int:
    """Drops the samples of groups resolved longer ago than that; groups, counts and receipts stay. Commits."""
    return clear_resolved(older_than_hours)


def find_plan(group_id: int) -> RepairPlan | None:
    """The newest plan of a group."""
    return next(iter(list_plans(group_id, 1)), None)


def renew_dry_run(step_id: int) -> RepairStep:
    """Says again what a step would do now; commits. Raises NotFound and Conflict."""
    step = get_step(step_id)
    if step.state not in ("planned", "waiting", "blocked"):
        raise Conflict(f"This step is {step.state} already.")
    repair, plan = repair_of(step), get_plan(step.plan_id)
    group = get_group(plan.group_id) if plan.group_id else None
    draft = draft_step(repair, step.tier, situation_of(group, plan.rule, plan.facts))
    step.state, step.obstacle, step.dry_run, step.digest = draft.state, draft.obstacle, draft.dry_run, draft.digest
    step.dry_run_at = datetime.now(UTC) if draft.dry_run else None
    note_progress(step, "A dry run was made." if draft.dry_run else f"Not possible now: {draft.obstacle}")
    return step


def approve_step(plan_id: int, digest: str, actor: Actor, *, is_waiting: bool = True) -> RepairStep:
    """A person approves the step whose dry run has this hash; it runs, at once or in a thread. Commits.

    Raises NotFound, and Conflict when the text has changed, is older than 15 minutes, or a limit holds.
    """
    plan = get_plan(plan_id)
    step = find_step_by_digest(plan_id, digest)
    if step is None:
        raise Conflict("No step of this plan has that dry run. Look at the one of now.")
    repair = repair_of(step)
    group = get_group(plan.group_id) if plan.group_id else None
    situation = situation_of(group, plan.rule, plan.facts)
    obstacle = repair.find_obstacle(situation)
    if obstacle is not None:
        raise Conflict(obstacle)
    expect_approvable(step, digest, digest_of(repair.say_dry_run(situation)))
    limit = find_limit(repair.id, repair.cooldown, repair.daily_limit, is_automatic=False, group_id=plan.group_id)
    if limit:
        raise Conflict(limit)
    step.approved_by, step.approved_at, step.state = actor.name, datetime.now(UTC), "running"
    step.started_at = datetime.now(UTC)
    note_progress(step, f"{actor.name} approved this dry run.")
    if is_waiting:
        carry_out_approved(step.id, actor, _ask_health)
    else:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way
        thread = threading.Thread(target=_in_thread, args=(app, step.id, actor), name="lux-repair", daemon=True)
        thread.start()
    return step


def undo(step_id: int, actor: Actor) -> str:
    """Undoes a step; the group is open again. Commits. Raises NotFound and Conflict."""
    step = get_step(step_id)
    plan = get_plan(step.plan_id)
    group = get_group(plan.group_id) if plan.group_id else None
    words = undo_step(plan, step, repair_of(step), situation_of(group, plan.rule, plan.facts), actor)
    if group is not None:
        verification = find_open_verification(group.id)
        if verification is not None:
            watching.close(verification, Verdict("needs_human"))
        change_group_state(group, "open", notes=None, release=None)
    db.session.commit()
    return words


def set_kill_switch(*, is_on: bool, actor: Actor, reason: str = "") -> None:
    """Stops every repair, or lets them run again; commits."""
    turn_switch(STOPPED, is_on=is_on, by=actor.name, reason=reason)
    words = "Every repair is stopped." if is_on else "Repairs may run again."
    add_receipt("switch", actor, note=f"{words} {reason}".strip(), after={"stopped": is_on})
    db.session.commit()
    mirror_stop(is_on=is_on)


def verify_open() -> int:
    """Looks at every group that is being watched, and at steps whose process has ended; how many. For the clock."""
    looked = 0
    for step in list_lost_steps():
        finish_lost(step, _ask_health)
        looked += 1
    for step in list_unproved_steps():
        prove_late(step, _ask_health)
        looked += 1
    for verification in list_open_verifications():
        look_again(verification, CLOCK)
        looked += 1
    return looked + note_returned()


def _list_unwell() -> list[tuple[str, str, str]]:
    """What the health checks complain about: key, status and words."""
    found = check_health().findings
    return [(check.key, finding.status, finding.text) for check, finding in found if finding.status != PASS]


def _ask_health(key: str) -> TestResult | None:
    """Whether a health check passes now, or LUX is ready; None for a check that only the clock makes."""
    if key == READY:
        obstacle = find_unreadiness()
        return TestResult(
            "status", "ask as /readyz does", "ready", obstacle or "ready", obstacle is None, "health:ready"
        )
    check = next((one for one in CHECKS if one.key == key and not one.is_slow), None)
    if check is None:
        return None
    found = run_check(check)
    db.session.rollback()
    seen = f"{found.status}: {found.text}"
    return TestResult("status", f"health check {check.name}", PASS, seen, found.status == PASS, f"health:{key}")


def _treat_all(run: Run, pairs: Sequence[tuple[int, int | None]]) -> tuple[list[GroupReport], bool]:
    """Each group in turn, until the time is up; whether it was."""
    deadline = time.monotonic() + TIME_BUDGET_SECONDS
    results: list[GroupReport] = []
    for group_id, error_id in pairs:
        if time.monotonic() > deadline:
            return results, True
        try:
            results.append(treat(run, get_group(group_id), error_id))
        except Exception:
            # One group that LUX stumbles over must not keep the others from being looked at.
            db.session.rollback()
            log.exception("The repair of error group %s broke.", group_id, extra={"place": "repair run"})
            results.append(_broken(group_id, error_id))
    return results, False


def _broken(group_id: int, error_id: int | None) -> GroupReport:
    """The report of a group that could not be looked at."""
    cause = "LUX stumbled over this group while it looked at it; that is an error group of its own."
    diagnosis = {"rule": "unknown", "cause": cause, "confidence": 0.0, "evidence": []}
    state = get_group(group_id).state
    return GroupReport(error_id, group_id, diagnosis, [cause], [], [], state in RESOLVED_STATES, state, {})


def _list_groups(error_id: int | None, group_id: int | None) -> list[tuple[int, int | None]]:
    """Ids of the groups to examine, each with the error that stands for it."""
    if error_id is not None:
        error = db.session.get(ErrorLog, error_id)
        if error is None:
            raise NotFound(f"There is no error {error_id}.")
        return [(error.group_id, error.id)]
    if group_id is not None:
        return [(get_group(group_id).id, None)]
    return [(one, None) for one in list_unresolved()]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Holds the run's lock on a connection of its own. Raises Conflict when somebody else holds it."""
    with psycopg.connect(
        database_url(), autocommit=True, connect_timeout=5, application_name="lux repair run"
    ) as connection:
        deadline = time.monotonic() + WAIT_FOR_RUN_SECONDS
        while True:
            row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", RUN_LOCK).fetchone()
            if row and row[0]:
                break
            if time.monotonic() > deadline:
                raise Conflict("Another repair run is under way. Try again in a minute.")
            time.sleep(0.2)
        yield


def _in_thread(app: Flask, step_id: int, actor: Actor) -> None:
    with app.app_context():
        carry_out_approved(step_id, actor, _ask_health)
        db.session.remove()
