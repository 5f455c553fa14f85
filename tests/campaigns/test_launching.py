"""From draft to ledger and to the end: launched once, taken back, paused, cancelled, sent to the missing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from audience.consent import add_suppression
from campaigns.launching import (
    cancel_campaign,
    count_missing,
    launch_campaign,
    pause_campaign,
    resume_campaign,
    retry_failed,
    send_missing,
    start_campaign,
    start_due_campaigns,
    take_back,
)
from campaigns.sending import send_due_messages
from campaigns.tallies import count_states
from errors import Conflict, NotFound
from extensions import db
from models import Campaign, Message
from tests.campaigns.ledger_scene import CONTENT, list_states, make_campaign, make_contacts, start


def test_the_ledger_holds_everybody_who_agreed_and_nobody_else(app: Flask) -> None:
    ids = make_contacts(4)
    ids += make_contacts(2, domain="left.example", subscription="unsubscribed")
    ids += make_contacts(2, domain="silent.example", subscription="none")
    add_suppression("p4@people.example", "test")
    db.session.commit()
    make_contacts(3, domain="others.example")
    campaign_id = start(ids)
    addresses = db.session.scalars(db.select(Message.address).order_by(Message.address)).all()
    assert addresses == ["p1@people.example", "p2@people.example", "p3@people.example"]
    counts = count_states(campaign_id)
    assert (counts.planned, counts.pending, counts.is_balanced) == (3, 3, True)
    assert db.session.get_one(Campaign, campaign_id).planned_count == 3


def test_twenty_parallel_launches_write_one_ledger(app: Flask) -> None:
    campaign = make_campaign(make_contacts(200))
    campaign_id = campaign.id
    launched: list[bool] = []
    planned: list[int] = []

    def press() -> None:
        with app.app_context():
            try:
                launch_campaign(campaign_id, grace_seconds=0)
                launched.append(True)
            except Conflict:
                launched.append(False)
            planned.append(start_campaign(campaign_id))
            db.session.remove()

    db.session.commit()
    presses = [threading.Thread(target=press) for _ in range(20)]
    for one in presses:
        one.start()
    for one in presses:
        one.join(60)
    assert launched.count(True) == 1 and planned == [200] * 20
    assert list_states(campaign_id) == {"pending": 200}
    assert count_states(campaign_id).planned == 200
    jobs = db.session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'send_due_messages'"))
    assert jobs == 1


def test_a_launch_can_be_taken_back_for_a_minute(app: Flask) -> None:
    campaign = launch_campaign(make_campaign(make_contacts(2)).id)
    assert campaign.state == "scheduled" and campaign.launch_at is not None
    assert 55 < (campaign.launch_at - datetime.now(UTC)).total_seconds() <= 60
    assert start_due_campaigns() == 0
    taken = take_back(campaign.id)
    assert (taken.state, taken.launch_at, taken.compiled) == ("draft", None, None)
    assert launch_campaign(campaign.id).state == "scheduled"


def test_the_clock_starts_what_is_due(app: Flask) -> None:
    now, later = make_campaign(make_contacts(2)), make_campaign(make_contacts(1, domain="b.example"))
    later.scheduled_at = datetime.now(UTC) + timedelta(hours=3)
    db.session.commit()
    launch_campaign(now.id, grace_seconds=0)
    launch_campaign(later.id, grace_seconds=0)
    assert start_due_campaigns() == 1
    db.session.expire_all()
    assert (now.state, later.state) == ("sending", "scheduled")
    with pytest.raises(Conflict):
        take_back(now.id)


def test_what_would_not_work_is_not_launched(app: Flask) -> None:
    with pytest.raises(NotFound):
        launch_campaign(4711)
    content = {**CONTENT, "subject": "Hi {{config.secret}}"}
    with pytest.raises(Conflict, match="not a value that LUX knows"):
        launch_campaign(make_campaign(make_contacts(1), content).id)
    audience = make_campaign([])
    audience.segment_id = None
    db.session.commit()
    with pytest.raises(Conflict, match="audience"):
        launch_campaign(audience.id)


def test_a_running_campaign_keeps_the_content_it_was_launched_with(app: Flask) -> None:
    campaign_id = start(make_contacts(1))
    campaign = db.session.get_one(Campaign, campaign_id)
    campaign.content = {"subject": "Changed", "blocks": []}
    db.session.commit()
    assert send_due_messages(campaign_id).sent == 1
    links = db.session.execute(text("SELECT position, url, is_honeypot FROM tracked_links ORDER BY position")).all()
    assert [row[0] for row in links] == [0, 1, 2] and links[0][2] and "{{first_name|x}}" in links[1][1]


def test_pause_and_resume(app: Flask) -> None:
    campaign_id = start(make_contacts(3))
    pause_campaign(campaign_id, "Wait for stock")
    assert send_due_messages(campaign_id).sent == 0
    with pytest.raises(Conflict):
        pause_campaign(campaign_id)
    resume_campaign(campaign_id)
    assert send_due_messages(campaign_id).sent == 3
    with pytest.raises(Conflict):
        resume_campaign(campaign_id)


def test_a_cancelled_campaign_balances_and_can_be_sent_to_the_missing(app: Flask) -> None:
    campaign_id = start(make_contacts(5))
    cancel_campaign(campaign_id)
    assert list_states(campaign_id) == {"suppressed": 5} and count_states(campaign_id).is_balanced
    assert send_due_messages(campaign_id).sent == 0
    assert count_missing(campaign_id) == 5 and send_missing(campaign_id) == 5
    assert count_states(campaign_id).pending == 5
    assert send_due_messages(campaign_id).sent == 5
    assert count_missing(campaign_id) == 0 and send_missing(campaign_id) == 0
    assert count_states(campaign_id).is_balanced


def test_failed_messages_alone_can_be_tried_again(app: Flask) -> None:
    campaign_id = start(make_contacts(4))
    db.session.execute(text("UPDATE messages SET state = 'failed' WHERE id % 2 = 0"))
    db.session.execute(text("UPDATE messages SET state = 'unknown' WHERE id % 2 = 1"))
    db.session.execute(text("UPDATE contacts SET subscription = 'bounced' WHERE email = 'p2@people.example'"))
    db.session.execute(text("UPDATE campaign_tallies SET pending = 0, failed = 2, unknown = 2"))
    db.session.execute(text("UPDATE campaigns SET state = 'finished'"))
    db.session.commit()
    assert count_missing(campaign_id) == 3
    assert retry_failed(campaign_id) == 1
    assert list_states(campaign_id) == {"failed": 1, "pending": 1, "unknown": 2}


def test_an_empty_audience_ends_at_once(app: Flask) -> None:
    campaign_id = start([])
    send_due_messages(campaign_id)
    assert db.session.get_one(Campaign, campaign_id).state == "finished"
