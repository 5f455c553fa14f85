"""The independent judge: npm's oidc-provider at /oidc and a real browser; in, renewed, out at both ends, framed."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

from config import child_environment
from tests import makers
from tests.browser import Complaints
from tests.servers import Lux, running_lux, wait_until

FOLDER = Path(__file__).parent / "oidc_judge"
CLIENT_ID = "0d4c2f0e-judge"


@dataclass
class Judge:
    """A running oidc-provider."""

    origin: str

    @property
    def issuer(self) -> str:
        return f"{self.origin}/oidc"

    def counts(self) -> dict[str, int]:
        """What it has granted and ended."""
        with urlopen(f"{self.origin}/counts", timeout=10) as answer:
            counts: dict[str, int] = json.load(answer)
            return counts


@contextmanager
def running_judge(lux_url: str) -> Iterator[Judge]:
    assert (FOLDER / "node_modules").is_dir(), "This test needs oidc-provider: sh tests/prepare.sh node oidc"
    with subprocess.Popen(
        ["node", "server.mjs", CLIENT_ID, lux_url],
        cwd=FOLDER,
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield Judge(process.stdout.readline().strip())
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def judged(database_url: str) -> Iterator[tuple[Lux, Judge]]:
    """A LUX and the provider that it signs in with; they know each other's address."""
    with running_lux(database_url, has_web=False, REPL_ID=CLIENT_ID) as lux, running_judge(lux.url) as judge:
        lux.settings["ISSUER_URL"] = judge.issuer
        lux.start_web()
        yield lux, judge


@pytest.fixture(autouse=True)
def allow_the_judge(judged: tuple[Lux, Judge], complaints: Complaints) -> None:
    """The provider is another host, and its own pages, with their fonts from elsewhere, are not ours to judge."""
    _, judge = judged
    complaints.allowed += [judge.origin, "fonts.googleapis.com", "net::ERR_", "Blocked autofocusing"]


def consent(page: Page, login: str) -> None:
    """Signs in at the provider and lets LUX know who one is."""
    page.get_by_placeholder("Enter any login").fill(login)
    page.get_by_placeholder("and password").fill("anything")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def owner_page(lux: Lux, open_browser: Callable[..., Page]) -> Page:
    """A browser on which the owner is signed in."""
    with lux.make_app().app_context():
        makers.make_user(role="owner", email="ada@lumen.example")
    page = open_browser(lux.url)
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill("ada@lumen.example")
    page.get_by_label("Password", exact=True).fill(makers.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    return page


def test_a_person_signs_in_waits_is_approved_is_renewed_and_signs_out_at_both_ends(
    judged: tuple[Lux, Judge], open_browser: Callable[..., Page]
) -> None:
    lux, judge = judged
    page = open_browser(lux.url)
    page.goto("/contacts")
    page.get_by_role("link", name="Sign in with Replit").click()
    consent(page, "4711")
    expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for approval")
    expect(page.get_by_text("person4711@lumen.example")).to_be_visible()

    owner = owner_page(lux, open_browser)
    owner.goto("/settings/users")
    expect(owner.get_by_text("Replit: person4711")).not_to_have_count(0)
    owner.get_by_label(re.compile("^Role for Ada")).select_option("marketer")
    owner.get_by_role("button", name="Approve Ada").click()
    expect(owner.get_by_text("Ada").first).to_be_visible()

    wait_until(lambda: lux.count("replit_oauth", "expires_at < now()") == 1, "the tokens to end")
    page.goto("/contacts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Contacts")
    assert judge.counts()["refresh_token"] == 1

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Yes, sign me out").click()
    expect(page).to_have_url(re.compile(r"/sign-in(\?|$)"))
    assert lux.count("user_sessions", "ended_at IS NOT NULL") == 1
    assert lux.count("audit_entries", "action = 'signed_out'") == 1
    page.goto("/auth/replit_auth/login")
    expect(page.get_by_placeholder("Enter any login")).to_be_visible()
    assert judge.counts() == {"refresh_token": 1, "authorization_code": 1, "ended": 1}


def test_in_an_embedding_frame_the_button_opens_a_tab_of_its_own(
    judged: tuple[Lux, Judge], open_browser: Callable[..., Page]
) -> None:
    lux, judge = judged
    workspace = open_browser(lux.url)
    # Another site: the cookies of 127.0.0.1 stay out of a frame within localhost.
    workspace.goto(f"{judge.origin}/frame?show={lux.url}/sign-in")
    card = workspace.frame_locator("iframe")
    expect(card.get_by_role("heading", level=1)).to_have_text("Sign in")
    with workspace.context.expect_page() as opened:
        card.get_by_role("link", name="Sign in with Replit").click()
    tab = opened.value
    consent(tab, "4712")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Waiting for approval")
    assert tab.evaluate("window.top === window.self && window.opener === null")
    expect(card.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_it_works_without_scripts(judged: tuple[Lux, Judge], open_browser: Callable[..., Page]) -> None:
    lux, _judge = judged
    page = open_browser(lux.url, javascript=False, width=390)
    page.goto("/sign-in")
    page.get_by_role("link", name="Sign in with Replit").click()
    consent(page, "4713")
    expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for approval")
