"""Results: figures by message with people and machines apart, the people behind each figure, the story over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from campaigns.results import GROUPS, PAGE_ROWS, count_acts, list_links, list_recipients, read_timeline
from campaigns.tallies import count_states
from extensions import db
from models import Campaign, Message, TrackedLink, TrackingEvent
from tests.campaigns.ledger_scene import make_contacts, start


def list_ids(campaign_id: int) -> list[int]:
    return list(db.session.scalars(select(Message.id).where(Message.campaign_id == campaign_id).order_by(Message.id)))


def note(campaign_id: int, message_id: int, kind: str, actor: str, **more: Any) -> None:
    db.session.add(TrackingEvent(campaign_id=campaign_id, message_id=message_id, kind=kind, actor=actor, **more))
    db.session.commit()


def test_an_act_of_a_person_outweighs_the_machines_before_it(app: Flask) -> None:
    campaign_id = start(make_contacts(4))
    one, two, three, _ = list_ids(campaign_id)
    for actor in ("machine", "machine", "unsure", "human", "human"):
        note(campaign_id, one, "open", actor)
    note(campaign_id, two, "open", "machine")
    note(campaign_id, three, "open", "unsure")
    note(campaign_id, three, "open", "machine")
    opened = count_acts(campaign_id)["opened"]
    assert (opened.human, opened.machine, opened.unsure) == (1, 1, 1)
    assert count_acts(campaign_id)["clicked"].human == 0


def test_links_count_messages_and_leave_the_trap_out(app: Flask) -> None:
    campaign_id = start(make_contacts(3))
    ids = list_ids(campaign_id)
    links = list(db.session.scalars(select(TrackedLink).where(~TrackedLink.is_honeypot).order_by(TrackedLink.position)))
    for message_id in ids:
        note(campaign_id, message_id, "click", "human", link_id=links[1].id)
        note(campaign_id, message_id, "click", "human", link_id=links[1].id)
    note(campaign_id, ids[0], "click", "machine", link_id=links[0].id)
    found = list_links(campaign_id)
    assert [(link.url, link.human, link.machine) for link in found] == [(links[1].url, 3, 0), (links[0].url, 0, 1)]


def test_the_people_behind_every_figure_add_up_to_the_plan(app: Flask) -> None:
    campaign_id = start(make_contacts(6))
    ids = list_ids(campaign_id)
    for message_id, state in zip(ids, ("sent", "failed", "suppressed", "unknown", "deferred", "pending"), strict=True):
        db.session.execute(update(Message).where(Message.id == message_id).values(state=state))
    db.session.commit()
    shown = {group: [r.message_id for r in list_recipients(campaign_id, group).recipients] for group in GROUPS}
    assert shown.pop("planned") == ids
    assert shown["pending"] == ids[4:]
    assert sorted(one for group in shown.values() for one in group) == ids


def test_people_come_fifty_at_a_time_and_none_twice(app: Flask) -> None:
    campaign_id = start(make_contacts(PAGE_ROWS * 2 + 7))
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = list_recipients(campaign_id, "planned", after=after)
        seen += [recipient.message_id for recipient in page.recipients]
        after = page.after
    assert seen == list_ids(campaign_id)


def test_those_who_clicked_are_people_only(app: Flask) -> None:
    campaign_id = start(make_contacts(3))
    one, two, _ = list_ids(campaign_id)
    note(campaign_id, one, "click", "human")
    note(campaign_id, two, "click", "machine")
    assert [recipient.message_id for recipient in list_recipients(campaign_id, "clicked").recipients] == [one]


@pytest.mark.parametrize("days", [0, 1, 30, 400])
def test_the_timeline_has_at_most_48_slices_and_loses_nothing(app: Flask, days: int) -> None:
    campaign_id = start(make_contacts(10))
    launched = datetime.now(UTC) - timedelta(days=days, minutes=30)
    campaign = db.session.get_one(Campaign, campaign_id)
    campaign.launched_at = launched
    db.session.execute(update(Message).values(state="sent", finished_at=launched + timedelta(seconds=20)))
    note(campaign_id, list_ids(campaign_id)[0], "open", "human", at=launched + timedelta(days=days, minutes=5))
    told = read_timeline(campaign)
    assert len(told.slices) <= 48
    assert (sum(told.sent), sum(told.opened), sum(told.clicked)) == (10, 1, 0)


def test_a_campaign_that_has_not_started_has_no_timeline(app: Flask) -> None:
    campaign_id = start(make_contacts(1))
    campaign = db.session.get_one(Campaign, campaign_id)
    campaign.launched_at = None
    assert read_timeline(campaign).slices == []


def test_the_balance_of_a_fresh_ledger_holds(app: Flask) -> None:
    counts = count_states(start(make_contacts(5)))
    assert counts.is_balanced
    assert counts.waiting == 5
