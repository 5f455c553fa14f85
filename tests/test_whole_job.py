"""The whole job in a real browser, as a new owner does it: from the first start to results that balance."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from accounts.first_start import find_owner_token
from campaigns.visits import PROMPT_SECONDS
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.smtp_server import SmtpServer
from tests.servers import Lux, wait_until

PAYLOADS = Path(__file__).parent / "fixtures" / "webhook_payloads.json"
PASSWORD = "seven violet lanterns"
PEOPLE_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@pytest.fixture
def mail_server() -> Iterator[SmtpServer]:
    """A mail server that takes everything."""
    with SmtpServer() as server:
        yield server


@pytest.fixture
def model_server() -> Iterator[OpenAIServer]:
    """A model server that answers well."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def lux(start_lux: Callable[..., Lux], mail_server: SmtpServer, model_server: OpenAIServer) -> Lux:
    """A LUX with two web processes, a worker, a mail server and a model, and nothing in its database."""
    return start_lux(
        workers=2,
        has_worker=True,
        SMTP_URL=mail_server.url(),
        MAIL_FROM="Lumen Tea <hello@lumen.example>",
        POSTAL_ADDRESS="Lumen Tea, 1 Harbour Street, Springfield",
        OPENAI_API_KEY=model_server.key,
        OPENAI_BASE_URL=model_server.url,
    )


def test_a_new_owner_does_the_whole_job(lux: Lux, open_browser: Callable[..., Page], mail_server: SmtpServer) -> None:
    page = open_browser(lux.url)
    make_owner(page, lux)
    describe_brand(page)
    post_fixtures(page, lux)
    make_segment(page)
    draft_with_agent(page, by_playbook=True)
    approve(page)
    campaign_id = finish_campaign(page)
    send_test(page, mail_server)
    launch(page, lux, campaign_id)
    messages = [letter.message for letter in mail_server.letters if letter.recipient != "ada@lumen.example"]
    check_messages(messages)
    read_click_and_leave(lux, messages, campaign_id)
    check_results(page, lux, campaign_id, len(messages))


def test_a_model_drafts_and_the_draft_becomes_a_campaign(
    lux: Lux, open_browser: Callable[..., Page], model_server: OpenAIServer
) -> None:
    page = open_browser(lux.url)
    make_owner(page, lux)
    describe_brand(page)
    post_fixtures(page, lux)
    draft_with_agent(page, by_playbook=False)
    approve(page)
    expect(page).to_have_url(re.compile(r"/campaigns/\d+/"))
    asked = json.dumps(model_server.requests)
    for address in lux.connect().execute("SELECT email FROM contacts").fetchall():
        assert address[0] not in asked


# ── the steps ──


def make_owner(page: Page, lux: Lux) -> None:
    with lux.make_app().app_context():
        token = find_owner_token()
    page.goto(f"/first-start/{token}")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@lumen.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("heading", level=1, name="Dashboard")).to_be_visible()
    expect(page.get_by_text("Get going")).to_be_visible()


def describe_brand(page: Page) -> None:
    page.goto("/settings/brand/")
    page.locator("[name=company]").fill("Lumen Tea")
    page.locator("[name=voice]").fill("Warm and precise; short sentences, no exclamation marks.")
    page.locator("[name=offer]").fill("Single-garden teas, sent the week they are packed.")
    page.locator("[name=audience]").fill("People who drink tea every day and like to know where it grew.")
    page.locator("[name=links]").fill("Shop https://shop.lumen.example/")
    page.get_by_role("button", name=re.compile("Save")).click()
    expect(page.get_by_role("status").filter(has_text=re.compile("saved", re.IGNORECASE)).first).to_be_visible()


def post_fixtures(page: Page, lux: Lux) -> None:
    """Connects Zapier: the credential from the page, every real body, and a few readers more."""
    page.goto("/settings/connections")
    page.get_by_label("What will use it").fill("Zapier")
    page.get_by_role("button", name=re.compile("^Make")).click()
    username = page.get_by_label(re.compile("^User")).first.input_value()
    password = page.get_by_label(re.compile("^Password")).first.input_value()
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    for payload in json.loads(PAYLOADS.read_text()):
        body = base64.b64decode(payload["body_base64"])
        headers = {"Authorization": f"Basic {login}", "Content-Type": payload["content_type"]}
        status, _, _ = lux.request("POST", "/api/webhook/zapier-contact", body, headers)
        assert status in (payload["expect_status"], 200), payload["id"]
    for number in range(4):
        person = {"email": f"reader{number}@example.net", "name": f"Reader {number}", "source": "Newsletter"}
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        assert lux.request("POST", "/api/webhook/zapier-contact", json.dumps(person).encode(), headers)[0] == 201
    page.goto("/contacts")
    expect(page.get_by_role("link", name="Reader 3")).to_be_visible()
    page.goto("/webhook-inbox")
    expect(page.get_by_role("heading", level=1)).to_have_text("Webhook inbox")


def make_segment(page: Page) -> None:
    page.goto("/segments/new")
    page.get_by_label("Name").fill("Subscribed readers")
    page.get_by_role("button", name="Save the segment").click()
    expect(page.get_by_role("heading", level=1, name="Subscribed readers")).to_be_visible()


