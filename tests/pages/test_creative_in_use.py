"""From the tiles of Creative & Design and Advertising to a picture in a mail and a file of ads, in Chromium."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.sessions import start_session
from campaigns.brand import change_brand
from campaigns.drafting import content_of, get_campaign
from campaigns.mail_brand import get_mail_brand
from campaigns.rendering import render_campaign
from creative.assets import get_asset
from extensions import db
from tests.agents.conftest import BRAND
from tests.makers import make_campaign, make_user
from tests.servers import Lux, running_lux

Open = Callable[[str, str], Page]
BLOCKS = [{"kind": "image", "url": "", "alt": ""}, {"kind": "text", "text": "The first flush is here."}]


@pytest.fixture(scope="module")
def lux(database_url: str) -> Iterator[Lux]:
    """A LUX with a worker and a brand, without a model."""
    with running_lux(database_url, has_worker=True) as running:
        with running.make_app().app_context():
            change_brand(BRAND, actor="tests")
            make_campaign(name="First flush letter", content={"subject": "It is here", "blocks": BLOCKS})
            db.session.remove()
            db.engine.dispose()
        yield running


@pytest.fixture(scope="module")
def cookie(lux: Lux) -> str:
    """The session of a marketer."""
    app = lux.make_app()
    with app.app_context():
        token = start_session(make_user(role="marketer"), peer="127.0.0.1", user_agent="tests")
        value = app.session_interface.get_signing_serializer(app).dumps({"token": token})  # type: ignore[attr-defined]  # Flask's own cookie
        db.session.remove()
        db.engine.dispose()
    return str(value)


@pytest.fixture
def open_task(lux: Lux, cookie: str, open_browser: Callable[..., Page]) -> Open:
    """Goes from the tile of an agent to one of its tasks."""

    def opened(agent: str, task: str) -> Page:
        page = open_browser(lux.url)
        page.context.add_cookies([{"name": "lux", "value": cookie, "url": lux.url}])
        page.goto("/agents/")
        page.get_by_role("link", name=agent).click()
        page.get_by_role("navigation", name="Tasks of this agent").get_by_role("link", name=task, exact=True).click()
        return page

    return opened


def generate(page: Page) -> None:
    page.get_by_role("button", name="Generate from the playbook").click()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()


def loaded_width(page: Page, selector: str) -> int:
    """How wide the browser found a picture to be; 0 where it could not show it."""
    picture = page.locator(selector).first
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    return int(picture.evaluate("image => image.naturalWidth"))


def test_a_concept_becomes_a_picture_in_the_mail_of_a_campaign(lux: Lux, open_task: Open) -> None:
    page = open_task("Creative & Design", "Concepts")
    page.fill("[name=topic]", "The first flush is here")
    generate(page)
    assert loaded_width(page, ".draft-pictures img") == 1200
    page.get_by_role("button", name="Add to Pictures").first.click()
    page.wait_for_url("**/campaigns/library/*")
    assert loaded_width(page, ".picture-large img") == 1200
    asset_id = int(page.url.rsplit("/", 1)[-1])
    assert lux.count("assets") == 7
    page.goto("/campaigns/1/content")
    page.get_by_role("button", name="Choose from the library").first.click()
    page.wait_for_url("**/campaigns/library/choose/1**")
    page.get_by_role("button", name=re.compile("^Use The first flush is here, E-mail header")).click()
    page.wait_for_url("**/campaigns/1/content**")
    with lux.make_app().app_context():
        token = get_asset(asset_id).public_token
        mail = render_campaign(content_of(get_campaign(1)), get_mail_brand(), is_tracked=False).preview().html
        db.session.remove()
        db.engine.dispose()
    shown = re.search(rf'<img[^>]+src="{lux.url}/media/{token}\.png"[^>]*>', mail)
    assert shown is not None and "The first flush is here" in shown[0]
    status, content, _ = lux.request("GET", f"/media/{token}.png")[:3]
    assert status == 200 and content is not None


def test_ads_become_a_plan_whose_file_is_downloaded_and_read_again(lux: Lux, open_task: Open, tmp_path: Path) -> None:
    page = open_task("Advertising & Demand Gen", "Ad copy")
    page.fill("[name=offer]", "First flush green tea")
    page.fill("[name=points]", "From one garden\nFree returns for 30 days")
    page.fill("[name=link]", "https://lumen.example/first-flush")
    generate(page)
    page.get_by_role("button", name="Turn into ad plan").click()
    page.wait_for_url("**/campaigns/ad-plans/*")
    expect(page.get_by_role("heading", level=1)).to_have_text("First flush green tea")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Google Ads Editor").click()
    waiting.value.save_as(tmp_path / "ads.csv")
    with (tmp_path / "ads.csv").open(encoding="utf-8-sig", newline="") as file:
        campaign, _group, ad = csv.DictReader(file)
    assert campaign["Campaign"] == "First flush green tea" and ad["Ad type"] == "Responsive search ad"
    headlines = [ad[f"Headline {at}"] for at in range(1, 16) if ad[f"Headline {at}"]]
    assert len(headlines) >= 3 and all(len(one) <= 30 for one in headlines)
    assert ad["Final URL"].startswith("https://lumen.example/first-flush?utm_source=google&utm_medium=cpc")
