"""The receipts themselves: who did what, when, on which evidence, with what proof. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from accounts.audit import add_audit_entry
from extensions import db
from models import RepairPlan, RepairReceipt, RepairStep
from receipts.actors import Actor

KINDS = {
    "action": "Carried out",
    "failure": "Failed",
    "refusal": "Refused",
    "undo": "Undone",
    "verification": "Verified",
    "switch": "Switch turned",
}
# What the audit trail tells too; whether it helped stands in the receipts alone.
DEEDS = ("action", "failure", "refusal", "undo", "switch")
PAGE_SIZE = 50


def add_receipt(
    kind: str,
    actor: Actor,
    *,
    plan: RepairPlan | None = None,
    step: RepairStep | None = None,
    proof: Sequence[Mapping[str, Any]] = (),
    undo: str = "",
    note: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    is_automatic: bool = False,
    repair: str | None = None,
) -> RepairReceipt:
    """Adds a receipt within the caller's transaction: the deed and its record stand or fall together."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of receipt.")
    receipt = RepairReceipt(
        kind=kind,
        actor=actor.name,
        user_id=actor.user_id,
        plan_id=plan.id if plan else None,
        step_id=step.id if step else None,
        group_id=plan.group_id if plan else None,
        repair=step.repair if step else repair,
        rule=plan.rule if plan else None,
        is_automatic=is_automatic,
        evidence=list(plan.diagnosis.get("evidence", [])) if plan else [],
        before=dict(before or {}),
        after=dict(after or {}),
        proof=[dict(row) for row in proof],
        undo=undo,
        note=note,
    )
    db.session.add(receipt)
    db.session.flush()
    if kind in DEEDS:
        group = f" for error group {plan.group_id}" if plan is not None and plan.group_id is not None else ""
        add_audit_entry(
            f"repair_{kind}",
            actor=actor.name,
            user_id=actor.user_id,
            subject=f"{receipt.repair or 'all repairs'}{group}",
            receipt=receipt.id,
            origin=actor.origin,
            note=note[:200],
        )
    return receipt


def list_receipts(
    *, group_id: int | None = None, before_id: int | None = None, limit: int = PAGE_SIZE
) -> list[RepairReceipt]:
    """The newest receipts, of one group or of all; one more than the limit tells that there are more."""
    query = select(RepairReceipt).order_by(RepairReceipt.id.desc()).limit(limit + 1)
    if group_id is not None:
        query = query.where(RepairReceipt.group_id == group_id)
    if before_id is not None:
        query = query.where(RepairReceipt.id < before_id)
    return list(db.session.scalars(query))
