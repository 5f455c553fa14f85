"""The page of a campaign on its way: every figure leads to its people, every button does what it says once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from campaigns.drafting import get_campaign
from campaigns.sending import send_due_messages
from extensions import db
from models import Message
from tests.campaigns.ledger_scene import list_states, make_contacts, start

FRAGMENTS = ("progress", "acts", "links", "timeline")


@pytest.fixture
def marketer(sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    return sign_in("marketer")


def state_of(campaign_id: int) -> str:
    db.session.rollback()
    return get_campaign(campaign_id).state


def test_each_figure_of_the_balance_leads_to_its_people(marketer: FlaskClient) -> None:
    campaign_id = start(make_contacts(3))
    page = marketer.get(f"/campaigns/{campaign_id}/results").get_data(as_text=True)
    for group in ("planned", "sent", "failed", "suppressed", "unknown", "pending"):
        assert f"/campaigns/{campaign_id}/people?group={group}" in page
        answer = marketer.get(f"/campaigns/{campaign_id}/people?group={group}")
        assert answer.status_code == 200
    assert "p3@people.example" in marketer.get(f"/campaigns/{campaign_id}/people?group=pending").get_data(as_text=True)


def test_the_live_part_asks_again_only_while_something_moves(marketer: FlaskClient) -> None:
    campaign_id = start(make_contacts(3))
    assert 'hx-trigger="every 2s"' in marketer.get(f"/campaigns/{campaign_id}/progress").get_data(as_text=True)
    send_due_messages(campaign_id)
    assert state_of(campaign_id) == "finished"
    done = marketer.get(f"/campaigns/{campaign_id}/progress").get_data(as_text=True)
    assert "hx-trigger" not in done
    assert '<p class="balance__value">3</p>' in done


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_each_fragment_answers_before_and_after(marketer: FlaskClient, fragment: str) -> None:
    campaign_id = start(make_contacts(3))
    assert marketer.get(f"/campaigns/{campaign_id}/{fragment}").status_code == 200
    send_due_messages(campaign_id)
    assert marketer.get(f"/campaigns/{campaign_id}/{fragment}").status_code == 200


def test_pause_resume_and_cancel(marketer: FlaskClient) -> None:
    campaign_id = start(make_contacts(3))
    marketer.post(f"/campaigns/{campaign_id}/pause")
    assert state_of(campaign_id) == "paused"
    assert "Paused by" in marketer.get(f"/campaigns/{campaign_id}/results").get_data(as_text=True)
    marketer.post(f"/campaigns/{campaign_id}/resume")
    assert state_of(campaign_id) == "sending"
    assert "cannot be called back" in marketer.get(f"/campaigns/{campaign_id}/cancel").get_data(as_text=True)
    marketer.post(f"/campaigns/{campaign_id}/cancel")
    assert state_of(campaign_id) == "cancelled"
    page = marketer.get(f"/campaigns/{campaign_id}/results").get_data(as_text=True)
    assert "Send to the missing 3" in page
    marketer.post(f"/campaigns/{campaign_id}/send-missing")
    assert state_of(campaign_id) == "sending"


def test_only_the_failed_are_tried_again(marketer: FlaskClient) -> None:
    campaign_id = start(make_contacts(4))
    states = ("sent", "failed", "unknown", "failed")
    ids = list(db.session.scalars(db.select(Message.id).order_by(Message.id)))
    for message_id, state in zip(ids, states, strict=True):
        db.session.execute(update(Message).where(Message.id == message_id).values(state=state))
    db.session.execute(db.text("UPDATE campaigns SET state = 'finished'"))
    db.session.execute(db.text("UPDATE campaign_tallies SET pending = 0, sent = 1, failed = 2, unknown = 1"))
    db.session.commit()
    page = marketer.get(f"/campaigns/{campaign_id}/results").get_data(as_text=True)
    assert "Send to the missing 3" in page and "Retry the failed only" in page
    marketer.post(f"/campaigns/{campaign_id}/retry-failed")
    assert list_states(campaign_id) == {"sent": 1, "unknown": 1, "pending": 2}


def test_a_button_pressed_too_late_says_so_and_does_nothing(marketer: FlaskClient) -> None:
    campaign_id = start(make_contacts(1))
    send_due_messages(campaign_id)
    for action in ("pause", "resume", "cancel", "take-back"):
        answer = marketer.post(f"/campaigns/{campaign_id}/{action}", follow_redirects=True)
        assert answer.status_code == 200
        assert 'class="toast toast--warn"' in answer.get_data(as_text=True)
    assert state_of(campaign_id) == "finished"


def test_why_is_answered_and_a_wrong_address_is_kept(marketer: FlaskClient) -> None:
    campaign_id = start(make_contacts(1))
    assert "Not yet" in marketer.get(f"/campaigns/{campaign_id}/why?address=p1@people.example").get_data(as_text=True)
    wrong = marketer.get(f"/campaigns/{campaign_id}/why?address=nobody")
    assert wrong.status_code == 422
    assert 'value="nobody"' in wrong.get_data(as_text=True)


@pytest.mark.parametrize("query", ["group=nonsense", "group=sent&after=x", "group=planned&after=99999999999999999999"])
def test_no_address_brings_the_people_down(marketer: FlaskClient, query: str) -> None:
    campaign_id = start(make_contacts(1))
    assert marketer.get(f"/campaigns/{campaign_id}/people?{query}").status_code in (200, 404)


def test_a_viewer_sees_everything_and_stops_nothing(sign_in: Callable[..., FlaskClient]) -> None:
    viewer, campaign_id = sign_in("viewer"), start(make_contacts(1))
    page = viewer.get(f"/campaigns/{campaign_id}/results").get_data(as_text=True)
    assert "Pause" not in page
    for action in ("pause", "cancel", "send-missing", "retry-failed", "take-back", "resume"):
        assert viewer.post(f"/campaigns/{campaign_id}/{action}").status_code == 403
    assert state_of(campaign_id) == "sending"
