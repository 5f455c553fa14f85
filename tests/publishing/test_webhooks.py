"""Outgoing webhooks as they are kept: which one publishes what; their secrets when SESSION_SECRET is changed."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from accounts.rotation import rotate_secrets
from publishing.webhooks import (
    WebhookDraft,
    add_webhook,
    find_way,
    get_webhook,
    list_ways,
    pause_webhook,
    renew_secret,
    secrets_of,
)

OLD, NEW = "the-former-session-secret-0123456789abcdef", "the-newest-session-secret-0123456789abcdef"


def add(name: str, *networks: str) -> int:
    return add_webhook(WebhookDraft(name, f"https://{name}.example.com/1", networks), user_id=None).webhook_id


def test_a_webhook_of_the_network_alone_comes_before_one_for_all_and_a_paused_one_is_none(app: Flask) -> None:
    for_all, for_x = add("all"), add("x", "x", "mastodon")
    found = find_way("x")
    assert found is not None
    assert found.id == for_x
    assert [one.id for one in list_ways("linkedin")] == [for_all]
    pause_webhook(for_all)
    assert find_way("linkedin") is None


def test_its_secrets_are_encrypted_again_by_a_rotation_and_still_sign(
    make_app: Callable[..., Flask], empty_database: None
) -> None:
    with make_app(SESSION_SECRET=OLD).app_context():
        webhook_id = add("zapier")
        newest = renew_secret(webhook_id, user_id=None).text
        former = secrets_of(get_webhook(webhook_id))[1]
    with make_app(SESSION_SECRET=f"{NEW},{OLD}").app_context():
        assert rotate_secrets().renewed_count == 2
    with make_app(SESSION_SECRET=NEW).app_context():
        assert secrets_of(get_webhook(webhook_id)) == (newest, former)
