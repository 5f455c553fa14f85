"""Outgoing webhooks: where LUX posts what is due, signed with a secret that is shown once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update

from accounts.audit import add_audit_entry
from accounts.encryption import decrypt, encrypt
from accounts.users import name_of
from channels.outgoing_webhooks import AddressRefused, read_address
from config import current_settings
from errors import Conflict, InputInvalid, NotFound
from extensions import db
from lib.clean_text import one_line
from lib.networks import NETWORKS
from lib.webhook_signature import make_secret
from models import UNKNOWN_POLICIES, OutgoingWebhook, Post

LONGEST_NAME = 60
MOST_WEBHOOKS = 50
# How long the secret before this one signs too, so that a receiver can be changed at leisure.
FORMER_SECRET_HOURS = 24
KEYS = tuple(network.key for network in NETWORKS)


@dataclass(frozen=True)
class WebhookDraft:
    """What somebody wants of an outgoing webhook; no networks: posts for all of them."""

    name: str
    url: str
    networks: Sequence[str] = ()
    unknown_policy: str = "resend"


@dataclass(frozen=True)
class NewSecret:
    """A secret just made; it is not shown again later."""

    webhook_id: int
    name: str
    text: str


def list_webhooks() -> list[OutgoingWebhook]:
    """All that are there, in the order in which they were made."""
    query = select(OutgoingWebhook).where(OutgoingWebhook.archived_at.is_(None)).order_by(OutgoingWebhook.id)
    return list(db.session.scalars(query))


def list_ways(network: str) -> list[OutgoingWebhook]:
    """The webhooks that publish posts of this network now."""
    return [one for one in list_webhooks() if one.paused_at is None and (not one.networks or network in one.networks)]


def find_way(network: str) -> OutgoingWebhook | None:
    """The first webhook that publishes posts of this network, None: by hand. One for it alone comes first."""
    return min(list_ways(network), key=lambda one: not one.networks, default=None)


def get_webhook(webhook_id: int) -> OutgoingWebhook:
    """The webhook. Raises NotFound."""
    webhook = db.session.get(OutgoingWebhook, webhook_id)
    if webhook is None or webhook.archived_at is not None:
        raise NotFound("There is no such outgoing webhook.")
    return webhook


def add_webhook(draft: WebhookDraft, *, user_id: int | None) -> NewSecret:
    """A new outgoing webhook and its secret; commits. Raises InputInvalid, Conflict."""
    values = _checked(draft)
    if len(list_webhooks()) >= MOST_WEBHOOKS:
        raise Conflict(f"There are {MOST_WEBHOOKS} outgoing webhooks already. Remove one first.")
    secret = make_secret()
    webhook = OutgoingWebhook(**values, secret=encrypt(secret), created_by_id=user_id)
    db.session.add(webhook)
    db.session.flush()
    _note("outgoing_webhook_added", webhook, user_id, host=host_of(webhook))
    db.session.commit()
    return NewSecret(webhook.id, webhook.name, secret)


def change_webhook(webhook_id: int, draft: WebhookDraft, *, user_id: int | None) -> OutgoingWebhook:
    """Changes name, address, networks and what happens to the unknown; commits. Raises InputInvalid, NotFound."""
    values = _checked(draft)
    webhook = get_webhook(webhook_id)
    for name, value in values.items():
        setattr(webhook, name, value)
    _note("outgoing_webhook_changed", webhook, user_id, host=host_of(webhook))
    db.session.commit()
    return webhook


def renew_secret(webhook_id: int, *, user_id: int | None) -> NewSecret:
    """A new secret; the former one signs beside it for a day. Commits. Raises NotFound."""
    webhook = get_webhook(webhook_id)
    secret = make_secret()
    webhook.former_secret = webhook.secret
    webhook.former_until = datetime.now(UTC) + timedelta(hours=FORMER_SECRET_HOURS)
    webhook.secret = encrypt(secret)
    _note("outgoing_webhook_secret_renewed", webhook, user_id)
    db.session.commit()
    return NewSecret(webhook.id, webhook.name, secret)


def pause_webhook(webhook_id: int, *, reason: str = "", user_id: int | None = None) -> OutgoingWebhook:
    """Nothing goes there until somebody resumes it; commits. Raises NotFound."""
    webhook = get_webhook(webhook_id)
    if webhook.paused_at is None:
        webhook.paused_at, webhook.pause_reason = datetime.now(UTC), reason
        _note("outgoing_webhook_paused", webhook, user_id, reason=reason)
    db.session.commit()
    return webhook


def resume_webhook(webhook_id: int, *, user_id: int | None) -> OutgoingWebhook:
    """Posts go there again; commits. Raises NotFound."""
    webhook = get_webhook(webhook_id)
    if webhook.paused_at is not None:
        webhook.paused_at, webhook.pause_reason = None, ""
        _note("outgoing_webhook_resumed", webhook, user_id)
    db.session.commit()
    return webhook


def remove_webhook(webhook_id: int, *, user_id: int | None) -> OutgoingWebhook:
    """Removes it for good; posts that were to go there are published by hand. Commits. Raises NotFound, Conflict."""
    webhook = get_webhook(webhook_id)
    under_way = select(func.count()).where(Post.webhook_id == webhook_id, Post.state == "publishing")
    if db.session.scalar(under_way):
        raise Conflict("A post is on its way there. Stop it, or wait until it has arrived.")
    open_posts = update(Post).where(Post.webhook_id == webhook_id, Post.state.in_(("draft", "planned", "cancelled")))
    db.session.execute(open_posts.values(webhook_id=None))
    webhook.archived_at, webhook.former_secret = datetime.now(UTC), None
    _note("outgoing_webhook_removed", webhook, user_id, host=host_of(webhook))
    db.session.commit()
    return webhook


def secrets_of(webhook: OutgoingWebhook) -> tuple[str, ...]:
    """The secrets that sign now, the newest first. Raises Undecryptable."""
    former = webhook.former_secret
    is_valid = former is not None and webhook.former_until is not None and webhook.former_until > datetime.now(UTC)
    return (decrypt(webhook.secret), *([decrypt(former)] if former and is_valid else []))


def host_of(webhook: OutgoingWebhook) -> str:
    """Where it leads, without the path: paths of such addresses are secrets."""
    scheme, _, rest = webhook.url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _checked(draft: WebhookDraft) -> dict[str, Any]:
    fields: dict[str, str] = {}
    name, url = one_line(draft.name), one_line(draft.url)
    networks = [key for key in KEYS if key in draft.networks]
    if not name or len(name) > LONGEST_NAME:
        fields["name"] = f"Give it a name of at most {LONGEST_NAME} characters, such as Zapier."
    try:
        read_address(url, allow_local=not current_settings().is_production)
    except AddressRefused as refusal:
        fields["url"] = refusal.text
    if draft.unknown_policy not in UNKNOWN_POLICIES:
        fields["unknown_policy"] = "Choose what happens."
    if fields:
        raise InputInvalid(fields)
    return {"name": name, "url": url, "networks": networks, "unknown_policy": draft.unknown_policy}


def _note(action: str, webhook: OutgoingWebhook, user_id: int | None, **detail: Any) -> None:
    subject = f"outgoing webhook {webhook.name}"
    add_audit_entry(action, actor=name_of(user_id), user_id=user_id, subject=subject, **detail)
