"""A campaign while it is being made: adding, its goal and audience, its content with every version kept.

Nothing that a person typed is ever overwritten without a version that still holds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from campaigns.content import Content, read_content
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from lib.clean_text import clean_text, one_line
from models import Campaign, CampaignVersion, Segment

SHARED_VERSION_MINUTES = 10
LONGEST_NAME = 120
LONGEST_GOAL = 2000
GONE = "There is no such campaign."
CHANGED_ELSEWHERE = "{who} changed this draft in the meantime. Your text is kept here; look at theirs before you save."
NO_DRAFT = "This campaign is not a draft any more, so it cannot be changed. Copy it to go on from here."


def get_campaign(campaign_id: int) -> Campaign:
    """The campaign. Raises NotFound."""
    campaign = db.session.get(Campaign, campaign_id)
    if campaign is None:
        raise NotFound(GONE)
    return campaign


def get_draft(campaign_id: int) -> Campaign:
    """The campaign with its row locked, for a change. Raises NotFound, and Conflict when it is no draft any more."""
    campaign = db.session.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    if campaign is None or campaign.archived_at is not None:
        raise NotFound(GONE)
    if campaign.state != "draft":
        raise Conflict(NO_DRAFT)
    return campaign


def get_open_draft(campaign_id: int) -> Campaign:
    """The draft, to be read and not locked. Raises NotFound, and Conflict when it is no draft any more."""
    campaign = get_campaign(campaign_id)
    if campaign.archived_at is not None:
        raise NotFound(GONE)
    if campaign.state != "draft":
        raise Conflict(NO_DRAFT)
    return campaign


def add_campaign(
    *,
    name: str,
    made_by: str,
    goal: str = "",
    segment_id: int | None = None,
    content: Mapping[str, Any] | None = None,
    proposal_id: int | None = None,
    created_by_id: int | None = None,
    note: str = "",
) -> Campaign:
    """A new draft with its first version; commits. Raises InputInvalid."""
    campaign = draft_campaign(
        name=name,
        made_by=made_by,
        goal=goal,
        segment_id=segment_id,
        content=content,
        proposal_id=proposal_id,
        created_by_id=created_by_id,
        note=note,
    )
    db.session.commit()
    return campaign


def draft_campaign(
    *,
    name: str,
    made_by: str,
    goal: str = "",
    segment_id: int | None = None,
    content: Mapping[str, Any] | None = None,
    proposal_id: int | None = None,
    created_by_id: int | None = None,
    note: str = "",
) -> Campaign:
    """The same within the caller's transaction: nothing is committed here. Raises InputInvalid."""
    checked = read_content(content or {})
    campaign = Campaign(
        name=_checked_name(name),
        goal=_checked_goal(goal),
        segment_id=_checked_segment(segment_id),
        content=checked.model_dump(mode="json"),
        version=1,
        proposal_id=proposal_id,
        created_by_id=created_by_id,
    )
    db.session.add(campaign)
    db.session.flush()
    _add_version(campaign, 1, made_by, note)
    return campaign


def change_goal(campaign_id: int, *, name: str, goal: str) -> Campaign:
    """Changes name and goal; commits. Raises InputInvalid, Conflict, NotFound."""
    campaign = get_draft(campaign_id)
    campaign.name, campaign.goal = _checked_name(name), _checked_goal(goal)
    return _touched(campaign)


def change_audience(campaign_id: int, segment_id: int | None) -> Campaign:
    """Changes whom the campaign goes to; commits. Raises InputInvalid, Conflict, NotFound."""
    campaign = get_draft(campaign_id)
    campaign.segment_id = _checked_segment(segment_id)
    return _touched(campaign)


def change_schedule(campaign_id: int, *, at: datetime | None, timezone: str) -> Campaign:
    """Changes when the campaign goes out, None: as soon as it is launched; commits.

    Raises InputInvalid, Conflict, NotFound.
    """
    if at is not None and at < datetime.now(UTC) + timedelta(minutes=1):
        raise InputInvalid({"time": "This moment has passed. Choose one that is still to come."})
    campaign = get_draft(campaign_id)
    campaign.scheduled_at, campaign.timezone = at, timezone
    return _touched(campaign)


def change_content(
    campaign_id: int,
    content: Mapping[str, Any],
    *,
    made_by: str,
    based_on: str | None = None,
    is_autosave: bool = False,
    note: str = "",
) -> Campaign:
    """Saves content as the current version; commits.

    Autosaves of one person in a row share a version for some minutes. `based_on` is the mark_of() the content that the
    person began with: text that began with an older state never takes the place of a version. Raises Conflict when
    somebody else has changed the draft since, InputInvalid, NotFound.
    """
    checked = read_content(content)
    campaign = get_draft(campaign_id)
    if mark_of(campaign.content) == mark_of(checked.model_dump(mode="json")):
        db.session.rollback()
        return get_campaign(campaign_id)
    newest = _newest_version(campaign)
    is_stale = based_on is not None and based_on != mark_of(campaign.content)
    if is_stale and newest is not None and newest.made_by != made_by:
        db.session.rollback()
        raise Conflict(CHANGED_ELSEWHERE.format(who=newest.made_by))
    _keep(campaign, checked, newest, made_by=made_by, note=note, can_share=is_autosave and not is_stale)
    return _touched(campaign)


