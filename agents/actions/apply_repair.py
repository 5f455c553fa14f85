"""Repairs an error group through auto_repair_service, which diagnoses, acts within limits, proves, keeps receipts."""

from __future__ import annotations

from accounts.users import find_user
from agents.actions.base import Action, Outcome, Payload
from auto_repair_service import start_repair
from error_groups import RESOLVED_STATES, get_group
from errors import InputInvalid, NotFound
from models import Proposal
from receipts.actors import Actor


class ApplyRepair(Payload):
    """Which error group."""

    group_id: int


def _check(payload: ApplyRepair) -> None:
    try:
        group = get_group(payload.group_id)
    except NotFound as error:
        raise InputInvalid({"group_id": "This error group is not there any more."}) from error
    if group.state in RESOLVED_STATES:
        raise InputInvalid({"group_id": "This error group is resolved already."})


def _describe(payload: ApplyRepair) -> str:
    return (
        f"Repairs error group {payload.group_id} as far as AUTO_REPAIR allows: what is safe is done, "
        "what needs a person "
        "is planned and waits there. Each deed leaves a receipt."
    )


def _carry_out(payload: ApplyRepair, _proposal: Proposal, user_id: int | None) -> Outcome:
    user = find_user(user_id) if user_id is not None else None
    report = start_repair(actor=Actor(user.name if user else "APP Agent", user_id, "page"), group_id=payload.group_id)
    state = report.results[0].state if report.results else report.status
    return {"group_id": payload.group_id, "status": report.status, "state": state}


ACTION: Action[ApplyRepair] = Action(
    key="apply_repair",
    label="Repair an error group",
    accept="Repair it",
    payload=ApplyRepair,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    find_address=lambda outcome: f"/diagnostics/groups/{int(outcome['group_id'])}",
    done="The repair has run. Its receipts say what was done and what was proved.",
    role="operator",
    days_valid=2,
    is_long=True,
)
