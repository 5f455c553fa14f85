"""Makes two contacts one; undone, each is again as it was, and what arrived since stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from accounts.users import name_of
from agents.actions.base import Action, Outcome, Payload
from audience.merges import merge_contacts, preview_merge, undo_merge
from errors import InputInvalid, NotFound
from models import Proposal


class MergeContacts(Payload):
    """Which contact is kept, which one becomes part of it, and for which fields the other's value wins."""

    kept_id: int
    gone_id: int
    choices: dict[str, Literal["kept", "gone"]] = {}


def _check(payload: MergeContacts) -> None:
    try:
        preview_merge(payload.kept_id, payload.gone_id)
    except NotFound as error:
        raise InputInvalid({"gone_id": "One of these contacts is not there any more."}) from error


def _describe(payload: MergeContacts) -> str:
    try:
        plan = preview_merge(payload.kept_id, payload.gone_id, payload.choices)
    except NotFound:
        return "Merges two contacts, of whom one is not there any more."
    consent = f" After it: {plan.subscription}. {plan.why_subscription}"
    return (
        f"Merges contact #{payload.gone_id} into #{payload.kept_id}, with all messages, consents, segments and the "
        f"story of both.{consent if plan.subscription != plan.kept.subscription else ''}"
    )


def _carry_out(payload: MergeContacts, _proposal: Proposal, user_id: int | None) -> Outcome:
    merge = merge_contacts(
        payload.kept_id, payload.gone_id, choices=payload.choices, actor=name_of(user_id), user_id=user_id
    )
    return {"merge_id": merge.id, "kept_id": payload.kept_id, "gone_id": payload.gone_id}


def _undo(outcome: Mapping[str, Any]) -> None:
    undo_merge(int(outcome["merge_id"]), actor="Undo", user_id=None)


ACTION: Action[MergeContacts] = Action(
    key="merge_contacts",
    label="Merge two contacts",
    accept="Merge them",
    payload=MergeContacts,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. Both contacts are back as they were.",
    find_address=lambda outcome: f"/contacts/{int(outcome['kept_id'])}",
    done="The two are one contact now.",
)
