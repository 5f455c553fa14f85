"""Publishing in a LUX at work: from the tile of an agent to a published post and an exported article, in Chromium;
a worker that is killed in the middle of an attempt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.sessions import start_session
from extensions import db
from planning.ad_plans import PlanFacts, add_plan
from publishing.deliveries import publish_now
from publishing.posts import PostDraft, add_post
from publishing.webhooks import WebhookDraft, add_webhook, find_way
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.makers import make_asset, make_user
from tests.servers import Lux, running_lux, wait_until

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as one:
        yield one


@pytest.fixture(scope="module")
def lux(database_url: str, receiver: WebhookReceiver) -> Iterator[Lux]:
    """A LUX with a worker and a clock, and an outgoing webhook to the receiver."""
    with running_lux(database_url, has_worker=True) as running:
        with running.make_app().app_context():
            receiver.secret = add_webhook(WebhookDraft("Zapier", receiver.url), user_id=None).text
            db.session.remove()
            db.engine.dispose()
        yield running


@pytest.fixture
def open_here(lux: Lux, open_browser: OpenPage) -> OpenPage:
    """A page on which the owner is signed in."""
    app = lux.make_app()
    with app.app_context():
        token = start_session(make_user(role="owner"), peer="127.0.0.1", user_agent="tests")
        cookie = app.session_interface.get_signing_serializer(app).dumps({"token": token})  # type: ignore[attr-defined]  # Flask's own cookie
        db.session.remove()
        db.engine.dispose()

    def opened(path: str, **options: object) -> Page:
        page = open_browser(lux.url, **options)
        page.context.add_cookies([{"name": "lux", "value": str(cookie), "url": lux.url}])
        page.goto(path)
        return page

    return opened


def add_draft(lux: Lux, words: str, at: datetime | None = None) -> int:
    with lux.make_app().app_context():
        post_id = int(add_post(PostDraft("x", words, planned_at=at), made_by="Ada", user_id=None).id)
        db.session.remove()
        db.engine.dispose()
    return post_id


def test_social_media_gives_posts_that_are_planned_and_published_to_a_receiver(
    lux: Lux, receiver: WebhookReceiver, open_here: OpenPage
) -> None:
    page = open_here("/agents/")
    page.get_by_role("link", name="Social Media & Community").click()
    page.get_by_role("navigation", name="Tasks of this agent").get_by_role("link", name="A week", exact=True).click()
    page.fill("[name=topic]", "The first flush is here")
    page.fill("[name=tell]", "Light and green\nFrom one garden")
    page.get_by_role("button", name="Generate from the playbook").click()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    page.get_by_role("button", name="Add to the calendar").click()
    page.wait_for_url("**/calendar/?view=week*")
    expect(page.locator(".calendar-item--post")).to_have_count(5)
    assert lux.count("posts", "state = 'draft' AND made_by = 'Social Media & Community'") == 5
    page.locator(".calendar-item__link", has_text="LinkedIn").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("LinkedIn post")
    expect(page.get_by_label("By Zapier")).to_be_checked()
    page.get_by_role("button", name="Plan it").click()
    expect(page.get_by_text("Planned. It is published by Zapier.")).to_be_visible()
    with lux.connect() as connection:
        connection.execute("UPDATE posts SET planned_at = now() WHERE state = 'planned'")
    wait_until(lambda: receiver.calls, "the post at the receiver")
    (call,) = receiver.calls
    assert call.is_signed
    assert call.json["data"]["text"].startswith("The first flush is here")
    wait_until(lambda: lux.count("posts", "state = 'published'") == 1, "the post to be published")
    page.reload()
    expect(page.get_by_role("status").filter(has_text="Published")).to_be_visible()
    expect(page.get_by_label("Attempts")).to_contain_text("answered 200")


def test_words_are_counted_while_they_are_typed_and_a_picture_comes_from_the_library(
    lux: Lux, open_here: OpenPage
) -> None:
    with lux.make_app().app_context():
        make_asset(name="Cups", alt="Two cups of tea")
        plan_id = int(add_plan(PlanFacts("Spring tea", link="https://lumen.example"), made_by="Ada").id)
        db.session.remove()
        db.engine.dispose()
    page = open_here(f"/calendar/posts/{add_draft(lux, 'Tea')}")
    page.fill("[name=text]", "a" * 305)
    expect(page.locator("#field-text-limit")).to_contain_text("305 of 280 characters on X")
    expect(page.locator("#field-text-said")).to_have_text("25 characters too many.")
    page.select_option("[name=network]", "mastodon")
    expect(page.locator("#field-text-limit")).to_contain_text("305 of 500 characters on Mastodon")
    expect(page.locator("#field-text-said")).to_be_empty()
    page.get_by_role("button", name="Choose from the library").click()
    page.get_by_role("button", name="Use Cups").click()
    expect(page.get_by_label("Alt text")).to_have_value("Two cups of tea")
    expect(page.get_by_role("img", name="Two cups of tea")).to_be_visible()
    page.get_by_label("Tags").press("Enter")
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    page.goto(f"/campaigns/ad-plans/{plan_id}/ads/new")
    page.fill("[name=headlines]", "First flush tea\nA very long headline about first flush tea")
    expect(page.locator("#field-headlines-counts")).to_contain_text("42 of 30, 12 too many")
    expect(page.locator("#field-headlines-said")).to_have_text("Line 2: 12 characters too many.")


def test_content_and_seo_gives_an_article_that_is_exported(lux: Lux, open_here: OpenPage) -> None:
    page = open_here("/agents/")
    page.get_by_role("link", name="Content & SEO").click()
    page.fill("[name=topic]", "How to brew green tea")
    page.fill("[name=points]", "The water must not boil\nTwo minutes are enough")
    page.get_by_role("button", name="Generate from the playbook").click()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    page.get_by_role("button", name="Turn into an article").click()
    page.wait_for_url("**/calendar/articles/*")
    page.get_by_label("Text", exact=True).fill("## The water\n\nIt must **not** boil.")
    expect(page.get_by_text(re.compile(r"Saved \d\d:\d\d"))).to_be_visible()
    expect(page.locator("#article-checks")).to_contain_text("6 words")
    expect(page.frame_locator("[data-preview] iframe").get_by_role("heading", name="The water")).to_be_visible()
    page.get_by_text("Export").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="HTML, one file").click()
    assert download.value.suggested_filename == "how-to-brew-green-tea.html"
    exported = Path(download.value.path()).read_text(encoding="utf-8")
    assert "<p>It must <strong>not</strong> boil.</p>" in exported
    assert lux.count("article_versions") >= 2


def test_a_thing_is_dragged_to_another_day_and_keeps_its_hour(lux: Lux, open_here: OpenPage) -> None:
    at = datetime.now(UTC).replace(hour=9, minute=30, second=0, microsecond=0) + timedelta(days=40)
    monday = at - timedelta(days=at.weekday())
    post_id = add_draft(lux, "Drag me", monday)
    page = open_here(f"/calendar/?view=week&on={monday.date()}&kind=post")
    target = (monday + timedelta(days=3)).date()
    page.locator("[data-item]", has_text="Drag me").drag_to(page.locator(f"[data-day='{target}']"))
    expect(page.get_by_text(re.compile("X post” is on Thursday"))).to_be_visible()
    expect(page.locator(f"[data-day='{target}']")).to_contain_text("Drag me")
    assert lux.count("posts", f"id = {post_id} AND planned_at = '{target}T09:30Z'") == 1


def test_by_keyboard_and_without_javascript_the_move_form_does_the_same(lux: Lux, open_here: OpenPage) -> None:
    at = datetime.now(UTC).replace(hour=9, minute=30, second=0, microsecond=0) + timedelta(days=60)
    post_id = add_draft(lux, "Move me", at)
    page = open_here(f"/calendar/?view=week&on={at.date()}&kind=post", javascript=False)
    page.get_by_role("link", name="Move X: Move me").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Day").fill((at + timedelta(days=1)).date().isoformat())
    page.get_by_label("Time").fill("11:45")
    page.get_by_role("button", name="Move it").press("Enter")
    expect(page.locator(".calendar-item", has_text="Move me")).to_contain_text("11:45")
    assert lux.count("posts", f"id = {post_id} AND planned_at::text LIKE '%11:45%'") == 1


def test_a_worker_that_is_killed_while_the_receiver_thinks_is_followed_by_another_under_the_same_id(
    lux: Lux, receiver: WebhookReceiver
) -> None:
    receiver.calls.clear()
    answers = iter(["hang"])
    receiver.behave = lambda _call: next(answers, "200")
    with lux.make_app().app_context():
        way = find_way("linkedin")
        assert way is not None
        draft = PostDraft("linkedin", "Told once", webhook_id=way.id)
        post_id = int(add_post(draft, made_by="Ada", user_id=None).id)
        publish_now(post_id, user_id=None)
        db.session.remove()
        db.engine.dispose()
    wait_until(lambda: receiver.calls, "the first attempt")
    lux.kill_worker()
    mine = f"post_id = {post_id}"
    assert lux.count("webhook_deliveries", f"{mine} AND state = 'attempting' AND attempts = 1") == 1
    lux.start_worker()
    with lux.connect() as connection:  # the minute that an owner has, over at once
        connection.execute(f"UPDATE webhook_deliveries SET held_until = now() WHERE {mine}")
    wait_until(lambda: lux.count("webhook_deliveries", f"{mine} AND state = 'waiting'"), "the attempt to be taken back")
    with lux.connect() as connection:
        connection.execute(f"UPDATE webhook_deliveries SET next_try_at = now() WHERE {mine}")
    wait_until(lambda: lux.count("posts", f"id = {post_id} AND state = 'published'"), "the post to be published")
    assert len(receiver.calls) == 2
    assert len({call.message_id for call in receiver.calls}) == 1
    assert lux.count("webhook_attempts", "state = 'unknown'") == 1
