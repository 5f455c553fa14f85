"""A year of the demo's posts: by hand and by an outgoing webhook, planned, in the making, called off, failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from demo.pictures import Drawn
from demo.receiver import REFUSED_PATH, open_receiver
from demo.team import Person
from demo.topics import TOPICS
from extensions import db
from lib.networks import NETWORKS, get_network
from models import Post
from publishing.deliveries import publish_now, send_webhook_deliveries
from publishing.posts import PostDraft, add_post, cancel_post, mark_posted, move_post, plan_post
from publishing.webhooks import WebhookDraft, add_webhook, change_webhook, pause_webhook

WEEKS = 52
DAYS_OF_WEEK = (1, 3)
# The latest ones went out by the webhook: its deliveries are kept for some weeks only.
BY_WEBHOOK = 10
PICTURE_EVERY = 3
SHOP = "https://lumen.example/"
ADDRESS = "https://hooks.example.com/hooks/catch/5150"
PAUSED = "This is the demo: nothing leaves it. Put in an address of your own, then resume."
# What was made today and went out long ago: its times, and those of its delivery, are set back.
_SET_BACK = (
    """
    UPDATE posts SET published_at = CAST(:at AS timestamptz), planned_at = CAST(:at AS timestamptz),
        created_at = CAST(:at AS timestamptz) - interval '3 days', updated_at = CAST(:at AS timestamptz) WHERE id = :id
    """,
    """
    UPDATE webhook_attempts SET started_at = CAST(:at AS timestamptz), finished_at = CAST(:at AS timestamptz)
        + (finished_at - started_at)
    WHERE delivery_id IN (SELECT id FROM webhook_deliveries WHERE post_id = :id)
    """,
    """
    UPDATE webhook_deliveries SET created_at = CAST(:at AS timestamptz), finished_at = CAST(:at AS timestamptz)
        + (finished_at - created_at)
    WHERE post_id = :id
    """,
)


def add_posts(pictures: list[Drawn], by: Person) -> int:
    """Adds a year of posts and the weeks to come; commits each. How many."""
    moments = _list_moments()
    for number, at in enumerate(moments[:-BY_WEBHOOK]):
        post = _write(number, pictures, by)
        mark_posted(post.id, url=f"https://{post.network}.example/lumen-tea/{1000 + number}", user_id=by.id)
        _set_back(post, at)
    first = len(moments) - BY_WEBHOOK
    _publish_by_webhook([(first + count, at) for count, at in enumerate(moments[-BY_WEBHOOK:])], pictures, by)
    return len(moments) + _add_coming(len(moments), pictures, by)


def _list_moments() -> list[datetime]:
    today = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday())
    days = [
        monday - timedelta(weeks=week) + timedelta(days=day) for week in range(WEEKS, -1, -1) for day in DAYS_OF_WEEK
    ]
    moments = [day.replace(hour=NETWORKS[at % len(NETWORKS)].hour) for at, day in enumerate(days)]
    return [at for at in moments if at < today - timedelta(hours=2)]


def _write(
    number: int, pictures: list[Drawn], by: Person, *, webhook_id: int | None = None, network: str | None = None
) -> Post:
    """The post of that number: topics and networks take turns, so that a topic comes back on another network."""
    topic, key = TOPICS[number % len(TOPICS)], network or NETWORKS[number % len(NETWORKS)].key
    fitting = [asset for asset in pictures if asset.place == key]
    wants_picture = bool(fitting) and (get_network(key).needs_picture or number % PICTURE_EVERY == 0)
    asset = fitting[number % len(fitting)] if wants_picture else None
    draft = PostDraft(
        network=key,
        text=topic.text,
        tags=topic.tags[: get_network(key).tags],
        link=SHOP + topic.path if get_network(key).takes_links else "",
        asset_id=asset.id if asset else None,
        alt=asset.alt if asset else "",
        webhook_id=webhook_id,
    )
    return add_post(draft, made_by=by.name, user_id=by.id)


def _publish_by_webhook(moments: list[tuple[int, datetime]], pictures: list[Drawn], by: Person) -> None:
    """Sends the latest posts to a receiver that is really there; all but the last, for which it is gone."""
    with open_receiver() as address:
        webhook_id = add_webhook(WebhookDraft("Zapier", address), user_id=by.id).webhook_id
        for count, (number, at) in enumerate(moments, 1):
            if count == len(moments):
                change_webhook(webhook_id, WebhookDraft("Zapier", address + REFUSED_PATH), user_id=by.id)
            post = _write(number, pictures, by, webhook_id=webhook_id)
            publish_now(post.id, user_id=by.id)
            post_id = post.id
            send_webhook_deliveries(webhook_id)
            _set_back(db.session.get_one(Post, post_id, populate_existing=True), at)
    change_webhook(webhook_id, WebhookDraft("Zapier", ADDRESS), user_id=by.id)
    pause_webhook(webhook_id, reason=PAUSED, user_id=by.id)


def _set_back(post: Post, at: datetime) -> None:
    values = {"id": post.id, "at": at}
    for statement in _SET_BACK:
        db.session.execute(text(statement), values)
    if post.state != "published":
        db.session.execute(text("UPDATE posts SET published_at = NULL WHERE id = :id"), values)
    db.session.commit()


def _add_coming(number: int, pictures: list[Drawn], by: Person) -> int:
    """Posts of the next weeks, one that somebody has to post now, drafts with and without an hour, one called off."""
    now = datetime.now(UTC)
    made = 0
    for made, days in enumerate((1, 3, 4, 7, 9, 11, 14, 17, 21, 24), 1):
        post = _write(number + made, pictures, by)
        at = (now + timedelta(days=days)).replace(
            hour=get_network(post.network).hour, minute=0, second=0, microsecond=0
        )
        if made % 4 == 0:
            move_post(post.id, at, user_id=by.id)
        else:
            plan_post(post.id, at, user_id=by.id)
    plan_post(_write(number + made + 1, pictures, by, network="facebook").id, now, user_id=by.id)
    for more in range(2, 5):
        _write(number + made + more, pictures, by)
    cancel_post(_write(number + made + 5, pictures, by, network="x").id, user_id=by.id)
    return made + 5
