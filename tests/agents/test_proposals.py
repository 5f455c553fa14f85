"""Proposals: approved once, edited, refused, undone, expired; nothing invalid is ever proposed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from agents.base import Agent, Task
from agents.drafts import change_draft, get_version, list_differences, list_failures, list_versions, restore_version
from agents.proposals import (
    add_proposal,
    approve_proposal,
    carry_out_now,
    change_proposal,
    expire_proposals,
    find_address,
    get_proposal,
    refuse_proposal,
    undo_proposal,
)
from agents.runner import carry_out_run
from agents.runs import get_run, start_run
from agents.tasks.campaign.brief import CampaignBrief
from campaigns.content import read_content
from campaigns.drafting import change_content
from errors import Conflict, InputInvalid
from extensions import db
from models import AgentRun, Campaign, Proposal, User
from tests.makers import make_user


@pytest.fixture
def run(branded_app: Flask, email_crm: Agent, task: Task[Any, Any], brief: CampaignBrief) -> AgentRun:
    started = start_run(email_crm, task, brief, user_id=None)
    run_id = started.id
    carry_out_run(run_id)
    db.session.rollback()
    return get_run(run_id)


@pytest.fixture
def person(branded_app: Flask) -> User:
    return make_user(role="marketer")


def count_campaigns() -> int:
    return db.session.scalar(select(func.count()).select_from(Campaign).where(Campaign.archived_at.is_(None))) or 0


def test_approving_makes_the_campaign_draft_and_leads_to_it(run: AgentRun, person: User) -> None:
    proposal = approve_proposal(add_proposal(run.id).id, person, note="Good")
    campaign = db.session.get_one(Campaign, (proposal.outcome or {})["campaign_id"])
    assert (campaign.state, campaign.proposal_id, campaign.created_by_id) == ("draft", proposal.id, person.id)
    assert read_content(campaign.content).blocks[0].kind == "heading"
    assert find_address(proposal) == f"/campaigns/{campaign.id}/content"
    assert (proposal.state, proposal.decided_by_id, proposal.decision_note) == ("done", person.id, "Good")


def test_approving_twice_makes_one_campaign(run: AgentRun, person: User) -> None:
    proposal_id = add_proposal(run.id).id
    first = approve_proposal(proposal_id, person).outcome
    assert approve_proposal(proposal_id, person).outcome == first
    assert count_campaigns() == 1


def test_ten_people_approving_at_once_make_one_campaign(branded_app: Flask, run: AgentRun, person: User) -> None:
    proposal_id, person_id = add_proposal(run.id).id, person.id
    db.session.rollback()

    def approve(_number: int) -> str:
        with branded_app.app_context():
            return approve_proposal(proposal_id, db.session.get_one(User, person_id)).state

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(approve, range(10))) == {"done"}
    assert count_campaigns() == 1


def test_turning_a_run_into_a_campaign_twice_makes_one(run: AgentRun, person: User) -> None:
    first = carry_out_now(run.id, person)
    assert carry_out_now(run.id, person).id == first.id
    assert count_campaigns() == 1


def test_sending_for_approval_again_takes_the_newer_version_on(run: AgentRun, person: User) -> None:
    first = add_proposal(run.id).id
    body = {**get_version(run.id, 1).body, "name": "Another name"}
    change_draft(run.id, body, made_by=person.name)
    again = add_proposal(run.id)
    assert (again.id, again.payload["name"]) == (first, "Another name")


def test_refusing_changes_nothing_and_keeps_the_note(run: AgentRun, person: User) -> None:
    proposal = refuse_proposal(add_proposal(run.id).id, person, note="Not now")
    assert (proposal.state, proposal.decision_note, count_campaigns()) == ("refused", "Not now", 0)
    with pytest.raises(Conflict, match="refused"):
        approve_proposal(proposal.id, person)


def test_an_edit_is_what_gets_carried_out(run: AgentRun, person: User) -> None:
    proposal_id = add_proposal(run.id).id
    change_proposal(proposal_id, person, {"name": "Mine", "subject": "My own subject", "preheader": ""})
    outcome = approve_proposal(proposal_id, person).outcome or {}
    campaign = db.session.get_one(Campaign, outcome["campaign_id"])
    assert (campaign.name, campaign.content["subject"]) == ("Mine", "My own subject")


def test_an_edit_that_could_not_be_sent_is_refused(run: AgentRun, person: User) -> None:
    proposal_id = add_proposal(run.id).id
    for subject in ("", "Hello {{secret_key}}", "Two\nlines"):
        with pytest.raises(InputInvalid):
            change_proposal(proposal_id, person, {"name": "Mine", "subject": subject, "preheader": ""})
        db.session.rollback()


def test_undo_archives_an_untouched_draft(run: AgentRun, person: User) -> None:
    proposal = approve_proposal(add_proposal(run.id).id, person)
    assert undo_proposal(proposal.id, person).state == "undone"
    assert count_campaigns() == 0
    assert undo_proposal(proposal.id, person).state == "undone"


def test_undo_leaves_a_draft_alone_that_somebody_has_worked_on(run: AgentRun, person: User) -> None:
    proposal_id = approve_proposal(add_proposal(run.id).id, person).id
    outcome = get_proposal(proposal_id).outcome or {}
    content = {**outcome["content"], "subject": "Somebody's own words"}
    change_content(outcome["campaign_id"], content, made_by="Somebody")
    with pytest.raises(Conflict, match="worked on"):
        undo_proposal(proposal_id, person)
    assert get_proposal(proposal_id).state == "done"
    assert count_campaigns() == 1


def test_an_expired_proposal_cannot_be_approved(run: AgentRun, person: User) -> None:
    proposal_id = add_proposal(run.id).id
    db.session.execute(update(Proposal).values(expires_at=datetime.now(UTC) - timedelta(minutes=1)))
    db.session.commit()
    with pytest.raises(Conflict, match="expired"):
        approve_proposal(proposal_id, person)
    assert expire_proposals() == 1
    assert get_proposal(proposal_id).state == "expired"


@pytest.mark.parametrize(
    "change",
    [
        {"preheader": "Look at https://evil.example/ today, it is the best thing you have ever seen"},
        {"preheader": "Hello {{api_key}}, this is for you and for nobody else in the whole wide world"},
        {"preheader": "Only 3.99 for the cheap tea, and this is more than enough of a preheader"},
    ],
)
def test_a_version_with_a_failed_check_cannot_be_proposed(run: AgentRun, person: User, change: dict[str, Any]) -> None:
    change_draft(run.id, {**get_version(run.id, 1).body, **change}, made_by=person.name)
    assert list_failures(get_run(run.id))
    with pytest.raises(Conflict, match="Put this right first"):
        add_proposal(run.id)
    assert db.session.scalar(select(func.count()).select_from(Proposal)) == 0


def test_a_segment_that_is_gone_stops_the_approval(run: AgentRun, person: User) -> None:
    proposal = add_proposal(run.id)
    proposal.payload = {**proposal.payload, "segment_id": 4242}
    db.session.commit()
    with pytest.raises(InputInvalid, match="segment"):
        approve_proposal(proposal.id, person)
    db.session.rollback()
    assert count_campaigns() == 0


def test_versions_are_kept_compared_and_restored(run: AgentRun, person: User) -> None:
    body = {**get_version(run.id, 1).body, "name": "Another name"}
    change_draft(run.id, body, made_by=person.name)
    found = get_run(run.id)
    kinds = [line.kind for line in list_differences(found, get_version(run.id, 1), get_version(run.id, 2))]
    assert kinds.count("added") == kinds.count("removed") == 1
    restore_version(run.id, 1, made_by=person.name)
    versions = list_versions(run.id)
    assert [version.number for version in versions] == [3, 2, 1]
    assert versions[0].body == versions[2].body
    assert versions[0].note == "Version 1 restored"


def test_autosaves_of_one_person_share_a_version(run: AgentRun, person: User) -> None:
    first = get_version(run.id, 1).body
    for number in range(5):
        change_draft(run.id, {**first, "name": f"Name {number}"}, made_by=person.name, is_autosave=True)
    assert [version.number for version in list_versions(run.id)] == [2, 1]
    assert get_version(run.id, 2).body["name"] == "Name 4"
    assert get_version(run.id, 1).body == first


def test_a_draft_of_the_wrong_shape_is_refused_by_field(run: AgentRun, person: User) -> None:
    body = {**get_version(run.id, 1).body, "subjects": ["One only"]}
    with pytest.raises(InputInvalid) as caught:
        change_draft(run.id, body, made_by=person.name)
    assert "at least 3" in caught.value.fields["subjects"]
