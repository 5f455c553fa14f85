"""Draws a picture in one or several sizes and adds it to the library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from agents.actions.base import Action, Edit, Name, Outcome, Payload
from creative.assets import archive_asset, checked_alt
from creative.drawings import LAYOUTS, draft_drawings, get_place, read_design
from errors import Conflict, NotFound
from models import Proposal


class AddAsset(Payload):
    """A picture: its name, its words for those who do not see it, its design, and the sizes."""

    name: Name
    alt: Annotated[str, StringConstraints(max_length=300)]
    design: dict[str, str]
    places: Annotated[list[str], Field(min_length=1, max_length=10)]
    made_by: Annotated[str, StringConstraints(max_length=80)] = "Creative & Design"


def _check(payload: AddAsset) -> None:
    """Raises InputInvalid when this could not be drawn."""
    read_design(payload.design)
    checked_alt(payload.alt)
    for key in payload.places:
        get_place(key)


def _describe(payload: AddAsset) -> str:
    places = ", ".join(get_place(key).label for key in dict.fromkeys(payload.places))
    layout = LAYOUTS[read_design(payload.design).layout][0]
    return f"Draws “{payload.design['headline']}” in the layout {layout} and adds it to Pictures. Made for: {places}."


def _carry_out(payload: AddAsset, proposal: Proposal, user_id: int | None) -> Outcome:
    assets = draft_drawings(
        read_design(payload.design),
        [get_place(key) for key in dict.fromkeys(payload.places)],
        name=payload.name,
        alt=payload.alt,
        made_by=payload.made_by,
        proposal_id=proposal.id,
        created_by_id=user_id,
    )
    return {"asset_ids": [asset.id for asset in assets]}


def _undo(outcome: Mapping[str, Any]) -> None:
    try:
        for asset_id in outcome["asset_ids"]:
            archive_asset(int(asset_id))
    except NotFound as error:
        raise Conflict("The picture is gone already.") from error


ACTION: Action[AddAsset] = Action(
    key="add_asset",
    label="Draw a picture",
    accept="Add to Pictures",
    payload=AddAsset,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. The pictures are archived; messages that show one go on showing it.",
    find_address=lambda outcome: f"/campaigns/library/{int(outcome['asset_ids'][0])}",
    done="It is in Pictures. An image block of a campaign can show it.",
    edits=(
        Edit("headline", "Headline", ("design", "headline")),
        Edit("sub", "Line below", ("design", "sub"), is_required=False),
        Edit("call", "Button", ("design", "call"), is_required=False),
        Edit("alt", "Words for those who do not see it", ("alt",)),
    ),
)
