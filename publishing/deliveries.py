"""Deliveries: what is due goes to its webhook, each attempt written down before it is made, by one owner at a time.

The clock puts due posts and due retries on the queue; a task of the worker claims a delivery in one statement, lets
the database go, speaks to the receiver and writes down how it ended. Whoever dies in between leaves an attempt of
which nobody can tell whether it arrived: its webhook's own policy says whether it goes out again, under the same id.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text, update

from accounts.audit import add_audit_entry
from accounts.encryption import Undecryptable
from accounts.users import name_of
from channels.outgoing_webhooks import DEFERRED, DELIVERED, FAILED, UNKNOWN, WebhookOutcome, WebhookParcel, post_webhook
from config import current_settings
from creative.assets import asset_url
from errors import Conflict
from extensions import db, defer
from lib.networks import get_network
from lib.webhook_signature import make_message_id
from models import OutgoingWebhook, Post, WebhookAttempt, WebhookDelivery
from publishing.posts import full_link, lock_post, refuse_blocked, refuse_silent_webhook, text_of
from publishing.webhooks import get_webhook, pause_webhook, secrets_of

log = logging.getLogger("lux.publishing")

TASK = "send_webhook_deliveries"
POST_DUE, TEST = "post.due", "webhook.test"
# Seconds until the next try: eight tries within about four hours; a post that comes later is none of its day.
WAITS = (15, 60, 300, 900, 1800, 3600, 7200)
# Twice what an attempt may take: whoever has not reported by then is gone.
HELD_SECONDS = 60
LATE_HOURS = 6
AT_ONCE = 20
KEPT_DAYS = 90
LATE = "Its hour passed while LUX was not running, more than {hours} hours ago. Send it now, or plan it again."
PAUSED = "“{name}” was paused or removed when its hour came."
NOBODY_KNOWS = "The process that sent it ended before an answer came, so nobody can tell whether it arrived."
_CLAIM = text("""
    WITH due AS (
        SELECT d.id FROM webhook_deliveries d
        WHERE d.webhook_id = :webhook_id AND d.state = 'waiting' AND d.next_try_at <= now()
        ORDER BY d.next_try_at, d.id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE webhook_deliveries SET state = 'attempting', attempts = attempts + 1, next_try_at = NULL,
        held_until = now() + make_interval(secs => :seconds)
    FROM due WHERE webhook_deliveries.id = due.id
    RETURNING webhook_deliveries.id, webhook_deliveries.attempts
""")


@dataclass(frozen=True)
class Claim:
    """An attempt that this process owns, and all that it needs without the database."""

    delivery_id: int
    number: int
    parcel: WebhookParcel


def publish_now(post_id: int, *, user_id: int | None) -> Post:
    """Sends a post to its webhook at once; what failed goes again under its id. Commits.

    Raises InputInvalid, Conflict, NotFound.
    """
    post = lock_post(post_id)
    if post.state not in ("draft", "planned", "failed"):
        raise Conflict("This post is on its way or published already.")
    webhook = post.webhook
    if webhook is None or webhook.archived_at is not None or webhook.paused_at is not None:
        raise Conflict("This post has no outgoing webhook that works. Choose one, or post it by hand.")
    refuse_silent_webhook(post)
    refuse_blocked(post)
    former = _newest_delivery(post.id) if post.state == "failed" else None
    if former is not None and former.webhook_id == webhook.id:
        former.state, former.next_try_at, former.finished_at = "waiting", func.now(), None
        _mark_publishing(post, webhook.id)
    else:
        _begin(post, webhook)
    add_audit_entry("post_sent_now", actor=name_of(user_id), user_id=user_id, subject=f"post {post.id}")
    db.session.commit()
    return post


def stop_publishing(post_id: int, *, user_id: int | None) -> Post:
    """No further attempt at a post that is between two of them; commits. Raises Conflict, NotFound."""
    delivery = _newest_delivery(post_id, is_locked=True)  # before the post, as whoever reports an outcome does
    post = lock_post(post_id)
    if post.state != "publishing" or delivery is None:
        raise Conflict("This post is not on its way.")
    if delivery.state == "attempting":
        raise Conflict("It is being sent at this very moment. Look again in a few seconds.")
    delivery.state, delivery.next_try_at, delivery.finished_at = "cancelled", None, func.now()
    post.state, post.trouble, post.updated_at = "cancelled", "", func.clock_timestamp()
    add_audit_entry("post_stopped", actor=name_of(user_id), user_id=user_id, subject=f"post {post.id}")
    db.session.commit()
    return post


def send_test(webhook_id: int, *, user_id: int | None) -> WebhookDelivery:
    """Puts a test on its way to a webhook; commits. Raises NotFound."""
    webhook = get_webhook(webhook_id)
    data = {"message": "This is a test from LUX. Nothing is to be posted."}
    delivery = _add_delivery(webhook.id, TEST, data)
    add_audit_entry(
        "outgoing_webhook_tested", actor=name_of(user_id), user_id=user_id, subject=f"outgoing webhook {webhook.name}"
    )
    db.session.commit()
    return delivery


def start_due_posts() -> int:
    """Puts every planned post whose hour has come on its way; commits. A job of the clock."""
    due = (
        select(Post)
        .where(
            Post.state == "planned",
            Post.planned_at <= func.now(),
            Post.webhook_id.is_not(None),
            Post.archived_at.is_(None),
        )
        .order_by(Post.planned_at)
        .limit(200)
        .with_for_update(skip_locked=True)
    )
    posts = list(db.session.scalars(due))
    latest = datetime.now(UTC) - timedelta(hours=LATE_HOURS)
    for post in posts:
        webhook = post.webhook
        if webhook is None or webhook.archived_at is not None or webhook.paused_at is not None:
            _fail(post, PAUSED.format(name=webhook.name if webhook else "Its webhook"))
        elif post.planned_at is not None and post.planned_at < latest:
            _fail(post, LATE.format(hours=LATE_HOURS))
        else:
            _begin(post, webhook)
    db.session.commit()
    return len(posts)


def resume_deliveries() -> int:
    """Takes attempts back whose owner is gone, and wakes the worker for what is due; commits. A job of the clock."""
    held = select(WebhookDelivery.id).where(
        WebhookDelivery.state == "attempting", WebhookDelivery.held_until < func.now()
    )
    for delivery_id in list(db.session.scalars(held)):
        delivery = _locked(delivery_id)
        if delivery.state == "attempting":
            _note_outcome(delivery, WebhookOutcome(UNKNOWN, NOBODY_KNOWS))
        db.session.commit()
    due = (
        select(WebhookDelivery.webhook_id)
        .distinct()
        .where(WebhookDelivery.state == "waiting", WebhookDelivery.next_try_at <= func.now())
    )
    webhook_ids = list(db.session.scalars(due))
    for webhook_id in webhook_ids:
        _wake(webhook_id)
    db.session.commit()
    return len(webhook_ids)


def send_webhook_deliveries(webhook_id: int) -> int:
    """Makes one attempt at each delivery of a webhook that is due; a task of the worker. How many arrived."""
    arrived = 0
    is_local_allowed = not current_settings().is_production
    for _ in range(AT_ONCE):
        claim = _claim(webhook_id)
        if claim is None:
            break
        db.session.remove()  # no connection of the pool is held while the receiver is spoken to
        outcome = post_webhook(claim.parcel, allow_local=is_local_allowed)
        arrived += _report(claim, outcome)
    return arrived


def forget_old_deliveries() -> int:
    """Deletes what was settled long ago, with its attempts; commits. A job of the clock."""
    old = text("DELETE FROM webhook_deliveries WHERE finished_at < now() - make_interval(days => :days)")
    count = db.session.execute(old, {"days": KEPT_DAYS}).rowcount  # type: ignore[attr-defined]  # a DELETE's result has it
    db.session.commit()
    return int(count)


def list_deliveries(
    *, webhook_id: int | None = None, post_id: int | None = None, most: int = 20
) -> list[WebhookDelivery]:
    """The newest deliveries of a webhook or a post."""
    query = select(WebhookDelivery).order_by(WebhookDelivery.id.desc()).limit(most)
    if webhook_id is not None:
        query = query.where(WebhookDelivery.webhook_id == webhook_id)
    if post_id is not None:
        query = query.where(WebhookDelivery.post_id == post_id)
    return list(db.session.scalars(query))


def list_attempts(delivery_ids: list[int]) -> dict[int, list[WebhookAttempt]]:
    """The attempts of deliveries, the newest first."""
    query = select(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(delivery_ids))
    found: dict[int, list[WebhookAttempt]] = {delivery_id: [] for delivery_id in delivery_ids}
    for attempt in db.session.scalars(query.order_by(WebhookAttempt.number.desc())):
        found[attempt.delivery_id].append(attempt)
    return found


def describe_post(post: Post) -> dict[str, Any]:
    """What a receiver gets of a post: all that it needs to publish it."""
    whole = text_of(post)
    return {
        "id": post.id,
        "network": post.network,
        "network_label": get_network(post.network).label,
        "text": whole.whole,
        "body": post.text,
        "tags": post.tags,
        "link": full_link(post),
        "image_url": asset_url(post.asset) if post.asset is not None else None,
        "image_alt": post.alt if post.asset is not None else None,
        "planned_at": post.planned_at.astimezone(UTC).isoformat(timespec="seconds") if post.planned_at else None,
        "address": f"{current_settings().lux_public_url}/calendar/posts/{post.id}",
    }


def _begin(post: Post, webhook: OutgoingWebhook) -> None:
    _mark_publishing(post, webhook.id)
    _add_delivery(webhook.id, POST_DUE, describe_post(post), post_id=post.id)


def _mark_publishing(post: Post, webhook_id: int) -> None:
    post.state, post.trouble, post.updated_at = "publishing", "", func.clock_timestamp()
    _wake(webhook_id)


def _add_delivery(webhook_id: int, kind: str, data: dict[str, Any], *, post_id: int | None = None) -> WebhookDelivery:
    said = {"type": kind, "timestamp": datetime.now(UTC).isoformat(timespec="seconds"), "data": data}
    delivery = WebhookDelivery(
        webhook_id=webhook_id,
        post_id=post_id,
        message_id=make_message_id(),
        kind=kind,
        body=json.dumps(said, ensure_ascii=False),
    )
    db.session.add(delivery)
    db.session.flush()
    _wake(webhook_id)
    return delivery


def _wake(webhook_id: int) -> None:
    defer(db.session, TASK, lock=f"outgoing-webhook-{webhook_id}", webhook_id=webhook_id)


def _claim(webhook_id: int) -> Claim | None:
    """The next attempt, owned and written down; None when nothing is due. Commits."""
    row = db.session.execute(_CLAIM, {"webhook_id": webhook_id, "seconds": HELD_SECONDS}).one_or_none()
    if row is None:
        db.session.rollback()
        return None
    db.session.add(WebhookAttempt(delivery_id=row.id, number=row.attempts))
    delivery = _locked(row.id)
    try:
        secrets = secrets_of(delivery.webhook)
    except Undecryptable as error:
        db.session.flush()
        _note_outcome(delivery, WebhookOutcome(FAILED, error.detail))
        db.session.commit()
        return _claim(webhook_id)
    parcel = WebhookParcel(delivery.webhook.url, delivery.message_id, delivery.body.encode(), secrets)
    claim = Claim(delivery.id, delivery.attempts, parcel)
    db.session.commit()
    return claim


def _report(claim: Claim, outcome: WebhookOutcome) -> bool:
    """Writes down how an attempt ended, as long as it is still this process's; commits."""
    delivery = _locked(claim.delivery_id)
    is_mine = delivery.state == "attempting" and delivery.attempts == claim.number
    if is_mine:
        _note_outcome(delivery, outcome)
    else:
        _note_attempt(claim.delivery_id, claim.number, outcome)
    webhook_id, is_test = delivery.webhook_id, delivery.kind == TEST
    db.session.commit()
    if is_mine and outcome.state != DELIVERED and not is_test:
        # A call that failed is an error of LUX's to look at; a test tells whoever made it.
        words = {"is_captured": True, "place": f"outgoing webhook {webhook_id}"}
        log.warning("A post did not arrive: %s", describe_outcome(outcome.status, outcome.text), extra=words)
    if is_mine and outcome.is_gone:
        pause_webhook(webhook_id, reason="The receiver answered 410: nobody listens there any more.")
    return is_mine and outcome.state == DELIVERED


def _note_outcome(delivery: WebhookDelivery, outcome: WebhookOutcome) -> None:
    _note_attempt(delivery.id, delivery.attempts, outcome)
    delivery.held_until = None
    wait = _find_wait(delivery, outcome)
    if outcome.state == DELIVERED:
        delivery.state, delivery.finished_at = "delivered", func.now()
    elif wait is None:
        delivery.state, delivery.finished_at = "failed", func.now()
    else:
        delivery.state, delivery.next_try_at = "waiting", datetime.now(UTC) + timedelta(seconds=wait)
    post = db.session.get(Post, delivery.post_id, with_for_update=True) if delivery.post_id is not None else None
    if post is None or post.state != "publishing":
        return
    if delivery.state == "delivered":
        post.state, post.trouble, post.updated_at = "published", "", func.clock_timestamp()
        post.published_at, post.published_by = datetime.now(UTC), delivery.webhook.name
        add_audit_entry("post_published", actor="LUX", subject=f"post {post.id}", by=delivery.webhook.name)
    elif delivery.state == "failed":
        _fail(post, describe_outcome(outcome.status, outcome.text))
    else:
        post.trouble = describe_outcome(outcome.status, outcome.text)


def describe_outcome(status: int | None, said: str) -> str:
    """What went wrong, in one sentence for the post's page."""
    if status is None:
        return said
    return f"The receiver answered {status}{': ' + said if said else '.'}"[:500]


def _find_wait(delivery: WebhookDelivery, outcome: WebhookOutcome) -> int | None:
    """Seconds until the next try, None when there is none."""
    if outcome.state == FAILED or delivery.kind == TEST or delivery.attempts > len(WAITS):
        return None
    if outcome.state == UNKNOWN and delivery.webhook.unknown_policy == "ask":
        return None
    return max(WAITS[delivery.attempts - 1], outcome.wait_seconds or 0)


def _note_attempt(delivery_id: int, number: int, outcome: WebhookOutcome) -> None:
    values = {
        "state": outcome.state if outcome.state in (DELIVERED, DEFERRED, FAILED, UNKNOWN) else UNKNOWN,
        "status": outcome.status,
        "text": outcome.text,
        "address": outcome.address,
        "finished_at": func.clock_timestamp(),
    }
    mine = update(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id, WebhookAttempt.number == number)
    db.session.execute(mine.values(**values))


def _fail(post: Post, trouble: str) -> None:
    post.state, post.trouble, post.updated_at = "failed", trouble, func.clock_timestamp()
    add_audit_entry("post_failed", actor="LUX", subject=f"post {post.id}", reason=trouble)


def _newest_delivery(post_id: int, *, is_locked: bool = False) -> WebhookDelivery | None:
    query = (
        select(WebhookDelivery).where(WebhookDelivery.post_id == post_id).order_by(WebhookDelivery.id.desc()).limit(1)
    )
    return db.session.scalar(query.with_for_update() if is_locked else query)


def _locked(delivery_id: int) -> WebhookDelivery:
    return db.session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id)
        .with_for_update(of=WebhookDelivery)
        .execution_options(populate_existing=True)
    ).one()
