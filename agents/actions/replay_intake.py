"""Replays every dead body of one reason in the webhook inbox; a body that is fine becomes a contact, once."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from agents.actions.base import Action, Outcome, Payload
from audience.intake_inbox import REASONS, count_dead_by_reason
from audience.intake_replay import replay_reason
from errors import InputInvalid
from models import Proposal


class ReplayIntake(Payload):
    """The reason for which the bodies are dead."""

    reason: Annotated[str, StringConstraints(max_length=60)]


def _check(payload: ReplayIntake) -> None:
    if not dict(count_dead_by_reason()).get(payload.reason):
        raise InputInvalid({"reason": "No body is dead for this reason any more."})


def _describe(payload: ReplayIntake) -> str:
    words = REASONS.get(payload.reason, (payload.reason, ""))[0]
    count = dict(count_dead_by_reason()).get(payload.reason, 0)
    bodies = "dead body" if count == 1 else "dead bodies"
    return f"Reads {count:,} {bodies} again (“{words}”). What can be read becomes a contact; the rest stays dead."


def _carry_out(payload: ReplayIntake, _proposal: Proposal, _user_id: int | None) -> Outcome:
    woken, read = replay_reason(payload.reason)
    return {"reason": payload.reason, "woken": woken, "read": read}


ACTION: Action[ReplayIntake] = Action(
    key="replay_intake",
    label="Replay dead bodies",
    accept="Replay them",
    payload=ReplayIntake,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    find_address=lambda outcome: f"/webhook-inbox/?reason={outcome['reason']}",
    done="The bodies were read again.",
    role="operator",
    days_valid=7,
)
