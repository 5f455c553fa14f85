"""What proposals can do, in the order of the product's story. To add one, write its file and list it in ACTIONS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agents.actions import (
    add_asset,
    add_calendar_entries,
    add_tasks,
    apply_repair,
    draft_ad_plan,
    draft_article,
    draft_email_campaign,
    draft_posts,
    draft_segment,
    merge_contacts,
    pause_campaign,
    replay_intake,
    reschedule_campaign,
    retry_campaign,
    set_lead_scores,
)
from agents.actions.base import Action
from agents.complaints import path_of, sentence_of
from errors import InputInvalid, NotFound

ACTIONS: list[Action[Any]] = [
    draft_segment.ACTION,
    set_lead_scores.ACTION,
    merge_contacts.ACTION,
    draft_email_campaign.ACTION,
    draft_posts.ACTION,
    draft_article.ACTION,
    add_calendar_entries.ACTION,
    add_asset.ACTION,
    draft_ad_plan.ACTION,
    pause_campaign.ACTION,
    reschedule_campaign.ACTION,
    retry_campaign.ACTION,
    add_tasks.ACTION,
    replay_intake.ACTION,
    apply_repair.ACTION,
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
