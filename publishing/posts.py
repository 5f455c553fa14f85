"""Posts: written for one network, planned for an hour, published by a webhook or by hand, cancelled, copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func

from accounts.audit import add_audit_entry
from accounts.users import name_of
from creative.assets import find_asset
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from lib.clean_text import clean_text, one_line
from lib.networks import NETWORKS, add_utm, get_network
from lib.post_texts import read_tags
from models import OutgoingWebhook, Post
from publishing.post_checks import PostText, find_blockers

LONGEST_TEXT, LONGEST_LINE, LONGEST_URL, MOST_TAGS = 10_000, 500, 2000, 30
GONE = "There is no such post."
CHANGED_ELSEWHERE = "This post was changed in the meantime. Your text is kept here; look at the other one first."
KEYS = tuple(network.key for network in NETWORKS)
# What may still be written: what is on its way or has arrived stays as it went.
OPEN_STATES = ("draft", "planned", "failed", "cancelled")


@dataclass(frozen=True)
class PostDraft:
    """What somebody wants a post to be; `planned_at` is an hour in mind, and plans nothing by itself."""

    network: str
    text: str = ""
    tags: Sequence[str] = ()
    link: str = ""
    utm_campaign: str = ""
    asset_id: int | None = None
    alt: str = ""
    webhook_id: int | None = None
    planned_at: datetime | None = None


def find_post(post_id: int) -> Post | None:
    """The post, archived ones too."""
    return db.session.get(Post, post_id)


def get_post(post_id: int) -> Post:
    """The post. Raises NotFound."""
    post = find_post(post_id)
    if post is None:
        raise NotFound(GONE)
    return post


def add_post(draft: PostDraft, *, made_by: str, user_id: int | None) -> Post:
    """A new draft; commits. Raises InputInvalid."""
    post = draft_post(draft, made_by=made_by, user_id=user_id)
    db.session.commit()
    return post


def draft_post(draft: PostDraft, *, made_by: str, user_id: int | None, proposal_id: int | None = None) -> Post:
    """The same within the caller's transaction: nothing is committed here. Raises InputInvalid."""
    post = Post(made_by=made_by, created_by_id=user_id, proposal_id=proposal_id, **_checked(draft))
    post.planned_at = draft.planned_at
    db.session.add(post)
    db.session.flush()
    return post


def change_post(post_id: int, draft: PostDraft, *, based_on: str | None = None) -> Post:
    """Changes words, picture, link and way of a post that has not gone out; commits. Its hour stays.

    What failed or was cancelled is a draft again. Raises InputInvalid, Conflict, NotFound.
    """
    values = _checked(draft)
    post = lock_post(post_id)
    if post.state not in OPEN_STATES:
        raise Conflict("This post is on its way or published. Copy it to go on from here.")
    if based_on is not None and based_on != mark_of(post):
        raise Conflict(CHANGED_ELSEWHERE)
    for name, value in values.items():
        setattr(post, name, value)
    if post.state == "planned":
        refuse_blocked(post)
    elif post.state != "draft":
        post.state, post.trouble = "draft", ""
    return _touched(post)


def change_post_picture(post_id: int, asset_id: int | None) -> Post:
    """Gives a post another picture with that picture's alt text, or none; commits.

    Raises InputInvalid for a picture that is gone or must not be missing, Conflict, NotFound.
    """
    post = lock_post(post_id)
    asset = find_asset(asset_id)
    draft = PostDraft(
        network=post.network,
        text=post.text,
        tags=post.tags,
        link=post.link,
        utm_campaign=post.utm_campaign,
        asset_id=asset_id,
        alt=asset.alt if asset is not None else "",
        webhook_id=post.webhook_id,
    )
    return change_post(post_id, draft)


def plan_post(post_id: int, at: datetime, *, user_id: int | None) -> Post:
    """Has a post published at its hour, by its webhook or by a person; commits. Raises InputInvalid, Conflict."""
    post = lock_post(post_id)
    if post.state not in OPEN_STATES:
        raise Conflict("This post is on its way or published already.")
    if at < datetime.now(UTC) - timedelta(minutes=1):
        raise InputInvalid({"time": "This moment has passed. Choose one that is still to come."})
    refuse_blocked(post)
    refuse_silent_webhook(post)
    post.state, post.planned_at, post.trouble = "planned", at, ""
    _note("post_planned", post, user_id, at=at.isoformat(timespec="minutes"))
    return _touched(post)


def move_post(post_id: int, at: datetime, *, user_id: int | None) -> Post:
    """Gives a post another hour: a planned one stays planned, a draft stays a draft; commits."""
    post = lock_post(post_id)
    if post.state == "planned":
        return plan_post(post_id, at, user_id=user_id)
    if post.state not in OPEN_STATES:
        raise Conflict("This post is on its way or published already.")
    post.planned_at = at
    return _touched(post)


def unplan_post(post_id: int, *, user_id: int | None) -> Post:
    """Makes a planned post a draft again; commits. Raises Conflict, NotFound."""
    post = lock_post(post_id)
    if post.state not in ("planned", "cancelled", "failed"):
        raise Conflict("This post is not planned.")
    post.state, post.trouble = "draft", ""
    _note("post_unplanned", post, user_id)
    return _touched(post)


def cancel_post(post_id: int, *, user_id: int | None) -> Post:
    """Calls a draft or a planned post off: it stays in sight and is not published; commits."""
    post = lock_post(post_id)
    if post.state not in ("draft", "planned", "failed"):
        raise Conflict("This post cannot be cancelled any more.")
    post.state, post.trouble = "cancelled", ""
    _note("post_cancelled", post, user_id)
    return _touched(post)


