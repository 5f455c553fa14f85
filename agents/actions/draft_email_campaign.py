"""Adds an e-mail campaign as a draft; nothing is sent by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from agents.actions.base import Action, Edit, Name, Outcome, Payload
from audience.segments import find_segment
from campaigns.content import read_content
from campaigns.drafting import archive_campaign, content_of, draft_campaign, get_campaign
from campaigns.mail_brand import get_mail_brand
from campaigns.rendering import render_campaign
from errors import Conflict, InputInvalid, NotFound
from models import Proposal


class DraftEmailCampaign(Payload):
    """A campaign draft: name, goal, segment, content."""

    name: Name
    goal: Annotated[str, StringConstraints(max_length=2000)] = ""
    segment_id: int | None = None
    content: dict[str, Any]
    made_by: Annotated[str, StringConstraints(max_length=80)] = "Email & CRM"


def _check(payload: DraftEmailCampaign) -> None:
    """Raises InputInvalid when this could not become a campaign that can be sent."""
    content = read_content(payload.content)
    if not content.subject:
        raise InputInvalid({"subject": "A campaign needs a subject."})
    problems = render_campaign(content, get_mail_brand()).problems
    if problems:
        raise InputInvalid({problem.path: problem.text for problem in reversed(problems)})
    segment = find_segment(payload.segment_id) if payload.segment_id is not None else None
    if payload.segment_id is not None and (segment is None or segment.archived_at is not None):
        raise InputInvalid({"segment_id": "The segment of this proposal is not there any more."})


def _describe(payload: DraftEmailCampaign) -> str:
    segment = find_segment(payload.segment_id) if payload.segment_id is not None else None
    whom = f"for the segment “{segment.name}”" if segment else "without a segment yet"
    return f"Adds the draft “{payload.name}” to Campaigns, {whom}. Nothing is sent: you go on in the wizard."


def _carry_out(payload: DraftEmailCampaign, proposal: Proposal, user_id: int | None) -> Outcome:
    campaign = draft_campaign(
        name=payload.name,
        goal=payload.goal,
        segment_id=payload.segment_id,
        content=payload.content,
        made_by=payload.made_by,
        proposal_id=proposal.id,
        created_by_id=user_id,
        note="From an approved proposal",
    )
    return {"campaign_id": campaign.id, "content": campaign.content}


def _undo(outcome: Mapping[str, Any]) -> None:
    try:
        campaign = get_campaign(int(outcome["campaign_id"]))
    except NotFound as error:
        raise Conflict("The campaign is gone already.") from error
    if campaign.archived_at is not None:
        raise Conflict("The campaign is archived already.")
    is_same = content_of(campaign).model_dump(mode="json") == outcome["content"]
    if campaign.state != "draft" or not is_same:
        raise Conflict("Somebody has worked on this campaign since. Archive it in Campaigns if it is not wanted.")
    archive_campaign(campaign.id)


ACTION: Action[DraftEmailCampaign] = Action(
    key="draft_email_campaign",
    label="Draft an e-mail campaign",
    accept="Turn into campaign",
    payload=DraftEmailCampaign,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. What it had made is archived.",
    find_address=lambda outcome: f"/campaigns/{int(outcome['campaign_id'])}/content",
    done="The draft is in Campaigns. Nothing is sent yet.",
    edits=(
        Edit("name", "Name", ("name",)),
        Edit("subject", "Subject", ("content", "subject")),
        Edit("preheader", "Preheader", ("content", "preheader"), is_required=False),
    ),
)