def draft_with_agent(page: Page, *, by_playbook: bool) -> None:
    page.goto("/agents/email_crm")
    page.locator("[name=goal]").fill("Tell readers about the first spring tea")
    page.locator("[name=offer]").fill("The first flush of this spring has arrived.\nEvery order ships this week.")
    page.locator("[name=segment_id]").select_option(label="Subscribed readers" if by_playbook else "Newsletter")
    page.locator("[name=link]").fill("https://shop.lumen.example/spring")
    page.get_by_role("button", name="Without the model" if by_playbook else "Generate", exact=True).click()
    expect(page.get_by_role("button", name="Send for approval")).to_be_visible()
    if by_playbook:
        expect(page.get_by_text("Drafted from a playbook").first).to_be_visible()
    else:
        expect(page.get_by_text("The first flush is here").first).to_be_visible()
    page.get_by_role("button", name="Send for approval").click()


def approve(page: Page) -> None:
    page.goto("/approvals")
    page.get_by_role("button", name=re.compile("^Approve")).first.click()
    expect(page).to_have_url(re.compile(r"/campaigns/\d+"))
    page.goto("/approvals")
    page.get_by_role("link", name=re.compile("Open what it has made")).first.click()
    expect(page).to_have_url(re.compile(r"/campaigns/\d+/"))


def finish_campaign(page: Page) -> int:
    match = re.search(r"/campaigns/(\d+)", page.url)
    assert match
    campaign_id = int(match.group(1))
    page.goto(f"/campaigns/{campaign_id}/audience")
    expect(page.get_by_role("main")).to_contain_text(re.compile("will receive", re.IGNORECASE))
    page.goto(f"/campaigns/{campaign_id}/review")
    expect(page.get_by_role("button", name="Launch", exact=True)).to_be_visible()
    return campaign_id


def send_test(page: Page, mail_server: SmtpServer) -> None:
    page.get_by_label("Send a test to").fill("ada@lumen.example")
    page.get_by_role("button", name="Send the test").click()
    wait_until(lambda: mail_server.letters, "the test message")
    assert mail_server.letters[0].recipient == "ada@lumen.example"


def launch(page: Page, lux: Lux, campaign_id: int) -> None:
    """Launches, takes it back within the minute, launches again and waits for the last message."""
    for is_last in (False, True):
        page.goto(f"/campaigns/{campaign_id}/review")
        page.get_by_role("button", name="Launch", exact=True).click()
        expect(page.get_by_role("button", name="Take it back")).to_be_visible()
        if not is_last:
            page.get_by_role("button", name="Take it back").click()
            expect(page.get_by_role("button", name="Take it back")).to_have_count(0)
    where = f"id = {campaign_id} AND state = 'finished'"
    wait_until(lambda: lux.count("campaigns", where) == 1, "the campaign to be finished")
    assert lux.count("messages", "state = 'sent'") == lux.count("messages") > 3


def check_messages(messages: list[EmailMessage]) -> None:
    assert len({message["To"] for message in messages}) == len(messages)
    for message in messages:
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert message["From"] == "Lumen Tea <hello@lumen.example>"
        assert {part.get_content_type() for part in message.walk()} >= {"text/plain", "text/html"}
        text = message.get_body(("plain",))
        assert text is not None
        assert "1 Harbour Street" in text.get_content()


def read_click_and_leave(lux: Lux, messages: list[EmailMessage], campaign_id: int) -> None:
    """One person opens and clicks, a scanner fetches everything of another, a third leaves by the mail client."""
    # The readers, whose addresses read the same on the wire as in LUX; an IDN domain does not.
    person, scanned, leaver = [message for message in messages if str(message["To"]).endswith("@example.net")][:3]
    for address in [*list_addresses(scanned, "/o/"), *list_addresses(scanned, "/c/")]:
        fetch(address, "GoogleImageProxy")
    time.sleep(PROMPT_SECONDS + 1)
    fetch(list_addresses(person, "/o/")[0], PEOPLE_AGENT)
    clicks = list_addresses(person, "/c/")
    assert fetch(clicks[0], PEOPLE_AGENT) == "https://shop.lumen.example/spring"
    one_click = str(leaver["List-Unsubscribe"]).strip("<>")
    path = urlsplit(one_click).path
    body = b"List-Unsubscribe=One-Click"
    assert lux.request("GET", path)[0] == 200
    assert lux.count("contacts", "subscription = 'unsubscribed'") == 0
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert lux.request("POST", path, body, headers)[0] == 200
    address = leaver["To"].addresses[0].addr_spec
    assert lux.count("contacts", f"subscription = 'unsubscribed' AND email = '{address}'") == 1
    human = f"campaign_id = {campaign_id} AND actor = 'human'"
    assert lux.count("tracking_events", human + " AND kind = 'click'") == 1
    assert lux.count("tracking_events", human + " AND kind = 'open'") == 1


def check_results(page: Page, lux: Lux, campaign_id: int, sent: int) -> None:
    page.goto(f"/campaigns/{campaign_id}/results")
    values = [int(text) for text in page.locator(".balance__value").all_inner_texts()]
    assert values[0] == sum(values[1:]) == sent
    page.goto(f"/campaigns/{campaign_id}/why?address=reader1@example.net")
    expect(page.get_by_role("main")).to_contain_text("reader1@example.net")


def list_addresses(message: EmailMessage, path: str) -> list[str]:
    html = message.get_body(("html",))
    assert html is not None
    found = re.findall(r'(?:href|src)="([^"]+)"', html.get_content())
    return [address for address in found if urlsplit(address).path.startswith(path)]


def fetch(address: str, agent: str) -> str:
    """Where a GET of the address leads; redirects are not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    request = urllib.request.Request(address, headers={"User-Agent": agent, "Accept": "text/html,image/*"})
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=10) as answer:
            return str(answer.url)
    except urllib.error.HTTPError as answer:
        return str(answer.headers.get("Location", ""))
