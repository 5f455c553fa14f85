"""The approvals page: what waits, what was decided, and each way to decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient

from agents import get_agent
from agents.proposals import add_proposal
from agents.runner import carry_out_run
from agents.runs import start_run
from agents.tasks.campaign.brief import CampaignBrief
from campaigns.brand import change_brand
from extensions import db
from models import Proposal
from tests.agents.conftest import BRAND

SignIn = Callable[..., FlaskClient]


def text_of(client: FlaskClient, path: str = "/approvals/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser").get_text(" ", strip=True)


@pytest.fixture
def proposal_id(app: Flask) -> int:
    change_brand(BRAND, actor="tests")
    agent = get_agent("email_crm")
    brief = CampaignBrief(goal="Sell the first flush", offer="The first flush is here")
    run_id = start_run(agent, agent.tasks[0], brief, user_id=None).id
    carry_out_run(run_id)
    proposal_id = add_proposal(run_id).id
    db.session.rollback()
    return proposal_id


def test_nothing_proposed_leads_to_the_agent(sign_in: SignIn) -> None:
    assert "Nothing has been proposed yet" in text_of(sign_in("viewer"))


def test_a_proposal_shows_what_will_happen_and_on_what_grounds(sign_in: SignIn, proposal_id: int) -> None:
    client = sign_in("marketer")
    assert "Nothing is sent" in text_of(client)
    page = text_of(client, f"/approvals/{proposal_id}")
    for words in ("Expected effect", "Evidence", "Brand page : 100% complete", "Can be undone", "Confidence"):
        assert words in page


def test_approving_leads_to_the_draft_and_can_be_undone(sign_in: SignIn, proposal_id: int) -> None:
    client = sign_in("marketer")
    answer = client.post(f"/approvals/{proposal_id}/approve", data={"note": "Good"})
    assert answer.headers["Location"].startswith("/campaigns/")
    assert "Approved and done" in text_of(client)
    client.post(f"/approvals/{proposal_id}/undo")
    assert "Undone" in text_of(client, f"/approvals/{proposal_id}")


def test_refusing_keeps_the_note(sign_in: SignIn, proposal_id: int) -> None:
    client = sign_in("marketer")
    client.post(f"/approvals/{proposal_id}/refuse", data={"note": "The tone is off"})
    assert "The tone is off" in text_of(client)


def test_an_edit_with_a_mistake_keeps_the_text(sign_in: SignIn, proposal_id: int) -> None:
    client = sign_in("marketer")
    data = {"name": "My name", "subject": "Hello {{secret_key}}", "preheader": ""}
    answer = client.post(f"/approvals/{proposal_id}/edit", data=data)
    assert answer.status_code == 422
    assert "Hello {{secret_key}}" in answer.get_data(as_text=True)
    assert client.post(f"/approvals/{proposal_id}/edit", data={**data, "subject": "Good"}).status_code == 303


def test_a_viewer_sees_and_cannot_decide(sign_in: SignIn, proposal_id: int) -> None:
    client = sign_in("viewer")
    assert "Approve" not in text_of(client, f"/approvals/{proposal_id}").replace("Approvals", "")
    for action in ("approve", "refuse", "edit", "undo"):
        assert client.post(f"/approvals/{proposal_id}/{action}").status_code == 403


def test_a_proposal_that_this_lux_does_not_know_is_shown_and_cannot_be_approved(sign_in: SignIn) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=1)
    strange = Proposal(
        agent="analytics", action="launch_rocket", title="Launch", payload={}, reason="", expires_at=expires_at
    )
    db.session.add(strange)
    db.session.commit()
    strange_id = strange.id
    client = sign_in("owner")
    assert "cannot be approved here" in text_of(client)
    assert "cannot be approved here" in text_of(client, f"/approvals/{strange_id}")
    assert client.post(f"/approvals/{strange_id}/approve").status_code == 404
