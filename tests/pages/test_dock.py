"""The dock in Chromium: Ctrl J, a question, a repair, a reload in mid-stream, Stop, Retry; and its page without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from error_logger import error_logger
from extensions import db
from tests.fakes.openai_server import OpenAIServer
from tests.makers import PASSWORD, make_user
from tests.servers import Lux, running_lux, wait_until

LONG = "Spring is a good time to write. " * 40


@pytest.fixture(scope="module")
def plain(database_url: str) -> Iterator[Lux]:
    """A LUX without a key."""
    with running_lux(database_url) as lux:
        yield lux


@pytest.fixture(scope="module")
def modelled(database_url: str) -> Iterator[tuple[Lux, OpenAIServer]]:
    """A LUX with a model that writes slowly."""
    with OpenAIServer(piece_delay_seconds=0.3) as server:
        server.answers = [LONG]
        with running_lux(database_url, OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url) as lux:
            yield lux, server


@pytest.fixture
def enter(open_browser: Callable[..., Page]) -> Callable[..., Page]:
    """Opens a browser in which somebody is signed in, on a LUX with one error in it."""

    def entered(lux: Lux, *, role: str = "operator", **options: Any) -> Page:
        with lux.make_app().app_context():
            email = make_user(role=role).email
            try:
                raise ConnectionError("The mail server refused message 7.")
            except ConnectionError as error:
                error_logger().capture(error, place="task send_due_messages")
            assert error_logger().flush_now()
            db.session.remove()
            db.engine.dispose()
        page = open_browser(lux.url, **options)
        page.goto("/sign-in")
        page.fill("input[name=email]", email)
        page.fill("input[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/")
        return page

    return entered


def say(page: Page, words: str) -> None:
    expect(page.locator("[data-dock]")).not_to_have_attribute("aria-busy", "true")
    page.fill("#chat-message", words)
    page.keyboard.press("Enter")


def test_an_operator_asks_what_is_wrong_and_has_it_repaired(plain: Lux, enter: Callable[..., Page]) -> None:
    page = enter(plain)
    page.keyboard.press("Control+j")
    expect(page.locator("#chat-message")).to_be_focused()
    expect(page.locator("[data-chat-start] button")).to_have_count(4)
    say(page, "What's wrong with my system?")
    first = page.locator(".chat__turn").first
    expect(first.locator(".chat__text")).to_contain_text("ConnectionError")
    expect(first.locator(".chat__evidence").first).to_be_visible()
    expect(page.locator("[data-chat-status]")).to_contain_text("Answer ready")
    first.get_by_role("button", name="Fix it").click()
    second = page.locator(".chat__turn").nth(1)
    expect(second.locator(".chat__text")).to_contain_text("1 error group was examined")
    page.keyboard.press("Escape")
    expect(page.locator("[data-dock]")).to_be_hidden()


def test_a_stream_goes_on_after_a_reload_and_is_paid_once(
    modelled: tuple[Lux, OpenAIServer], enter: Callable[..., Page]
) -> None:
    lux, server = modelled
    asked = len(server.requests)
    page = enter(lux, role="marketer")
    page.keyboard.press("Control+j")
    say(page, "When should I write?")
    raw = page.locator("[data-raw]")
    expect(raw).to_contain_text("Spring is a good time")
    expect(page.locator(".dock__said--lux")).to_have_attribute("aria-busy", "true")
    page.reload()
    expect(raw).to_contain_text("Spring is a good time")
    expect(page.locator(".chat__text")).to_contain_text("good time to write.")
    expect(page.locator("[data-chat-cost]")).to_contain_text("$0.")
    assert len(server.requests) - asked == 1
    assert lux.count("ai_calls", "state <> 'reserved'") == len(server.requests)


def test_stop_keeps_what_has_come(modelled: tuple[Lux, OpenAIServer], enter: Callable[..., Page]) -> None:
    lux, _ = modelled
    page = enter(lux, role="marketer", width=390)
    page.locator(".shell__bar [data-opens-dock]").click()
    # On a phone it takes the whole screen.
    box = page.locator("[data-dock]").bounding_box()
    assert box is not None and (box["x"], box["y"], box["width"]) == (0, 0, 390) and box["height"] > 800
    say(page, "When should I write?")
    expect(page.locator("[data-raw]")).to_contain_text("Spring is")
    page.get_by_role("button", name="Stop").click()
    wait_until(lambda: lux.count("chat_turns", "state = 'stopped'") == 1, "the turn to stop")
    expect(page.locator(".chat__text")).to_contain_text("Spring is")
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_message_that_cannot_be_sent_is_kept_with_retry(
    plain: Lux, enter: Callable[..., Page], complaints: Any
) -> None:
    complaints.allowed.append("Failed to load resource")
    page = enter(plain, role="viewer")
    page.keyboard.press("Control+j")
    expect(page.locator("#chat-message")).to_be_focused()
    page.route("**/chatbot/send", lambda route: route.abort())
    say(page, "How many contacts do I have?")
    expect(page.locator(".chat__failure")).to_contain_text("Your message is kept")
    page.unroute("**/chatbot/send")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".chat__text")).to_contain_text("no contacts yet")


def test_it_works_without_javascript(plain: Lux, enter: Callable[..., Page]) -> None:
    page = enter(plain, role="viewer", javascript=False)
    page.goto("/ask/")
    page.get_by_role("button", name="How many people can I write to?").click()
    expect(page.locator(".chat__text")).to_contain_text("have agreed to get mail")
    page.fill("#chat-message", "How do I import contacts?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".chat__turn")).to_have_count(2)
    page.locator(".chat__text a").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("LUX")