def mark_posted(post_id: int, *, url: str, user_id: int | None) -> Post:
    """A person has posted it by hand; commits. Raises InputInvalid for an address that is none, Conflict, NotFound."""
    address = checked_link("url", url)
    post = lock_post(post_id)
    if post.state not in OPEN_STATES:
        raise Conflict("This post is on its way or published already.")
    post.state, post.trouble = "published", ""
    post.published_at, post.published_by, post.published_url = datetime.now(UTC), name_of(user_id), address
    _note("post_marked_published", post, user_id)
    return _touched(post)


def copy_post(post_id: int, *, made_by: str, user_id: int | None, network: str | None = None) -> Post:
    """A new draft with the same words, for the same network or another one; commits. Raises NotFound, InputInvalid."""
    post = get_post(post_id)
    fields = ("text", "tags", "link", "utm_campaign", "asset_id", "alt", "webhook_id")
    values: dict[str, Any] = {name: getattr(post, name) for name in fields}
    if find_asset(post.asset_id) is None:
        values["asset_id"] = None
    return add_post(PostDraft(network=network or post.network, **values), made_by=made_by, user_id=user_id)


def archive_post(post_id: int, *, user_id: int | None) -> Post:
    """Takes a post out of sight; commits. Raises Conflict while it is planned or on its way, NotFound."""
    post = lock_post(post_id)
    if post.state in ("planned", "publishing"):
        raise Conflict("This post is planned. Cancel it first, then archive it.")
    post.archived_at = datetime.now(UTC)
    _note("post_archived", post, user_id)
    return _touched(post)


def text_of(post: Post) -> PostText:
    """The post as it is checked and published, its link with where visits come from."""
    return PostText(post.network, post.text, post.tags, full_link(post), post.asset_id is not None, post.alt)


def full_link(post: Post) -> str:
    """The link with its UTM parts; "" where there is none."""
    campaign = post.utm_campaign or " ".join(post.text.split()[:6])
    return add_utm(post.link, source=post.network, medium="social", campaign=campaign)


def mark_of(post: Post) -> str:
    """A name for this state of the post; a form sends it back, so that LUX knows what a save began with."""
    return f"{post.updated_at.timestamp():.6f}"


def lock_post(post_id: int) -> Post:
    """The post with its row locked, for a change. Raises NotFound."""
    post = db.session.get(Post, post_id, with_for_update=True, populate_existing=True)
    if post is None or post.archived_at is not None:
        raise NotFound(GONE)
    return post


def refuse_blocked(post: Post) -> None:
    """Raises InputInvalid by field for what its network would not take."""
    if blockers := find_blockers(text_of(post)):
        db.session.rollback()
        raise InputInvalid(blockers)


def checked_link(field: str, link: str) -> str:
    """A web address on one line, or "". Raises InputInvalid."""
    link = one_line(link)
    try:
        parts = urlsplit(link)
        is_good = not link or (parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in link)
    except ValueError:
        is_good = False
    if not is_good or len(link) > LONGEST_URL:
        raise InputInvalid({field: "Enter a web address that begins with https://, or leave it empty."})
    return link


def _checked(draft: PostDraft) -> dict[str, Any]:
    fields: dict[str, str] = {}
    if draft.network not in KEYS:
        fields["network"] = "Choose a network."
    text = clean_text(draft.text.replace("\r\n", "\n")).strip()
    if len(text) > LONGEST_TEXT:
        fields["text"] = f"Keep the text within {LONGEST_TEXT:,} characters."
    tags = read_tags(" ".join(draft.tags))
    if len(tags) > MOST_TAGS:
        fields["tags"] = f"Keep it to {MOST_TAGS} tags."
    alt = one_line(draft.alt)
    if len(alt) > LONGEST_LINE:
        fields["alt"] = f"Keep the alt text within {LONGEST_LINE} characters."
    if draft.asset_id is not None and find_asset(draft.asset_id) is None:
        fields["asset_id"] = "This picture is not in the library any more. Choose another one."
    if draft.webhook_id is not None and not _is_usable(draft.webhook_id):
        fields["webhook_id"] = "This outgoing webhook is gone. Choose another way."
    try:
        link = checked_link("link", draft.link)
    except InputInvalid as error:
        fields |= error.fields
    if fields:
        raise InputInvalid(fields)
    return {
        "network": draft.network,
        "text": text,
        "tags": tags,
        "link": link,
        "utm_campaign": one_line(draft.utm_campaign)[:80],
        "asset_id": draft.asset_id,
        "alt": alt,
        "webhook_id": draft.webhook_id,
    }


def _is_usable(webhook_id: int) -> bool:
    webhook = db.session.get(OutgoingWebhook, webhook_id)
    return webhook is not None and webhook.archived_at is None


def refuse_silent_webhook(post: Post) -> None:
    """Raises InputInvalid where the post's webhook would not take it."""
    webhook = post.webhook
    if webhook is not None and (webhook.archived_at is not None or webhook.paused_at is not None):
        said = f"“{webhook.name}” is paused or removed. Choose another way to publish this post."
        db.session.rollback()
        raise InputInvalid({"webhook_id": said})
    if webhook is not None and webhook.networks and post.network not in webhook.networks:
        labels = ", ".join(get_network(key).label for key in webhook.networks)
        said = f"“{webhook.name}” takes posts for {labels} only. Choose another way to publish this one."
        db.session.rollback()
        raise InputInvalid({"webhook_id": said})


def _touched(post: Post) -> Post:
    post.updated_at = func.clock_timestamp()
    db.session.commit()
    return post


def _note(action: str, post: Post, user_id: int | None, **detail: Any) -> None:
    label = get_network(post.network).label
    add_audit_entry(action, actor=name_of(user_id), user_id=user_id, subject=f"post {post.id}", network=label, **detail)
