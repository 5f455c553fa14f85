"""Diagnostics › Repairs: the repair card of an error group, its actions, the receipts, the switch and the limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from auto_repair_service import (
    Actor,
    approve_step,
    renew_dry_run,
    set_kill_switch,
    start_repair,
    undo,
)
from config import current_settings
from diagnosis.base import Surroundings
from error_groups import RESOLVED_STATES, get_group
from errors import Conflict
from models import ErrorGroup, RepairPlan, RepairStep
from receipts.ledger import KINDS, PAGE_SIZE, list_receipts
from receipts.limits import get_allowance
from receipts.plans import (
    APPROVAL_HOLDS,
    find_open_verification,
    get_plan,
    get_step,
    list_plans,
    list_steps,
    list_system_plans,
)
from receipts.reports import read_notes
from receipts.switches import find_stop
from repairs import REPAIRS, find_repair
from repairs.base import TIERS
from repairs.system_proof import WORDS

page = Blueprint("repairs", __name__)

STEP_STATES = {
    "planned": ("info", "Ready"),
    "blocked": ("paused", "Not possible now"),
    "waiting": ("waiting", "Waits for approval"),
    "running": ("running", "Running"),
    "done": ("success", "Done"),
    "failed": ("danger", "Failed"),
    "refused": ("danger", "Refused"),
    "undone": ("neutral", "Undone"),
}
TIER_WORDS = {"A": ("info", "By itself"), "P": ("waiting", "Needs approval"), "H": ("neutral", "Advice")}
RECEIPT_KINDS = {"action": "success", "failure": "danger", "refusal": "danger", "undo": "info", "switch": "warn"}
OUTCOME_ICONS = {
    "resolved_verified": "success",
    "quiet_unverified": "warn",
    "still_failing": "danger",
    "needs_human": "waiting",
}
SUMMARIES = {
    "off": "AUTO_REPAIR is off: LUX has looked and planned, and did nothing.",
    "stopped": "Repairs are stopped: LUX has looked and planned, and did nothing.",
}
LIVE_SECONDS = 20


@page.app_template_global("repair_words")
def repair_words(kind: str, key: str) -> tuple[str, str]:
    """Icon and word of a step's state, a tier or a receipt."""
    known = {"step": STEP_STATES, "tier": TIER_WORDS}
    if kind == "receipt":
        return RECEIPT_KINDS.get(key, "info"), KINDS.get(key, key)
    return known[kind].get(key, ("neutral", key))


@page.get("/")
def index() -> str:
    """The receipts of all repairs, the switch that stops them, what LUX may do by itself, and every repair it knows."""
    before = request.args.get("before", "")
    rows = list_receipts(before_id=int(before) if before.isdecimal() and len(before) < 19 else None)
    surroundings = Surroundings.of(current_settings())
    return render_template(
        "diagnostics/repairs.html",
        receipts=rows[:PAGE_SIZE],
        next_url=url_for("repairs.index", before=rows[PAGE_SIZE - 1].id) if len(rows) > PAGE_SIZE else None,
        **_read_system(),
        allowance=get_allowance(),
        auto_repair=current_settings().auto_repair,
        repairs=[(repair, repair.tier_in(surroundings)) for repair in REPAIRS],
        tiers=TIERS,
    )


@page.post("/run")
def run() -> ResponseReturnValue:
    """Looks at every open group and at the system as a whole, and does what is safe to do."""
    report = start_repair(actor=_person())
    examined, resolved = len(report.results), sum(result.is_resolved for result in report.results)
    words = f"{examined} examined, {resolved} resolved." if examined else "There is nothing to repair."
    flash(SUMMARIES.get(report.status, words), "warn" if report.status in SUMMARIES else "success")
    return redirect(url_for("repairs.index"), 303)


@page.get("/system")
def system() -> str:
    """What waits for the system as a whole as a fragment: it asks for itself again while something is under way."""
    return render_template("diagnostics/_system.html", **_read_system())


@page.get("/groups/<int:group_id>/card")
def card(group_id: int) -> str:
    """The card as a fragment: it asks for itself again while something is under way."""
    return render_template("diagnostics/_repair.html", group=get_group(group_id), **read_card(get_group(group_id)))


@page.post("/groups/<int:group_id>/diagnose")
def diagnose(group_id: int) -> ResponseReturnValue:
    """Looks into it and plans; changes nothing."""
    start_repair(actor=_person(), group_id=get_group(group_id).id, mode="diagnose")
    return _back_to(group_id)


