"""Adds a segment by rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from agents.actions.base import Action, Edit, Name, Outcome, Payload
from audience.rules import validate_rules
from audience.segments import add_segment, archive_segment, list_segments
from errors import Conflict, InputInvalid, NotFound
from models import Proposal


class DraftSegment(Payload):
    """A segment by rules."""

    name: Name
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    rules: dict[str, Any]
    made_by: Annotated[str, StringConstraints(max_length=80)] = "Email & CRM"


def _check(payload: DraftSegment) -> None:
    validate_rules(payload.rules)
    if any(segment.name.lower() == payload.name.lower() for segment in list_segments()):
        raise InputInvalid({"name": "There is a segment of this name already."})


def _describe(payload: DraftSegment) -> str:
    return f"Adds the segment “{payload.name}”. No contact is changed by it."


def _carry_out(payload: DraftSegment, _proposal: Proposal, _user_id: int | None) -> Outcome:
    segment = add_segment(payload.name, rules=payload.rules, description=payload.description, made_by=payload.made_by)
    return {"segment_id": segment.id}


def _undo(outcome: Mapping[str, Any]) -> None:
    try:
        archive_segment(int(outcome["segment_id"]))
    except NotFound as error:
        raise Conflict("The segment is gone already.") from error


ACTION: Action[DraftSegment] = Action(
    key="draft_segment",
    label="Add a segment",
    accept="Save as segment",
    payload=DraftSegment,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. The segment is archived.",
    find_address=lambda outcome: f"/segments/{int(outcome['segment_id'])}",
    done="The segment is there.",
    edits=(Edit("name", "Name", ("name",)),),
)
