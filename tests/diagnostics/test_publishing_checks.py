"""Outgoing webhooks in health: which keep failing, and which rest while posts wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from diagnostics.health import check_health
from diagnostics.publishing_checks import check_outgoing_webhooks
from extensions import db
from publishing.deliveries import resume_deliveries, send_test, send_webhook_deliveries, start_due_posts
from publishing.posts import PostDraft, add_post, plan_post
from publishing.webhooks import WebhookDraft, add_webhook, pause_webhook, remove_webhook, resume_webhook
from tests.fakes.webhook_receiver import WebhookReceiver


@pytest.fixture
def receiver(app: Flask) -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as one:
        yield one


def add(receiver: WebhookReceiver, name: str = "Zapier") -> int:
    made = add_webhook(WebhookDraft(name, receiver.url), user_id=None)
    receiver.secret = made.text
    return made.webhook_id


def attempt(webhook_id: int) -> None:
    """What clock and worker do, and whatever waits is due again at once."""
    db.session.execute(text("UPDATE webhook_deliveries SET next_try_at = now() WHERE state = 'waiting'"))
    db.session.commit()
    start_due_posts()
    resume_deliveries()
    send_webhook_deliveries(webhook_id)
    db.session.expire_all()


def plan(webhook_id: int, at: datetime) -> None:
    draft = PostDraft("linkedin", "Tea is ready.", webhook_id=webhook_id)
    plan_post(add_post(draft, made_by="Ada", user_id=None).id, at, user_id=None)


def test_three_attempts_in_a_row_that_fail_are_told_until_one_arrives(receiver: WebhookReceiver) -> None:
    assert (check_outgoing_webhooks().status, check_outgoing_webhooks().text) == ("pass", "There is none.")
    webhook_id = add(receiver)
    receiver.behave = lambda call: "500"
    plan(webhook_id, datetime.now(UTC))
    for _ in range(2):
        attempt(webhook_id)
    assert check_outgoing_webhooks().status == "pass", "twice may be chance"
    attempt(webhook_id)
    found = check_outgoing_webhooks()
    assert (found.status, found.value) == ("warn", 1)
    assert found.text == "The last 3 attempts failed: Zapier (answered 500)."
    assert "send a test" in found.advice
    (seen,) = [one for check, one in check_health().findings if check.key == "outgoing_webhooks"]
    assert seen.status == "warn"
    receiver.behave = lambda call: "200"
    attempt(webhook_id)
    assert check_outgoing_webhooks().status == "pass"


def test_what_failed_long_ago_or_was_removed_is_no_news(receiver: WebhookReceiver) -> None:
    webhook_id = add(receiver)
    receiver.behave = lambda call: "404"
    for _ in range(3):
        send_test(webhook_id, user_id=None)
        attempt(webhook_id)
    assert "answered 404" in check_outgoing_webhooks().text
    db.session.execute(text("UPDATE webhook_attempts SET started_at = now() - interval '8 days'"))
    db.session.commit()
    assert check_outgoing_webhooks().status == "pass"
    db.session.execute(text("UPDATE webhook_attempts SET started_at = now()"))
    db.session.commit()
    remove_webhook(webhook_id, user_id=None)
    assert check_outgoing_webhooks().text == "There is none."


def test_a_paused_one_is_told_while_posts_wait_for_it(receiver: WebhookReceiver) -> None:
    webhook_id = add(receiver)
    plan(webhook_id, datetime.now(UTC) + timedelta(days=1))
    pause_webhook(webhook_id, reason="The receiver answered 410: nobody listens there any more.")
    assert check_outgoing_webhooks().text == "Paused with posts planned for it: Zapier (1 wait)."
    resume_webhook(webhook_id, user_id=None)
    assert check_outgoing_webhooks().status == "pass"
