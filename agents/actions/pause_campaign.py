"""Pauses a campaign that is being sent; undone, it goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from agents.actions.base import Action, Outcome, Payload
from campaigns.drafting import get_campaign
from campaigns.launching import pause_campaign, resume_campaign
from errors import InputInvalid, NotFound
from models import Proposal


class PauseCampaign(Payload):
    """Which campaign, and why."""

    campaign_id: int
    reason: Annotated[str, StringConstraints(max_length=300)] = ""


def _check(payload: PauseCampaign) -> None:
    try:
        campaign = get_campaign(payload.campaign_id)
    except NotFound as error:
        raise InputInvalid({"campaign_id": "The campaign of this proposal is not there any more."}) from error
    if campaign.state != "sending":
        raise InputInvalid({"campaign_id": "This campaign is not being sent any more, so there is nothing to pause."})


def _describe(payload: PauseCampaign) -> str:
    try:
        name = get_campaign(payload.campaign_id).name
    except NotFound:
        return "Pauses a campaign that is not there any more."
    return f"Pauses “{name}”: nothing leaves from then on but what is on the wire. It can be resumed at any time."


def _carry_out(payload: PauseCampaign, _proposal: Proposal, user_id: int | None) -> Outcome:
    campaign = pause_campaign(payload.campaign_id, payload.reason, user_id)
    return {"campaign_id": campaign.id}


def _undo(outcome: Mapping[str, Any]) -> None:
    resume_campaign(int(outcome["campaign_id"]))


ACTION: Action[PauseCampaign] = Action(
    key="pause_campaign",
    label="Pause a campaign",
    accept="Pause the campaign",
    payload=PauseCampaign,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. The campaign goes on where it was paused.",
    find_address=lambda outcome: f"/campaigns/{int(outcome['campaign_id'])}",
    done="The campaign is paused.",
    days_valid=2,
)
