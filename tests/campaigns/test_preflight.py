"""What the preflight finds, and that each finding leads to the field where it is put right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from campaigns.drafting import change_content
from campaigns.dry_run import AT_ONCE, dry_run_campaign, ensure_dry_run, find_dry_run
from campaigns.preflight import Check, Preflight, check_campaign, check_sender_domain
from extensions import db
from models import Campaign, Contact
from tests import makers
from tests.campaigns.ledger_scene import make_contacts, make_segment

FOOT = {"kind": "footer", "text": ""}


def run_preflight(content: dict[str, Any] | None = None, *, people: int = 3) -> Preflight:
    segment_id = make_segment(make_contacts(people)).id
    return check_campaign(makers.make_campaign(content=content, segment_id=segment_id))


def with_blocks(*blocks: dict[str, Any], subject: str = "Hello") -> dict[str, Any]:
    return {"subject": subject, "blocks": [{"kind": "text", "text": "Words"}, *blocks, FOOT]}


def the_blocker(preflight: Preflight) -> Check:
    assert len(preflight.blockers) == 1, preflight.blockers
    return preflight.blockers[0]


def test_a_whole_campaign_is_ready(app: Flask) -> None:
    preflight = run_preflight()
    assert preflight.blockers == []
    assert preflight.is_ready
    assert preflight.dry_run is not None and preflight.dry_run.checked == 3


def test_a_campaign_without_an_audience_is_blocked_at_the_segment(app: Flask) -> None:
    blocker = the_blocker(check_campaign(makers.make_campaign()))
    assert (blocker.step, blocker.field) == ("audience", "segment_id")


def test_an_audience_of_nobody_blocks(app: Flask) -> None:
    segment_id = make_segment(make_contacts(3, subscription="none")).id
    blocker = the_blocker(check_campaign(makers.make_campaign(segment_id=segment_id)))
    assert blocker.title == "Nobody would receive this"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"subject": "", "blocks": [{"kind": "text", "text": "Words"}]}, "subject"),
        ({"subject": "Hello", "blocks": []}, "blocks"),
        (with_blocks({"kind": "button", "label": "Go", "url": ""}), "blocks-1-url"),
        (with_blocks({"kind": "button", "label": "Go", "url": "javascript:alert(1)"}), "blocks-1-url"),
        (with_blocks({"kind": "button", "label": "Go", "url": "data:text/html,x"}), "blocks-1-url"),
        (with_blocks({"kind": "button", "label": "Go", "url": "#"}), "blocks-1-url"),
        (with_blocks({"kind": "button", "label": "Go", "url": "https://"}), "blocks-1-url"),
        (with_blocks({"kind": "button", "label": "Go", "url": "www.lumen.example"}), "blocks-1-url"),
        (with_blocks({"kind": "text", "text": "See [it](vbscript:x)"}), "blocks-1-text"),
        (with_blocks({"kind": "image", "url": "file:///etc/passwd", "alt": "x"}), "blocks-1-url"),
        (with_blocks({"kind": "columns", "columns": [{"label": "a", "url": "nowhere"}, {}]}), "blocks-1-columns-0-url"),
        (with_blocks(subject="Hello {{first_nam|x}}"), "subject"),
        (with_blocks(subject="Hello {{config.SECRET_KEY}}"), "subject"),
        (with_blocks({"kind": "text", "text": "Hello {{ 7*7 }}"}), "blocks-1-text"),
    ],
)
def test_what_would_not_work_blocks_and_leads_to_its_field(app: Flask, content: dict[str, Any], field: str) -> None:
    preflight = run_preflight(content)
    assert field in {blocker.field for blocker in preflight.blockers}
    assert {blocker.step for blocker in preflight.blockers} == {"content"}
    assert not preflight.is_ready


def test_people_without_a_value_are_counted_one_by_one(app: Flask) -> None:
    ids = make_contacts(10)
    db.session.execute(update(Contact).where(Contact.id.in_(ids[:4])).values(name=None))
    db.session.commit()
    content = with_blocks(subject="Hello {{first_name}}")
    blocker = the_blocker(check_campaign(makers.make_campaign(content=content, segment_id=make_segment(ids).id)))
    assert blocker.title == "4 people without a value for first_name"


@pytest.mark.parametrize("tag", ["{{first_name|friend}}", "{{first_name|}}"])
def test_a_fallback_is_enough_and_may_be_nothing(app: Flask, tag: str) -> None:
    ids = make_contacts(3)
    db.session.execute(update(Contact).values(name=None))
    db.session.commit()
    content = with_blocks(subject=f"Hello {tag}")
    assert check_campaign(makers.make_campaign(content=content, segment_id=make_segment(ids).id)).is_ready


def test_a_value_with_a_line_break_in_the_subject_blocks(app: Flask) -> None:
    ids = make_contacts(3)
    evil = {"plan": "pro\r\nBcc: everybody@lumen.example"}
    db.session.execute(update(Contact).where(Contact.id == ids[0]).values(attributes=evil))
    db.session.commit()
    content = with_blocks(subject="Your plan: {{attributes.plan|none}}")
    blocker = the_blocker(check_campaign(makers.make_campaign(content=content, segment_id=make_segment(ids).id)))
    assert blocker.title == "1 person could not be written to"


def test_a_message_over_102_kb_blocks(app: Flask) -> None:
    long = [{"kind": "text", "text": "words and more " * 1300} for _ in range(6)]
    assert "too large" in the_blocker(run_preflight(with_blocks(*long))).title


@pytest.mark.parametrize(("setting", "title"), [("MAIL_FROM", "No sender"), ("POSTAL_ADDRESS", "postal address")])
def test_sender_and_postal_address_must_be_set(
    app: Flask, make_app: Callable[..., Flask], setting: str, title: str
) -> None:
    segment_id = make_segment(make_contacts(2)).id
    campaign_id = makers.make_campaign(segment_id=segment_id).id
    with make_app(**{setting: ""}).app_context():
        preflight = check_campaign(db.session.get_one(Campaign, campaign_id))
        assert title in the_blocker(preflight).title
        assert the_blocker(preflight).step == "channels"
        db.session.remove()
        db.engine.dispose()


def test_far_more_people_than_usual_is_a_warning(app: Flask) -> None:
    ids = make_contacts(700)
    small = makers.make_campaign(segment_id=make_segment(ids[:20]).id)
    db.session.execute(update(Campaign).values(launched_at=datetime.now(UTC), planned_count=20, state="finished"))
    db.session.commit()
    preflight = check_campaign(makers.make_campaign(segment_id=make_segment(ids).id))
    assert small.id
    assert "700 is far more than usual" in [check.title for check in preflight.checks if check.kind == "warning"]
    assert preflight.is_ready


def test_a_schedule_that_has_passed_blocks(app: Flask) -> None:
    segment_id = make_segment(make_contacts(2)).id
    campaign = makers.make_campaign(segment_id=segment_id)
    campaign.scheduled_at = datetime.now(UTC) - timedelta(hours=1)
    db.session.commit()
    assert the_blocker(check_campaign(campaign)).step == "schedule"


def test_plain_http_and_examples_are_warnings_and_nothing_is_fetched(app: Flask) -> None:
    content = with_blocks(
        {"kind": "button", "label": "Go", "url": "http://shop.lumen.example/"},
        {"kind": "button", "label": "Go", "url": "https://example.com/"},
        {"kind": "image", "url": "https://cdn.lumen.example/a.png", "alt": ""},
    )
    preflight = run_preflight(content)
    warned = {check.field for check in preflight.checks if check.kind == "warning"}
    assert {"blocks-1-url", "blocks-2-url", "blocks-3-alt"} <= warned
    assert preflight.is_ready


def test_a_large_audience_is_looked_at_by_the_worker(app: Flask) -> None:
    ids = make_contacts(AT_ONCE + 1)
    db.session.execute(update(Contact).where(Contact.id == ids[-1]).values(name=None))
    db.session.commit()
    content = with_blocks(subject="Hello {{first_name}}")
    campaign = makers.make_campaign(content=content, segment_id=make_segment(ids).id)
    first = check_campaign(campaign)
    assert first.is_waiting and not first.is_ready
    waiting = db.session.execute(text("SELECT args FROM procrastinate_jobs WHERE task_name = 'dry_run_campaign'"))
    arguments = waiting.scalar_one()
    db.session.rollback()
    dry_run_campaign(**arguments)
    db.session.expire_all()
    assert the_blocker(check_campaign(campaign)).title == "1 person without a value for first_name"


def test_a_dry_run_is_kept_until_the_content_changes(app: Flask) -> None:
    campaign = makers.make_campaign(segment_id=make_segment(make_contacts(5)).id)
    first = ensure_dry_run(campaign, 5)
    db.session.expire_all()
    found = find_dry_run(campaign)
    assert found is not None and found.at == first.at
    change_content(campaign.id, with_blocks(subject="Other words"), made_by="Ada")
    assert find_dry_run(db.session.scalars(select(Campaign)).one()) is None


def test_a_dry_run_of_older_content_leaves_the_campaign_alone(app: Flask) -> None:
    campaign = makers.make_campaign(segment_id=make_segment(make_contacts(5)).id)
    dry_run_campaign(campaign.id, "of another content")
    assert find_dry_run(campaign) is None


def test_the_domain_is_only_ever_a_warning(app: Flask) -> None:
    assert {check.kind for check in check_sender_domain()} <= {"warning", "good"}
