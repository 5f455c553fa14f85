"""Posts before they go out: checked, planned, moved, copied, called off, marked as posted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from errors import Conflict, InputInvalid, NotFound
from extensions import db
from models import Post
from publishing.deliveries import publish_now
from publishing.posts import (
    PostDraft,
    add_post,
    archive_post,
    cancel_post,
    change_post,
    copy_post,
    full_link,
    get_post,
    mark_of,
    mark_posted,
    move_post,
    plan_post,
    text_of,
    unplan_post,
)
from publishing.webhooks import WebhookDraft, add_webhook
from tests.makers import make_asset

SOON = timedelta(hours=2)


def write(network: str = "linkedin", text: str = "Tea is ready.", **more: object) -> Post:
    return add_post(PostDraft(network, text, **more), made_by="Ada", user_id=None)  # type: ignore[arg-type]  # of a test


def soon() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + SOON


def test_a_post_is_planned_with_its_hour_and_made_a_draft_again(app: Flask) -> None:
    post, at = write(), soon()
    assert plan_post(post.id, at, user_id=None).state == "planned"
    assert get_post(post.id).planned_at == at
    assert unplan_post(post.id, user_id=None).state == "draft"
    assert get_post(post.id).planned_at == at, "its hour stays in mind"


def test_what_its_network_does_not_take_is_not_planned(app: Flask) -> None:
    for post, field in (
        (write("x", "a" * 281), "text"),
        (write("x", ""), "text"),
        (write("instagram"), "asset_id"),
        (write(asset_id=make_asset().id), "alt"),
    ):
        with pytest.raises(InputInvalid) as refused:
            plan_post(post.id, soon(), user_id=None)
        assert list(refused.value.fields) == [field]
        assert get_post(post.id).state == "draft"


def test_a_planned_post_cannot_be_changed_into_one_that_does_not_fit(app: Flask) -> None:
    post = write("x", "Short")
    plan_post(post.id, soon(), user_id=None)
    with pytest.raises(InputInvalid, match="too long"):
        change_post(post.id, PostDraft("x", "a" * 300))
    assert get_post(post.id).text == "Short"


def test_a_webhook_gets_the_posts_of_its_networks_alone(app: Flask) -> None:
    made = add_webhook(WebhookDraft("n8n", "https://n8n.example.com/1", ("linkedin",)), user_id=None)
    post = write("x", webhook_id=made.webhook_id)
    with pytest.raises(InputInvalid, match="LinkedIn only"):
        plan_post(post.id, soon(), user_id=None)
    with pytest.raises(InputInvalid, match="LinkedIn only"):
        publish_now(post.id, user_id=None)


def test_an_hour_that_has_passed_is_refused(app: Flask) -> None:
    with pytest.raises(InputInvalid, match="has passed"):
        plan_post(write().id, datetime.now(UTC) - timedelta(hours=1), user_id=None)


def test_a_draft_that_is_moved_stays_a_draft(app: Flask) -> None:
    post, at = write(), soon()
    assert move_post(post.id, at, user_id=None).state == "draft"
    assert get_post(post.id).planned_at == at


def test_the_link_says_where_visits_come_from(app: Flask) -> None:
    post = write("x", "Tea is ready. Come and see", link="https://lumen.example/tea?a=1")
    source = "utm_source=x&utm_medium=social&utm_campaign="
    assert full_link(post) == f"https://lumen.example/tea?a=1&{source}tea-is-ready-come-and-see"
    assert text_of(post).length == len("Tea is ready. Come and see") + 2 + 23
    named = write(link="https://lumen.example/", utm_campaign="Winter")
    assert full_link(named).endswith("utm_campaign=winter")


def test_a_change_that_began_with_an_older_state_is_refused(app: Flask) -> None:
    post = write()
    began_with = mark_of(post)
    change_post(post.id, PostDraft("linkedin", "Somebody else’s words"), based_on=began_with)
    with pytest.raises(Conflict, match="changed in the meantime"):
        change_post(post.id, PostDraft("linkedin", "Mine"), based_on=began_with)
    assert get_post(post.id).text == "Somebody else’s words"


def test_what_is_not_an_address_a_network_or_a_picture_is_refused_by_field(app: Flask) -> None:
    for draft, field in (
        (PostDraft("myspace", "x"), "network"),
        (PostDraft("x", "x", link="javascript:alert(1)"), "link"),
        (PostDraft("x", "x", link="https://[bad"), "link"),
        (PostDraft("x", "x", asset_id=424242), "asset_id"),
        (PostDraft("x", "x", webhook_id=424242), "webhook_id"),
        (PostDraft("x", "x" * 10_001), "text"),
    ):
        with pytest.raises(InputInvalid) as refused:
            add_post(draft, made_by="Ada", user_id=None)
        assert list(refused.value.fields) == [field]


def test_posted_by_hand_it_says_by_whom_and_where(app: Flask) -> None:
    post = write()
    mark_posted(post.id, url="https://social.example/1", user_id=None)
    done = get_post(post.id)
    assert (done.state, done.published_by, done.published_url) == ("published", "LUX", "https://social.example/1")
    with pytest.raises(Conflict):
        change_post(post.id, PostDraft("x", "Other words"))
    with pytest.raises(Conflict):
        plan_post(post.id, soon(), user_id=None)


def test_a_copy_is_a_draft_for_this_or_another_network(app: Flask) -> None:
    post = write(tags=("#tea",), link="https://lumen.example/")
    mark_posted(post.id, url="", user_id=None)
    copy = copy_post(post.id, made_by="Bo", user_id=None, network="x")
    assert (copy.network, copy.state, copy.text, copy.tags, copy.made_by) == ("x", "draft", post.text, ["#tea"], "Bo")


def test_a_planned_post_is_cancelled_before_it_is_archived(app: Flask) -> None:
    post = write()
    plan_post(post.id, soon(), user_id=None)
    with pytest.raises(Conflict, match="Cancel it first"):
        archive_post(post.id, user_id=None)
    db.session.rollback()
    assert cancel_post(post.id, user_id=None).state == "cancelled"
    archive_post(post.id, user_id=None)
    with pytest.raises(NotFound):
        unplan_post(post.id, user_id=None)