@page.post("/groups/<int:group_id>/repair")
def repair(group_id: int) -> ResponseReturnValue:
    """Does by itself what is safe to do by itself, and proves it."""
    report = start_repair(actor=_person(), group_id=get_group(group_id).id)
    if report.status in SUMMARIES:
        flash(SUMMARIES[report.status], "warn")
    return _back_to(group_id)


@page.post("/steps/<int:step_id>/dry-run")
def dry_run(step_id: int) -> ResponseReturnValue:
    """Says again what the step would do."""
    step = renew_dry_run(step_id)
    return _back_to(get_plan(step.plan_id).group_id)


@page.post("/steps/<int:step_id>/approve")
def approve(step_id: int) -> ResponseReturnValue:
    """A person approves exactly the dry run that they saw; it runs in the background."""
    step = get_step(step_id)
    try:
        approve_step(step.plan_id, request.form.get("digest", "")[:64], _person(), is_waiting=False)
    except Conflict as error:
        flash(error.detail, "warn")
    return _back_to(get_plan(step.plan_id).group_id)


@page.post("/steps/<int:step_id>/undo")
def undo_one(step_id: int) -> ResponseReturnValue:
    """Puts back what the step changed."""
    step = get_step(step_id)
    try:
        flash(undo(step_id, _person()), "success")
    except Conflict as error:
        flash(error.detail, "warn")
    return _back_to(get_plan(step.plan_id).group_id)


@page.post("/switch")
def switch() -> ResponseReturnValue:
    """Stops every repair, or lets them run again."""
    is_on = request.form.get("is_on") == "1"
    set_kill_switch(is_on=is_on, actor=_person(), reason=request.form.get("reason", "").strip()[:300])
    flash("Every repair is stopped." if is_on else "Repairs may run again.", "warn" if is_on else "success")
    return redirect(url_for("repairs.index"), 303)


def read_card(group: ErrorGroup) -> dict[str, Any]:
    """What the repair card of a group shows."""
    plans = list_plans(group.id, 1)
    plan = plans[0] if plans else None
    steps = list_steps(plan.id) if plan else []
    verification = find_open_verification(group.id)
    is_running = any(step.state == "running" for step in steps) or group.state == "repairing"
    now = datetime.now(UTC)
    return {
        "plan": plan,
        "steps": [(step, find_repair(step.repair)) for step in steps],
        "fresh_ids": _list_fresh(steps),
        "verification": verification,
        "tests": (plan.tests or plan.baseline) if plan else [],
        "receipts": list_receipts(group_id=group.id, limit=20)[:20],
        "card_notes": read_notes(group.resolution_notes),
        "is_live": is_running or (verification is not None and _is_young(now, verification.changed_at)),
        "is_settled": group.state in RESOLVED_STATES,
        "stop": find_stop(),
        "tiers": TIERS,
    }


def _read_system() -> dict[str, Any]:
    """The plans for the system as a whole, what came of each, and which steps may be approved."""
    plans = [(plan, list_steps(plan.id)) for plan in list_system_plans()]
    steps = [step for _, of_plan in plans for step in of_plan]
    return {
        "system_plans": [
            (plan, [(step, find_repair(step.repair)) for step in of_plan], _outcome_of(plan)) for plan, of_plan in plans
        ],
        "fresh_ids": _list_fresh(steps),
        "is_live": any(step.state == "running" for step in steps),
        "stop": find_stop(),
    }


def _outcome_of(plan: RepairPlan) -> dict[str, str] | None:
    """How a repair of the system ended, as an icon, a word and the reasons."""
    if plan.outcome is None:
        return None
    word = WORDS[plan.outcome].rstrip(".")
    return {"icon": OUTCOME_ICONS[plan.outcome], "word": word, "reasons": plan.note or ""}


def _list_fresh(steps: Sequence[RepairStep]) -> set[int]:
    """Ids of the steps whose dry run may still be approved."""
    now = datetime.now(UTC)
    return {step.id for step in steps if step.dry_run_at and now - step.dry_run_at < APPROVAL_HOLDS}


def _is_young(now: datetime, moment: datetime) -> bool:
    return (now - moment).total_seconds() < LIVE_SECONDS


def _back_to(group_id: int | None) -> ResponseReturnValue:
    if group_id is None:
        return redirect(url_for("repairs.index"), 303)
    return redirect(url_for("diagnostics.group", group_id=group_id, _anchor="repair"), 303)


def _person() -> Actor:
    return Actor(current_user.name, current_user.id)
