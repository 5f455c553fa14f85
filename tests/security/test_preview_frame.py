"""A preview runs nothing that its author wrote, even if the cleaning failed (listmonk CVE-2026-21483): in Chromium."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests import makers
from tests.browser import Complaints
from tests.servers import Lux

# What an author would have to get past the blocks: a script, a handler, a frame, a form that sends itself.
HOSTILE = """<!doctype html><title>x</title><script>top.document.title = "ran"; parent.ran = 1; ran = 1</script>
<img src="x:" onerror="parent.ran = 2"><svg onload="parent.ran = 3"></svg><body onload="parent.ran = 4">
<iframe srcdoc="<script>top.ran = 5</script>"></iframe><form action="/sign-out" method="post" id="f"></form>
<meta http-equiv="refresh" content="0;url=javascript:parent.ran=6">"""


@pytest.fixture
def editor(start_lux: Callable[..., Lux], open_browser: Callable[..., Page]) -> tuple[Page, str]:
    """The owner's browser, and the address of a draft's content."""
    lux = start_lux()
    with lux.make_app().app_context():
        owner = makers.make_user(role="owner", email="ada@lumen.example")
        campaign_id = makers.make_campaign(made_by=owner.name).id
    page = open_browser(lux.url)
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill("ada@lumen.example")
    page.get_by_label("Password", exact=True).fill(makers.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    return page, f"/campaigns/{campaign_id}/content"


def test_a_script_in_a_preview_neither_runs_nor_reaches_the_page(
    editor: tuple[Page, str], complaints: Complaints
) -> None:
    page, address = editor
    # The frame and the policy refuse what is planted, and Chromium says so.
    complaints.allowed += ["sandbox", "Content Security Policy", "net::ERR_", "to a javascript: URL"]
    kept_headers: list[bool] = [True]

    def plant(route: Route) -> None:
        """LUX's own answer with another body: with its headers, or for comparison without."""
        answer = route.fetch()
        headers = answer.headers if kept_headers[0] else {"content-type": "text/html"}
        route.fulfill(status=200, headers=headers, body=HOSTILE)

    page.route("**/preview*", plant)
    page.goto(address)
    frame = page.locator('iframe[src*="/preview"]').first
    sandbox = frame.get_attribute("sandbox")
    assert sandbox is not None and "allow-scripts" not in sandbox and "allow-same-origin" not in sandbox
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.ran") is None
    assert "ran" not in page.title().split()

    # Opened by itself, where no frame holds it, its policy alone does.
    page.goto(address.replace("content", "preview"))
    assert page.title() == "x"
    assert "sandbox" in page.request.get(page.url).headers["content-security-policy"]

    # The same without LUX's headers runs: the plant is alive.
    kept_headers[0] = False
    page.goto(address.replace("content", "preview"))
    assert page.evaluate("window.ran") is not None
