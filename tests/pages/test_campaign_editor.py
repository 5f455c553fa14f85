"""The campaign's pages in a real browser: editing with and without script, isolation, the page checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Dialog, Page, expect
from sqlalchemy import update

from accounts.users import add_user
from campaigns.drafting import add_campaign, change_content, get_campaign
from campaigns.launching import launch_campaign, start_campaign
from campaigns.sending import send_due_messages
from campaigns.templates import STARTERS
from extensions import db
from models import Campaign
from tests import makers
from tests.browser import Complaints
from tests.campaigns.ledger_scene import make_contacts, make_segment
from tests.gates.visits import Visit, examine
from tests.makers import PASSWORD
from tests.servers import Lux, running_lux

OpenPage = Callable[..., Page]
# axe looks into frames by posting to them, which an isolated frame refuses.
ISOLATED = ("Failed to execute 'postMessage'", "Blocked script execution in")
PAYLOADS = [
    "<script>window.ran=1</script>",
    "</title><script>window.ran=1</script>",
    "</textarea><script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "<svg onload=window.ran=1>",
    "<svg><script>window.ran=1</script></svg>",
    "<svg><animate onbegin=window.ran=1 attributeName=x dur=1s>",
    "<body onload=window.ran=1>",
    "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "<iframe src=javascript:parent.ran=1>",
    "<details open ontoggle=window.ran=1>",
    "<video><source onerror=window.ran=1>",
    "<audio src=x onerror=window.ran=1>",
    "<input autofocus onfocus=window.ran=1>",
    "<select autofocus onfocus=window.ran=1>",
    "<marquee onstart=window.ran=1>",
    "<object data=javascript:window.ran=1>",
    "<embed src=javascript:window.ran=1>",
    "<math><mtext><script>window.ran=1</script>",
    "<style>@import 'javascript:window.ran=1';</style>",
    "<link rel=stylesheet href=javascript:window.ran=1>",
    "<base href=javascript:window.ran=1//>",
    "<meta http-equiv=refresh content='0;url=javascript:window.ran=1'>",
    "<a href=javascript:window.ran=1>x</a>",
    "<form><button formaction=javascript:window.ran=1>x</button></form>",
    '" onmouseover="window.ran=1" x="',
    "' onfocus='window.ran=1' autofocus x='",
    '"><script>window.ran=1</script>',
    "'><script>window.ran=1</script>",
    "--><script>window.ran=1</script>",
    "]]><script>window.ran=1</script>",
    "{{constructor.constructor('window.ran=1')()}}",
    "${window.ran=1}",
    "{{7*7}}{% raw %}<script>window.ran=1</script>{% endraw %}",
    "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "\\u003cscript\\u003ewindow.ran=1\\u003c/script\\u003e",
    "<scr<script>ipt>window.ran=1</scr</script>ipt>",
    "<ScRiPt>window.ran=1</sCrIpT>",
    "<x hx-on:click='window.ran=1' hx-trigger=load hx-get=/>",
    '[x](javascript:window.ran=1) ![x](x"onerror="window.ran=1)',
    "<template shadowrootmode=open><script>window.ran=1</script></template>",
    '<noscript><p title="</noscript><img src=x onerror=window.ran=1>">',
]


@pytest.fixture(scope="module")
def lux(database_url: str) -> Iterator[Lux]:
    """One LUX with an owner; each test makes campaigns of its own."""
    with running_lux(database_url, MAIL_FROM="Lumen Tea <hello@lumen.example>", POSTAL_ADDRESS="1 Harbour St") as lux:
        with lux.make_app().app_context():
            add_user(email="owner@lumen.example", name="Ada Lovelace", password=PASSWORD, role="owner")
            db.session.commit()
            db.session.remove()
            db.engine.dispose()
        yield lux


@pytest.fixture
def scene(lux: Lux) -> Iterator[Flask]:
    """An app on the same database, for making rows."""
    app = lux.make_app()
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def open_page(lux: Lux, open_browser: Callable[..., Page], complaints: Complaints) -> OpenPage:
    """A browser in which the owner has signed in: open_page("/campaigns/", width=390, javascript=False)."""
    complaints.allowed.extend(ISOLATED)

    def opened(path: str, **options: Any) -> Page:
        page = open_browser(lux.url, **options)
        page.goto("/sign-in")
        page.get_by_label("E-mail").fill("owner@lumen.example")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        page.goto(path)
        return page

    return opened


def make_sent(domain: str) -> int:
    """A campaign that has gone to three people."""
    campaign_id = makers.make_campaign(segment_id=make_segment(make_contacts(3, domain=domain)).id).id
    launch_campaign(campaign_id, grace_seconds=0)
    start_campaign(campaign_id)
    send_due_messages(campaign_id)
    return campaign_id


def content_of(campaign_id: int) -> dict[str, Any]:
    db.session.rollback()
    return get_campaign(campaign_id).content


def wait_saved(page: Page) -> None:
    expect(page.locator("[data-save-word]")).to_have_text(re.compile(r"Saved \d\d:\d\d"))


def test_blocks_are_added_filled_moved_and_removed_without_a_page_load(scene: Flask, open_page: OpenPage) -> None:
    campaign = add_campaign(name="Edited", made_by="Test")
    page = open_page(f"/campaigns/{campaign.id}/content")
    page.evaluate("window.isSamePage = true")
    page.get_by_role("button", name="Add heading").click()
    expect(page.get_by_label("Words").first).to_be_focused()
    page.keyboard.type("Spring is here")
    page.get_by_role("button", name="Add button").click()
    page.get_by_label("Label").fill("Shop now")
    page.get_by_label("Leads to").fill("https://shop.lumen.example/")
    page.get_by_role("button", name="Move button 2 up").click()
    expect(page.locator(".block__name").first).to_contain_text("Button")
    page.get_by_label("Subject").fill("Hello there")
    wait_saved(page)
    assert page.evaluate("window.isSamePage") is True
    saved = content_of(campaign.id)
    assert saved["subject"] == "Hello there"
    assert [(b["kind"], b.get("text") or b.get("url")) for b in saved["blocks"]] == [
        ("button", "https://shop.lumen.example/"),
        ("heading", "Spring is here"),
    ]
    page.get_by_role("button", name="Remove heading 2").click()
    expect(page.locator(".block")).to_have_count(1)
    page.reload()
    expect(page.get_by_label("Subject")).to_have_value("Hello there")
    expect(page.locator(".block")).to_have_count(1)


def test_the_preview_follows_what_is_saved(scene: Flask, open_page: OpenPage) -> None:
    campaign = makers.make_campaign(content={"subject": "S", "blocks": [{"kind": "heading", "text": "Before"}]})
    page = open_page(f"/campaigns/{campaign.id}/content")
    frame = page.frame_locator('iframe[title="Preview of the message, wide"]')
    expect(frame.get_by_text("Before")).to_be_visible()
    page.get_by_label("Words").first.fill("After")
    expect(frame.get_by_text("After")).to_be_visible()


def test_a_merge_tag_goes_where_the_cursor_was(scene: Flask, open_page: OpenPage) -> None:
    campaign = makers.make_campaign(content={"subject": "Hello !", "blocks": []})
    page = open_page(f"/campaigns/{campaign.id}/content")
    subject = page.get_by_label("Subject")
    subject.focus()
    subject.evaluate("field => field.setSelectionRange(6, 6)")
    page.get_by_label("Otherwise").fill("dear reader")
    page.get_by_role("button", name="Insert at the cursor").click()
    expect(subject).to_have_value("Hello {{first_name|dear reader}}!")
    wait_saved(page)
    assert content_of(campaign.id)["subject"] == "Hello {{first_name|dear reader}}!"


def test_a_draft_is_made_from_end_to_end_without_script(scene: Flask, open_page: OpenPage) -> None:
    make_segment(make_contacts(3, domain="noscript.example"))
    page = open_page("/campaigns/new", javascript=False)
    page.get_by_label("Name").fill("By hand")
    page.get_by_label("Plain letter").check()
    page.get_by_role("button", name="Create the draft").click()
    page.get_by_role("button", name="Add button").click()
    page.get_by_label("Label").fill("Go")
    page.get_by_label("Leads to").fill("https://shop.lumen.example/")
    page.get_by_role("button", name="Move button 2 up").click()
    expect(page.locator(".block__name").first).to_contain_text("Button")
    expect(page.get_by_label("Leads to")).to_have_value("https://shop.lumen.example/")
    page.get_by_role("button", name="Next: schedule").click()
    page.get_by_role("button", name="Next: review").click()
    expect(page.get_by_role("heading", name="Preflight")).to_be_visible()
    page.get_by_role("link", name=re.compile("No audience is chosen")).click()
    page.get_by_label("Segment").select_option(label="Readers")
    page.get_by_role("button", name="Next: content").click()
    page.goto(page.url.replace("content", "review"))
    page.get_by_role("button", name="Launch").click()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("button", name="Launch")).to_be_visible()


def test_the_audience_is_counted_as_it_is_chosen(scene: Flask, open_page: OpenPage) -> None:
    segment = make_segment(make_contacts(7, domain="counted.example"))
    segment.name = "Seven people"
    db.session.commit()
    page = open_page(f"/campaigns/{add_campaign(name='Counted', made_by='Test').id}/audience")
    page.get_by_label("Segment").select_option(label="Seven people")
    expect(page.locator(".subtraction__sum dd")).to_have_text("7")


def test_the_live_page_follows_the_campaign(scene: Flask, open_page: OpenPage) -> None:
    segment = make_segment(make_contacts(5, domain="live.example"))
    campaign_id = makers.make_campaign(segment_id=segment.id).id
    launch_campaign(campaign_id)
    page = open_page(f"/campaigns/{campaign_id}/results")
    expect(page.get_by_role("timer")).to_contain_text(re.compile(r"\d+ s"))
    db.session.execute(update(Campaign).where(Campaign.id == campaign_id).values(launch_at=db.func.now()))
    db.session.commit()
    start_campaign(campaign_id)
    expect(page.locator(".balance__value").last).to_have_text("5")
    send_due_messages(campaign_id)
    expect(page.locator(".balance__value").nth(1)).to_have_text("5")
    expect(page.locator("#campaign-progress [hx-get], #campaign-progress[hx-get]")).to_have_count(0)


def test_somebody_elses_change_is_said_while_typing_and_the_text_stays(scene: Flask, open_page: OpenPage) -> None:
    campaign = makers.make_campaign(content={"subject": "S", "blocks": []})
    page = open_page(f"/campaigns/{campaign.id}/content")
    change_content(campaign.id, {"subject": "Of Bo"}, made_by="Bo")
    page.get_by_label("Subject").fill("Of mine")
    expect(page.locator("[data-save-word]")).to_contain_text("Bo changed this draft")
    expect(page.get_by_label("Subject")).to_have_value("Of mine")
    assert content_of(campaign.id)["subject"] == "Of Bo"


def test_what_an_author_wrote_never_runs(scene: Flask, open_page: OpenPage) -> None:
    blocks: list[dict[str, Any]] = [{"kind": "text", "text": payload} for payload in PAYLOADS]
    blocks += [{"kind": "button", "label": payload[:300], "url": payload} for payload in PAYLOADS[:10]]
    blocks += [{"kind": "image", "url": payload, "alt": payload, "link": payload} for payload in PAYLOADS[:10]]
    everything = " ".join(PAYLOADS[:4])
    campaign = add_campaign(
        name=PAYLOADS[1], made_by=PAYLOADS[0], goal=everything, content={"subject": PAYLOADS[1], "blocks": blocks}
    )
    add_campaign(name=PAYLOADS[3], made_by=PAYLOADS[4], content={"subject": everything, "text": everything})
    page = open_page("/campaigns/")
    dialogs: list[str] = []

    def note_dialog(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note_dialog)
    for path in ("", "goal", "content", "review", "versions", "preview", "preview/text", "preview?images=2"):
        page.goto(f"/campaigns/{campaign.id}/{path}" if path else "/campaigns/?q=script")
        page.wait_for_load_state("load")
        for frame in page.frames:
            # An isolated page runs nothing, not even this question: what cannot be asked has not run.
            assert "ran" not in frame.url
        if not path.startswith("preview"):
            assert page.evaluate("window.ran") is None, path
    assert dialogs == []


def test_a_script_in_the_isolated_page_itself_does_not_run(
    scene: Flask, open_page: OpenPage, complaints: Complaints, lux: Lux
) -> None:
    """Even if cleaning failed, the frame would hold: this message is put into the outbox past all cleaning."""
    complaints.allowed.extend(["CSP: ", "Content Security Policy"])
    folder = lux.data_dir / "outbox"
    folder.mkdir(exist_ok=True)
    script = (
        "<script>document.title='ran';parent.document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
    )
    (folder / "000000000001-deadbeef.eml").write_bytes(
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        b"<title>quiet</title><p>words</p>" + script.encode()
    )
    page = open_page("/outbox/000000000001-deadbeef.eml")
    frame = page.frame_locator("iframe").first
    expect(frame.get_by_text("words")).to_be_visible()
    assert "ran" not in page.title()
    page.goto("/outbox/000000000001-deadbeef.eml/html?images=0")
    assert page.title() == "quiet"


def test_axe_finds_nothing_on_a_campaign_in_any_state(scene: Flask, open_page: OpenPage) -> None:
    """The states that the gates' own campaigns are not in."""
    segment = make_segment(make_contacts(1200, domain="axe.example"))
    whole_id = add_campaign(name="Whole", made_by="T", segment_id=segment.id, content=STARTERS[0].content).id
    every = [{"kind": kind} for kind in ("heading", "text", "button", "image", "divider", "social", "footer")]
    wrong_id = add_campaign(name="W" * 120, made_by="T", content={"blocks": [*every, {"kind": "columns"}]}).id
    ready_id = makers.make_campaign(segment_id=segment.id).id
    sent_id = make_sent("sent.example")
    paths = [
        "/campaigns/?q=nothing-like-this",
        f"/campaigns/{whole_id}/audience",
        f"/campaigns/{whole_id}/content",
        f"/campaigns/{wrong_id}/content",
        f"/campaigns/{wrong_id}/review",
        f"/campaigns/{ready_id}/review",
        f"/campaigns/{sent_id}/people?group=failed",
        f"/campaigns/{sent_id}/why?address=x",
        f"/campaigns/{sent_id}/cancel",
    ]
    page = open_page("/campaigns/")
    found = {}
    for path in paths:
        page.goto(path)
        page.wait_for_load_state("networkidle")
        seen = Visit("state", path)
        examine(page, seen)
        if seen.problems or seen.too_wide:
            found[path] = seen.problems + seen.too_wide
    assert found == {}
