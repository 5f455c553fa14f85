"""What a proposal can do once a person approves it; the noun packages do it, never the model.

To add an action, write its payload, what it does and how it is undone, and list it in ACTIONS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from agents.drafts import path_of, sentence_of
from audience.rules import validate_rules
from audience.segments import add_segment, archive_segment, find_segment, list_segments
from campaigns.content import read_content
from campaigns.drafting import archive_campaign, content_of, draft_campaign, get_campaign
from campaigns.mail_brand import get_mail_brand
from campaigns.rendering import render_campaign
from errors import Conflict, InputInvalid, NotFound
from models import Proposal

PayloadT = TypeVar("PayloadT", bound=BaseModel)
Outcome = dict[str, Any]


class DraftEmailCampaign(BaseModel):
    """A campaign draft: name, goal, segment, content."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    goal: Annotated[str, StringConstraints(max_length=2000)] = ""
    segment_id: int | None = None
    content: dict[str, Any]


@dataclass(frozen=True)
class Action(Generic[PayloadT]):
    """One thing that can be proposed. `carry_out` and `undo` may end the caller's transaction."""

    key: str
    label: str
    payload: type[PayloadT]
    check: Callable[[PayloadT], None]
    describe: Callable[[PayloadT], str]
    carry_out: Callable[[PayloadT, Proposal, int | None], Outcome]
    undo: Callable[[Mapping[str, Any]], None]
    find_address: Callable[[Mapping[str, Any]], str]
    done: str
    days_valid: int = 14


def _check_campaign(payload: DraftEmailCampaign) -> None:
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


def _describe_campaign(payload: DraftEmailCampaign) -> str:
    segment = find_segment(payload.segment_id) if payload.segment_id is not None else None
    whom = f"for the segment “{segment.name}”" if segment else "without a segment yet"
    return f"Adds the draft “{payload.name}” to Campaigns, {whom}. Nothing is sent: you go on in the wizard."


def _draft_campaign(payload: DraftEmailCampaign, proposal: Proposal, user_id: int | None) -> Outcome:
    campaign = draft_campaign(
        name=payload.name,
        goal=payload.goal,
        segment_id=payload.segment_id,
        content=payload.content,
        made_by="Email & CRM",
        proposal_id=proposal.id,
        created_by_id=user_id,
        note="From an approved proposal",
    )
    return {"campaign_id": campaign.id, "content": campaign.content}


def _undo_campaign(outcome: Mapping[str, Any]) -> None:
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


def _campaign_address(outcome: Mapping[str, Any]) -> str:
    return f"/campaigns/{int(outcome['campaign_id'])}/content"


class DraftSegment(BaseModel):
    """A segment by rules."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    rules: dict[str, Any]


def _check_segment(payload: DraftSegment) -> None:
    validate_rules(payload.rules)
    if any(segment.name.lower() == payload.name.lower() for segment in list_segments()):
        raise InputInvalid({"name": "There is a segment of this name already."})


def _describe_segment(payload: DraftSegment) -> str:
    return f"Adds the segment “{payload.name}”. No contact is changed by it."


def _add_segment(payload: DraftSegment, _proposal: Proposal, _user_id: int | None) -> Outcome:
    segment = add_segment(payload.name, rules=payload.rules, description=payload.description, made_by="Email & CRM")
    return {"segment_id": segment.id}


def _undo_segment(outcome: Mapping[str, Any]) -> None:
    try:
        archive_segment(int(outcome["segment_id"]))
    except NotFound as error:
        raise Conflict("The segment is gone already.") from error


def _segment_address(outcome: Mapping[str, Any]) -> str:
    return f"/segments/{int(outcome['segment_id'])}"


ACTIONS: list[Action[Any]] = [
    Action(
        key="draft_email_campaign",
        label="Draft an e-mail campaign",
        payload=DraftEmailCampaign,
        check=_check_campaign,
        describe=_describe_campaign,
        carry_out=_draft_campaign,
        undo=_undo_campaign,
        find_address=_campaign_address,
        done="The draft is in Campaigns. Nothing is sent yet.",
    ),
    Action(
        key="draft_segment",
        label="Add a segment",
        payload=DraftSegment,
        check=_check_segment,
        describe=_describe_segment,
        carry_out=_add_segment,
        undo=_undo_segment,
        find_address=_segment_address,
        done="The segment is there.",
    ),
]


def find_action(key: str) -> Action[Any] | None:
    """The action of that key, or None: another LUX may have proposed it."""
    return next((action for action in ACTIONS if action.key == key), None)


def get_action(key: str) -> Action[Any]:
    """The action of that key; raises NotFound."""
    action = find_action(key)
    if action is None:
        raise NotFound("This LUX does not know what this proposal would do.")
    return action


def read_payload(action: Action[Any], payload: Mapping[str, Any]) -> Any:
    """The payload as typed and checked values. Raises InputInvalid by field."""
    try:
        typed = action.payload.model_validate(dict(payload))
    except ValidationError as error:
        raise InputInvalid({path_of(one["loc"]): sentence_of(one) for one in reversed(error.errors())}) from error
    action.check(typed)
    return typed
