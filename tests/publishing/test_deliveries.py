"""Posts on their way to a receiver: at their hour, once, every attempt written down, through every kind of trouble."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from channels.outgoing_webhooks import WebhookOutcome
from error_logger import error_logger
from errors import Conflict, InputInvalid
from extensions import db
from models import ErrorGroup, OutgoingWebhook, Post, WebhookAttempt, WebhookDelivery
from publishing import deliveries
from publishing.deliveries import (
    publish_now,
    resume_deliveries,
    send_test,
    send_webhook_deliveries,
    start_due_posts,
    stop_publishing,
)
from publishing.posts import PostDraft, add_post, plan_post
from publishing.webhooks import WebhookDraft, add_webhook, get_webhook, pause_webhook, remove_webhook, renew_secret
from tests.fakes.webhook_receiver import Call, WebhookReceiver


@pytest.fixture
def receiver(app: Flask) -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as one:
        one.secret = add_webhook(WebhookDraft("Zapier", one.url), user_id=None).text
        yield one


def webhook() -> OutgoingWebhook:
    return db.session.execute(db.select(OutgoingWebhook)).scalars().first()  # type: ignore[return-value]  # there is one


def plan(words: str = "Tea is ready.") -> int:
    post = add_post(
        PostDraft("linkedin", words, ("#tea",), "https://lumen.example/tea", webhook_id=webhook().id),
        made_by="Ada",
        user_id=None,
    )
    plan_post(post.id, datetime.now(UTC), user_id=None)
    return post.id


def work() -> None:
    """What clock and worker do when their time has come."""
    start_due_posts()
    resume_deliveries()
    send_webhook_deliveries(webhook().id)
    db.session.expire_all()


def hurry() -> None:
    """Makes what waits for its next try, or for its owner, due now."""
    db.session.execute(text("UPDATE webhook_deliveries SET next_try_at = now() WHERE state = 'waiting'"))
    db.session.execute(
        text("UPDATE webhook_deliveries SET held_until = now() - interval '1 s' WHERE held_until > now()")
    )
    db.session.commit()


def states(post_id: int) -> tuple[str, str, list[str]]:
    db.session.expire_all()
    post = db.session.get(Post, post_id)
    delivery = db.session.execute(db.select(WebhookDelivery).order_by(WebhookDelivery.id.desc())).scalars().first()
    attempts = db.session.execute(db.select(WebhookAttempt).order_by(WebhookAttempt.number)).scalars().all()
    assert post is not None
    return post.state, delivery.state if delivery else "", [attempt.state for attempt in attempts]


def test_a_planned_post_is_published_at_its_hour_and_not_before(receiver: WebhookReceiver) -> None:
    post_id = plan()
    later = add_post(PostDraft("x", "Tomorrow", webhook_id=webhook().id), made_by="Ada", user_id=None)
    later_id = later.id
    plan_post(later_id, datetime.now(UTC) + timedelta(hours=1), user_id=None)
    work()
    (call,) = receiver.calls
    assert call.is_signed
    assert call.json["type"] == "post.due"
    data = call.json["data"]
    assert data["network"] == "linkedin"
    assert data["text"].startswith("Tea is ready.\n\nhttps://lumen.example/tea?utm_source=linkedin&utm_medium=social")
    assert data["text"].endswith("\n\n#tea")
    assert data["image_url"] is None
    assert states(post_id) == ("published", "delivered", ["delivered"])
    assert states(later_id)[0] == "planned"
    work()
    assert len(receiver.calls) == 1


def test_a_receiver_in_trouble_gets_the_same_id_and_body_again_until_it_takes_it(receiver: WebhookReceiver) -> None:
    post_id = plan()
    answers = iter(["500", "503", "200"])
    receiver.behave = lambda _call: next(answers)
    work()
    assert states(post_id) == ("publishing", "waiting", ["deferred"])
    work()
    assert len(receiver.calls) == 1, "the next try has its time"
    for _ in range(2):
        hurry()
        work()
    assert states(post_id) == ("published", "delivered", ["deferred", "deferred", "delivered"])
    assert len({(call.message_id, call.body) for call in receiver.calls}) == 1
    assert all(call.is_signed for call in receiver.calls)


def test_retry_after_is_kept(receiver: WebhookReceiver) -> None:
    plan()
    receiver.behave = lambda _call: "429"
    work()
    wait = db.session.scalar(text("SELECT extract(epoch FROM next_try_at - now()) FROM webhook_deliveries"))
    assert 60 < float(wait or 0) <= 90


def test_the_tries_end_and_the_post_says_why(receiver: WebhookReceiver) -> None:
    post_id = plan()
    receiver.behave = lambda _call: "500 out of order"
    for _ in range(len(deliveries.WAITS) + 3):
        work()
        hurry()
    assert len(receiver.calls) == len(deliveries.WAITS) + 1
    assert states(post_id)[:2] == ("failed", "failed")
    post = db.session.get(Post, post_id)
    assert post is not None
    assert post.trouble == "The receiver answered 500: out of order"
    assert error_logger().flush_now()
    group = db.session.scalars(db.select(ErrorGroup)).one()
    assert (group.place, group.severity, group.count) == (f"outgoing webhook {webhook().id}", "warning", 8)


def test_a_refusal_is_not_repeated_and_goes_again_by_hand_under_its_id(receiver: WebhookReceiver) -> None:
    post_id = plan()
    receiver.behave = lambda _call: "404"
    work()
    hurry()
    work()
    assert len(receiver.calls) == 1
    assert states(post_id) == ("failed", "failed", ["failed"])
    receiver.behave = lambda _call: "200"
    publish_now(post_id, user_id=None)
    work()
    assert states(post_id) == ("published", "delivered", ["failed", "delivered"])
    assert receiver.calls[0].message_id == receiver.calls[1].message_id


def test_a_receiver_that_is_gone_pauses_its_webhook(receiver: WebhookReceiver) -> None:
    post_id = plan()
    receiver.behave = lambda _call: "410"
    work()
    assert states(post_id)[0] == "failed"
    assert "410" in webhook().pause_reason
    with pytest.raises(InputInvalid):
        plan_post(post_id, datetime.now(UTC), user_id=None)


def test_a_worker_that_dies_in_the_middle_leaves_an_attempt_that_goes_out_again_under_its_id(
    receiver: WebhookReceiver,
) -> None:
    post_id = plan()
    start_due_posts()
    assert deliveries._claim(webhook().id) is not None  # and there the process ends
    assert states(post_id) == ("publishing", "attempting", ["attempting"])
    work()
    assert receiver.calls == [], "it is somebody's until their time is up"
    hurry()
    work()
    assert states(post_id) == ("publishing", "waiting", ["unknown"])
    hurry()
    work()
    assert states(post_id) == ("published", "delivered", ["unknown", "delivered"])


def test_where_a_person_wants_to_decide_the_unknown_is_left_to_them(receiver: WebhookReceiver) -> None:
    webhook().unknown_policy = "ask"
    db.session.commit()
    post_id = plan()
    receiver.behave = lambda _call: "silence"
    work()
    hurry()
    work()
    assert states(post_id) == ("failed", "failed", ["unknown"])
    assert len(receiver.calls) == 1


def test_an_owner_that_comes_back_late_does_not_decide_over_the_next_one(receiver: WebhookReceiver) -> None:
    post_id = plan()
    start_due_posts()
    late = deliveries._claim(webhook().id)
    assert late is not None
    hurry()
    resume_deliveries()
    hurry()
    assert deliveries._claim(webhook().id) is not None
    assert not deliveries._report(late, WebhookOutcome("failed", "too late", 404))
    assert states(post_id) == ("publishing", "attempting", ["failed", "attempting"])


def test_ten_workers_at_once_make_one_attempt(receiver: WebhookReceiver, app: Flask) -> None:
    post_id = plan()
    start_due_posts()
    webhook_id = webhook().id
    db.session.remove()
    start = threading.Barrier(10)

    def one_worker() -> None:
        with app.app_context():
            start.wait()
            send_webhook_deliveries(webhook_id)
            db.session.remove()

    threads = [threading.Thread(target=one_worker) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.calls) == 1
    assert states(post_id) == ("published", "delivered", ["delivered"])


def test_no_connection_of_the_database_is_held_while_the_receiver_is_spoken_to(receiver: WebhookReceiver) -> None:
    plan()
    start_due_posts()
    seen: list[int] = []
    pool = db.engine.pool
    assert isinstance(pool, QueuePool)

    def look(_call: Call) -> str:
        seen.append(pool.checkedout())
        return "200"

    receiver.behave = look
    webhook_id = webhook().id
    db.session.remove()
    send_webhook_deliveries(webhook_id)
    assert seen == [0]


def test_an_hour_that_passed_long_ago_is_a_persons_to_decide(receiver: WebhookReceiver) -> None:
    post_id = plan()
    db.session.execute(text("UPDATE posts SET planned_at = now() - interval '7 hours'"))
    db.session.commit()
    work()
    assert states(post_id)[0] == "failed"
    assert receiver.calls == []


def test_a_webhook_that_is_paused_or_removed_gets_nothing(receiver: WebhookReceiver) -> None:
    paused, removed = plan(), plan("Another one")
    webhook_id = webhook().id
    pause_webhook(webhook_id)
    work()
    assert states(paused)[0] == "failed"
    db.session.execute(text("UPDATE posts SET state = 'planned' WHERE id = :id"), {"id": removed})
    db.session.commit()
    remove_webhook(webhook_id, user_id=None)
    work()
    assert receiver.calls == []
    assert db.session.get(Post, removed).webhook_id is None  # type: ignore[union-attr]  # it is there


def test_between_two_tries_a_post_can_be_stopped(receiver: WebhookReceiver) -> None:
    post_id = plan()
    receiver.behave = lambda _call: "500"
    work()
    stop_publishing(post_id, user_id=None)
    hurry()
    work()
    assert states(post_id)[:2] == ("cancelled", "cancelled")
    assert len(receiver.calls) == 1
    with pytest.raises(Conflict):
        stop_publishing(post_id, user_id=None)


def test_a_changed_secret_and_the_former_one_both_sign_for_a_day(receiver: WebhookReceiver) -> None:
    new = renew_secret(webhook().id, user_id=None).text
    plan()
    work()
    assert receiver.calls[0].is_signed, "by the former secret, which the receiver still has"
    receiver.secret = new
    plan()
    work()
    assert receiver.calls[1].is_signed
    db.session.execute(text("UPDATE outgoing_webhooks SET former_until = now()"))
    db.session.commit()
    plan()
    work()
    assert " " not in receiver.calls[2].headers["webhook-signature"]


def test_a_test_is_one_attempt_and_says_that_nothing_is_to_be_posted(receiver: WebhookReceiver) -> None:
    receiver.behave = lambda _call: "500"
    delivery_id = send_test(webhook().id, user_id=None).id
    work()
    hurry()
    work()
    assert [call.json["type"] for call in receiver.calls] == ["webhook.test"]
    delivery = db.session.get(WebhookDelivery, delivery_id)
    assert delivery is not None
    assert delivery.state == "failed"


def test_the_secret_is_stored_encrypted_and_shown_nowhere_in_the_trail(receiver: WebhookReceiver) -> None:
    stored = get_webhook(webhook().id).secret
    assert receiver.secret not in stored
    everything = db.session.scalar(
        text("SELECT string_agg(detail::text || coalesce(subject, ''), ' ') FROM audit_entries")
    )
    assert receiver.secret not in str(everything)
    assert "/hooks/catch" not in str(everything)
