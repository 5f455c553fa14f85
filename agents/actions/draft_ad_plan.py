"""Adds a plan of advertising: its budget, its ads, its audiences. Nothing is bought and nothing runs by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from agents.actions.base import Action, Edit, Name, Outcome, Payload
from audience.segments import find_segment
from errors import Conflict, InputInvalid, NotFound
from models import Proposal
from planning.ad_plans import (
    AdFacts,
    PlanFacts,
    archive_plan,
    checked_ad,
    checked_facts,
    draft_ad,
    draft_plan,
    get_plan,
    put_audience,
)


class PlannedPart(Payload):
    """A channel's share of the budget."""

    channel: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    percent: Annotated[int, Field(ge=0, le=100)]


class ProposedAd(Payload):
    """An ad in one format."""

    format: str
    name: Annotated[str, StringConstraints(max_length=120)] = ""
    headlines: Annotated[list[str], Field(min_length=1, max_length=15)]
    descriptions: Annotated[list[str], Field(min_length=1, max_length=5)]
    link: Annotated[str, StringConstraints(max_length=2000)] = ""


class ProposedAudience(Payload):
    """A segment whom the ads are for, or not."""

    segment_id: int
    is_excluded: bool = False
    note: Annotated[str, StringConstraints(max_length=300)] = ""


class DraftAdPlan(Payload):
    """A plan of advertising."""

    name: Name
    goal: Literal["sales", "contacts", "awareness"] = "contacts"
    note: Annotated[str, StringConstraints(max_length=4000)] = ""
    link: Annotated[str, StringConstraints(max_length=2000)] = ""
    budget: Annotated[str, StringConstraints(max_length=20)] = ""
    parts: Annotated[list[PlannedPart], Field(max_length=12)] = []
    ads: Annotated[list[ProposedAd], Field(max_length=20)] = []
    audiences: Annotated[list[ProposedAudience], Field(max_length=12)] = []
    made_by: Annotated[str, StringConstraints(max_length=80)] = "Advertising & Demand Gen"


def _facts(payload: DraftAdPlan) -> PlanFacts:
    parts = [(one.channel, one.percent) for one in payload.parts]
    return PlanFacts(payload.name, payload.goal, payload.note, payload.link, budget=payload.budget, parts=parts)


def _ad(ad: ProposedAd) -> AdFacts:
    return AdFacts(ad.format, ad.name, ad.headlines, ad.descriptions, ad.link)


def _check(payload: DraftAdPlan) -> None:
    """Raises InputInvalid when this could not become a plan."""
    checked_facts(_facts(payload))
    for at, ad in enumerate(payload.ads):
        try:
            checked_ad(_ad(ad))
        except InputInvalid as error:
            raise InputInvalid({f"ads.{at}.{name}": said for name, said in error.fields.items()}) from error
    for audience in payload.audiences:
        segment = find_segment(audience.segment_id)
        if segment is None or segment.archived_at is not None:
            raise InputInvalid({"audiences": "A segment of this proposal is not there any more."})


def _describe(payload: DraftAdPlan) -> str:
    words = [
        ("ad", "ads", len(payload.ads)),
        ("part of the budget", "parts of the budget", len(payload.parts)),
        ("audience", "audiences", len(payload.audiences)),
    ]
    holds = ", ".join(f"{count} {one if count == 1 else many}" for one, many, count in words if count)
    return f"Adds “{payload.name}” to Ad plans, with {holds or 'no ads yet'}. Nothing is bought and nothing runs by it."


def _carry_out(payload: DraftAdPlan, proposal: Proposal, user_id: int | None) -> Outcome:
    plan = draft_plan(_facts(payload), made_by=payload.made_by, proposal_id=proposal.id, created_by_id=user_id)
    for ad in payload.ads:
        draft_ad(plan, _ad(ad))
    for one in payload.audiences:
        put_audience(plan, one.segment_id, is_excluded=one.is_excluded, note=one.note)
    return {"plan_id": plan.id, "updated_at": plan.updated_at.isoformat()}


def _undo(outcome: Mapping[str, Any]) -> None:
    try:
        plan = get_plan(int(outcome["plan_id"]))
    except NotFound as error:
        raise Conflict("The plan is gone already.") from error
    if plan.archived_at is not None:
        raise Conflict("The plan is archived already.")
    if plan.updated_at.isoformat() != outcome["updated_at"]:
        raise Conflict("Somebody has worked on this plan since. Archive it in Ad plans if it is not wanted.")
    archive_plan(plan.id)


ACTION: Action[DraftAdPlan] = Action(
    key="draft_ad_plan",
    label="Draft an ad plan",
    accept="Turn into ad plan",
    payload=DraftAdPlan,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. The plan is archived.",
    find_address=lambda outcome: f"/campaigns/ad-plans/{int(outcome['plan_id'])}",
    done="The plan is in Ad plans. Nothing runs yet: download the networks’ files there.",
    edits=(Edit("name", "Name", ("name",)), Edit("link", "Link", ("link",), is_required=False)),
)
