"""What proposals do: each action carried out, undone where it can be, refused where the ground is gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from agents.actions import ACTIONS, get_action, read_payload
from agents.proposals import approve_proposal, undo_proposal
from campaigns.drafting import get_campaign
from campaigns.launching import launch_campaign
from creative.assets import list_assets
from errors import Conflict, InputInvalid, NotAllowed, NotFound
from extensions import db
from models import Campaign, IntakeBody, Proposal, User
from planning.ad_plans import PlanFacts, change_plan, list_plans
from tests.makers import make_campaign, make_contact, make_segment, make_user


def propose(action: str, **payload: Any) -> Proposal:
    deed = get_action(action)
    proposal = Proposal(
        agent="analytics",
        action=action,
        title="Do it",
        payload=read_payload(deed, payload).model_dump(mode="json"),
        reason="",
        is_reversible=deed.is_reversible,
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    db.session.add(proposal)
    db.session.commit()
    return proposal


@pytest.fixture
def person(app: Flask) -> User:
    return make_user(role="operator")


@pytest.fixture
def sending(person: User) -> Campaign:
    campaign = make_campaign()
    campaign.state, campaign.launched_at = "sending", datetime.now(UTC)
    db.session.commit()
    return campaign


def test_each_action_says_what_it_is_and_who_may(app: Flask) -> None:
    for action in ACTIONS:
        assert action.label and action.accept and action.done.endswith(".")
        assert action.role in ("marketer", "operator")
        assert action.days_valid >= 1


def test_a_campaign_is_paused_and_goes_on_again(person: User, sending: Campaign) -> None:
    proposal = approve_proposal(propose("pause_campaign", campaign_id=sending.id, reason="Many leave").id, person)
    assert (get_campaign(sending.id).state, sending.pause_reason) == ("paused", "Many leave")
    undo_proposal(proposal.id, person)
    assert get_campaign(sending.id).state == "sending"


def test_what_is_not_sent_cannot_be_paused(person: User) -> None:
    with pytest.raises(InputInvalid, match="nothing to pause"):
        propose("pause_campaign", campaign_id=make_campaign().id)
    with pytest.raises(InputInvalid, match="not there"):
        propose("pause_campaign", campaign_id=424242)


def test_a_draft_gets_another_time_and_its_old_one_back(person: User) -> None:
    campaign = make_campaign()
    before = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    campaign.scheduled_at, campaign.timezone = before, "UTC"
    db.session.commit()
    at = before + timedelta(hours=5)
    proposal = approve_proposal(propose("reschedule_campaign", campaign_id=campaign.id, at=at.isoformat()).id, person)
    assert get_campaign(campaign.id).scheduled_at == at
    undo_proposal(proposal.id, person)
    assert (get_campaign(campaign.id).scheduled_at, campaign.state) == (before, "draft")


def test_a_launched_campaign_stays_launched_at_its_new_time(person: User) -> None:
    make_contact()
    campaign = make_campaign(segment_id=make_segment().id)
    campaign.scheduled_at, campaign.timezone = datetime.now(UTC) + timedelta(days=2), "UTC"
    db.session.commit()
    launch_campaign(campaign.id)
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    approve_proposal(propose("reschedule_campaign", campaign_id=campaign.id, at=at.isoformat()).id, person)
    again = get_campaign(campaign.id)
    assert (again.state, again.launch_at) == ("scheduled", at)


def test_somebody_elses_time_is_not_undone(person: User) -> None:
    campaign = make_campaign()
    at = datetime.now(UTC) + timedelta(days=3)
    proposal = approve_proposal(propose("reschedule_campaign", campaign_id=campaign.id, at=at.isoformat()).id, person)
    campaign.scheduled_at = at + timedelta(days=1)
    db.session.commit()
    with pytest.raises(Conflict, match="worked on this campaign"):
        undo_proposal(proposal.id, person)


def test_a_time_that_has_passed_is_refused(person: User) -> None:
    with pytest.raises(InputInvalid, match="has passed"):
        propose("reschedule_campaign", campaign_id=make_campaign().id, at=datetime.now(UTC).isoformat())


def test_failed_messages_are_retried_and_that_cannot_be_undone(person: User, sending: Campaign) -> None:
    proposal = approve_proposal(propose("retry_campaign", campaign_id=sending.id).id, person)
    assert (proposal.outcome or {})["count"] == 0
    with pytest.raises(Conflict):
        undo_proposal(proposal.id, person)


def add_dead_body() -> None:
    body = IntakeBody(
        receipt="r1", body=b'{"email": "ann@example.org"}', sha256="a" * 64, state="dead", reason="failed"
    )
    body.content_type = "application/json"
    db.session.add(body)
    db.session.commit()


def test_dead_bodies_are_replayed_by_an_operator_only(person: User) -> None:
    add_dead_body()
    proposal = propose("replay_intake", reason="failed")
    with pytest.raises(NotAllowed, match="operator"):
        approve_proposal(proposal.id, make_user(role="marketer"))
    done = approve_proposal(proposal.id, person)
    assert (done.state, (done.outcome or {})["woken"]) == ("done", 1)
    with pytest.raises(InputInvalid, match="No body is dead"):
        propose("replay_intake", reason="failed")


def test_an_error_group_that_is_gone_cannot_be_repaired(person: User) -> None:
    with pytest.raises(InputInvalid, match="not there"):
        propose("apply_repair", group_id=424242)


DESIGN = {"headline": "The first flush is here", "call": "Try a cup", "layout": "panel", "palette": "bold"}
PICTURE = {"name": "First flush", "alt": "The first flush is here", "design": DESIGN, "places": ["email_header", "x"]}


def test_a_picture_is_drawn_in_each_size_once_and_archived_again(person: User) -> None:
    proposal = approve_proposal(propose("add_asset", **PICTURE).id, person)
    assets = list_assets()
    assert [(one.place, one.proposal_id, one.created_by_id) for one in assets] == [
        ("x", proposal.id, person.id),
        ("email_header", proposal.id, person.id),
    ]
    undo_proposal(proposal.id, person)
    assert list_assets() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"design": {**DESIGN, "headline": "🎉"}}, "cannot be drawn"),
        ({"design": {**DESIGN, "script": "x"}}, "does not belong"),
        ({"places": ["billboard"]}, "Choose where"),
        ({"places": []}, "places|at least"),
        ({"alt": ""}, "cannot see it"),
        ({"svg": "<svg/>"}, "."),
    ],
)
def test_what_cannot_be_drawn_is_not_proposed(person: User, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputInvalid, match=words):
        propose("add_asset", **{**PICTURE, **changes})


def plan_payload(**changes: Any) -> dict[str, Any]:
    ad = {"format": "meta_feed", "headlines": ["Tea"], "descriptions": ["Good tea."], "link": "https://tea.example"}
    return {
        "name": "Spring tea",
        "budget": "100.50",
        "parts": [{"channel": "All", "percent": 100}],
        "ads": [ad],
    } | changes


def test_a_plan_of_ads_is_made_with_all_that_is_in_it_and_archived_again(person: User) -> None:
    segment = make_segment()
    audience = {"segment_id": segment.id, "is_excluded": True, "note": "leave out"}
    proposal = approve_proposal(propose("draft_ad_plan", **plan_payload(audiences=[audience])).id, person)
    (plan,) = list_plans()
    assert (plan.name, plan.budget_cents, len(plan.ads), plan.audiences[0].is_excluded) == (
        "Spring tea",
        10_050,
        1,
        True,
    )
    undo_proposal(proposal.id, person)
    assert list_plans() == []


def test_a_plan_that_somebody_has_worked_on_is_not_undone(person: User) -> None:
    proposal = approve_proposal(propose("draft_ad_plan", **plan_payload()).id, person)
    change_plan(list_plans()[0].id, PlanFacts(name="Mine now"))
    with pytest.raises(Conflict, match="worked on this plan"):
        undo_proposal(proposal.id, person)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "=cmd"}, "begins with a letter"),
        ({"parts": [{"channel": "All", "percent": 90}]}, "100 %"),
        ({"ads": [{"format": "tv", "headlines": ["x"], "descriptions": ["x"]}]}, "format"),
        ({"ads": [{"format": "meta_feed", "headlines": ["x" * 41], "descriptions": ["x"]}]}, "takes 40"),
        ({"audiences": [{"segment_id": 424242}]}, "not there any more"),
    ],
)
def test_a_plan_that_cannot_be_is_not_proposed(person: User, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputInvalid, match=words):
        propose("draft_ad_plan", **plan_payload(**changes))


def test_an_unknown_deed_is_not_found() -> None:
    with pytest.raises(NotFound):
        get_action("launch_rocket")
