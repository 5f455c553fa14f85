"""Tries a campaign's failed messages again; what was sent is not sent twice."""

from __future__ import annotations

from agents.actions.base import Action, Outcome, Payload
from campaigns.drafting import get_campaign
from campaigns.launching import retry_failed
from errors import InputInvalid, NotFound
from models import Proposal


class RetryCampaign(Payload):
    """Which campaign."""

    campaign_id: int


def _check(payload: RetryCampaign) -> None:
    try:
        campaign = get_campaign(payload.campaign_id)
    except NotFound as error:
        raise InputInvalid({"campaign_id": "The campaign of this proposal is not there any more."}) from error
    if campaign.launched_at is None:
        raise InputInvalid({"campaign_id": "This campaign was never sent."})


def _describe(payload: RetryCampaign) -> str:
    try:
        name = get_campaign(payload.campaign_id).name
    except NotFound:
        return "Retries a campaign that is not there any more."
    return f"Sends the failed messages of “{name}” again, to people who are still subscribed. Nobody gets it twice."


def _carry_out(payload: RetryCampaign, _proposal: Proposal, user_id: int | None) -> Outcome:
    return {"campaign_id": payload.campaign_id, "count": retry_failed(payload.campaign_id, user_id)}


ACTION: Action[RetryCampaign] = Action(
    key="retry_campaign",
    label="Retry failed messages",
    accept="Retry the failed messages",
    payload=RetryCampaign,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    find_address=lambda outcome: f"/campaigns/{int(outcome['campaign_id'])}",
    done="The failed messages are on their way again.",
    days_valid=3,
)
