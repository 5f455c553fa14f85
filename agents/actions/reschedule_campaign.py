"""Gives a campaign that waits for its time another one; undone, it gets its old time back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.actions.base import Action, Outcome, Payload
from campaigns.drafting import get_campaign
from campaigns.launching import move_campaign
from config import current_settings
from errors import Conflict, InputInvalid, NotFound
from models import Proposal

WAITING = ("draft", "scheduled")


class RescheduleCampaign(Payload):
    """Which campaign, and its new time."""

    campaign_id: int
    at: datetime


def _check(payload: RescheduleCampaign) -> None:
    try:
        campaign = get_campaign(payload.campaign_id)
    except NotFound as error:
        raise InputInvalid({"campaign_id": "The campaign of this proposal is not there any more."}) from error
    if campaign.state not in WAITING or campaign.archived_at is not None:
        raise InputInvalid({"campaign_id": "This campaign does not wait for its time any more."})
    if payload.at < datetime.now(UTC) + timedelta(minutes=2):
        raise InputInvalid({"at": "The proposed time has passed."})


def _describe(payload: RescheduleCampaign) -> str:
    try:
        name = get_campaign(payload.campaign_id).name
    except NotFound:
        return "Reschedules a campaign that is not there any more."
    return f"“{name}” gets another time. Nothing else of it changes, and a draft stays a draft."


def _carry_out(payload: RescheduleCampaign, _proposal: Proposal, user_id: int | None) -> Outcome:
    campaign = get_campaign(payload.campaign_id)
    before = campaign.scheduled_at
    move_campaign(payload.campaign_id, payload.at, user_id, timezone=current_settings().timezone)
    return {
        "campaign_id": payload.campaign_id,
        "at": payload.at.isoformat(),
        "before": before.isoformat() if before else None,
    }


def _undo(outcome: Mapping[str, Any]) -> None:
    campaign = get_campaign(int(outcome["campaign_id"]))
    moved_at = datetime.fromisoformat(outcome["at"])
    if campaign.state not in WAITING or campaign.scheduled_at != moved_at:
        raise Conflict("Somebody has worked on this campaign since, or it has begun.")
    before = datetime.fromisoformat(outcome["before"]) if outcome["before"] else None
    if before is not None and before < datetime.now(UTC) + timedelta(minutes=2):
        raise Conflict("The time from before has passed. Choose another one in Campaigns.")
    move_campaign(campaign.id, before, None, timezone=current_settings().timezone)


ACTION: Action[RescheduleCampaign] = Action(
    key="reschedule_campaign",
    label="Reschedule a campaign",
    accept="Give it this time",
    payload=RescheduleCampaign,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. The campaign has its old time back.",
    find_address=lambda outcome: f"/campaigns/{int(outcome['campaign_id'])}",
    done="The campaign has its new time.",
    days_valid=7,
)