def restore_version(campaign_id: int, number: int, *, made_by: str) -> Campaign:
    """Makes an older version the current one, as a version of its own; commits. Raises NotFound, Conflict."""
    campaign = get_draft(campaign_id)
    version = get_version(campaign_id, number)
    _keep(
        campaign,
        read_content(version.content),
        _newest_version(campaign),
        made_by=made_by,
        note=f"Version {number} restored",
        can_share=False,
    )
    return _touched(campaign)


def copy_campaign(campaign_id: int, *, made_by: str, created_by_id: int | None = None) -> Campaign:
    """A new draft with the same goal, audience and content; commits. Raises NotFound."""
    campaign = get_campaign(campaign_id)
    return add_campaign(
        name=f"{campaign.name[: LONGEST_NAME - 7]} (copy)",
        goal=campaign.goal,
        segment_id=_segment_if_there(campaign.segment_id),
        content=campaign.content,
        made_by=made_by,
        created_by_id=created_by_id,
        note=f"Copied from “{campaign.name}”",
    )


def archive_campaign(campaign_id: int) -> Campaign:
    """Takes a campaign out of sight; commits. Raises NotFound, and Conflict while it is on its way."""
    campaign = db.session.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    if campaign is None:
        raise NotFound(GONE)
    if campaign.state in ("scheduled", "sending", "paused"):
        raise Conflict("This campaign is on its way. Cancel it first, then archive it.")
    campaign.archived_at = datetime.now(UTC)
    return _touched(campaign)


def list_versions(campaign_id: int, *, most: int = 50) -> list[CampaignVersion]:
    """The newest versions, the newest first."""
    statement = select(CampaignVersion).where(CampaignVersion.campaign_id == campaign_id)
    return list(db.session.scalars(statement.order_by(CampaignVersion.number.desc()).limit(most)))


def get_version(campaign_id: int, number: int) -> CampaignVersion:
    """One version. Raises NotFound."""
    statement = select(CampaignVersion).where(
        CampaignVersion.campaign_id == campaign_id, CampaignVersion.number == number
    )
    version = db.session.scalar(statement)
    if version is None:
        raise NotFound("There is no such version.")
    return version


def content_of(campaign: Campaign) -> Content:
    """The current content as typed values, whatever an older LUX stored."""
    return read_content(campaign.content)


def mark_of(content: Mapping[str, Any]) -> str:
    """A short name for exactly this content; the editor sends it back, so that LUX knows what a save began with."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _keep(
    campaign: Campaign, content: Content, newest: CampaignVersion | None, *, made_by: str, note: str, can_share: bool
) -> None:
    campaign.content = content.model_dump(mode="json")
    if can_share and newest is not None and _is_shared(newest, made_by):
        newest.content = campaign.content
        return
    campaign.version = (newest.number if newest else 0) + 1
    _add_version(campaign, campaign.version, made_by, note)


def _is_shared(version: CampaignVersion, made_by: str) -> bool:
    is_fresh = datetime.now(UTC) - version.created_at < timedelta(minutes=SHARED_VERSION_MINUTES)
    return version.made_by == made_by and not version.note and is_fresh and version.number > 1


def _add_version(campaign: Campaign, number: int, made_by: str, note: str) -> None:
    version = CampaignVersion(
        campaign_id=campaign.id, number=number, content=campaign.content, made_by=made_by, note=note
    )
    db.session.add(version)


def _newest_version(campaign: Campaign) -> CampaignVersion | None:
    statement = select(CampaignVersion).where(CampaignVersion.campaign_id == campaign.id)
    return db.session.scalar(statement.order_by(CampaignVersion.number.desc()).limit(1))


def _touched(campaign: Campaign) -> Campaign:
    campaign.updated_at = func.now()
    db.session.commit()
    return campaign


def _checked_name(name: str) -> str:
    checked = one_line(name)
    if not checked:
        raise InputInvalid({"name": "Give the campaign a name; only your team sees it."})
    if len(checked) > LONGEST_NAME:
        raise InputInvalid({"name": f"Keep the name within {LONGEST_NAME} characters."})
    return checked


def _checked_goal(goal: str) -> str:
    checked = clean_text(goal.replace("\r\n", "\n")).strip()
    if len(checked) > LONGEST_GOAL:
        raise InputInvalid({"goal": f"Keep the goal within {LONGEST_GOAL:,} characters."})
    return checked


def _checked_segment(segment_id: int | None) -> int | None:
    if segment_id is not None and _segment_if_there(segment_id) is None:
        raise InputInvalid({"segment_id": "This segment does not exist any more. Choose another one."})
    return segment_id


def _segment_if_there(segment_id: int | None) -> int | None:
    segment = db.session.get(Segment, segment_id) if segment_id is not None else None
    return segment.id if segment is not None and segment.archived_at is None else None
