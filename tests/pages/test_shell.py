"""The shell in a real browser: keys, palette, menu, toasts, panels, and the page checks at both widths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.users import add_user
from extensions import db
from models import Contact
from tests.browser import Complaints
from tests.gates.visits import list_violations
from tests.makers import PASSWORD
from tests.servers import Lux, running_lux

OpenBrowser = Callable[..., Page]
# The styleguide shows a frame without rights, which axe cannot look into.
EXPECTED_ON_THE_GUIDE = "Failed to execute 'postMessage'"


@pytest.fixture(scope="module")
def lux(database_url: str) -> Iterator[Lux]:
    """One LUX with an owner, for all tests of this file; none of them changes what another reads."""
    with running_lux(database_url, MAIL_FROM="Lumen Tea <hello@lumen.example>", POSTAL_ADDRESS="1 Harbour St") as lux:
        with lux.make_app().app_context():
            add_user(email="owner@lumen.example", name="Ada Lovelace", password=PASSWORD, role="owner")
            db.session.add_all([Contact(email=f"person{n}@example.org", name=f"Person {n}") for n in range(3)])
            db.session.commit()
            db.session.remove()
            db.engine.dispose()
        yield lux


@pytest.fixture
def open_signed_in(lux: Lux, open_browser: OpenBrowser) -> Callable[..., Page]:
    """A browser in which the owner has signed in: open_signed_in("/", width=390)."""

    def open_page(path: str, **options: Any) -> Page:
        page = open_browser(lux.url, **options)
        page.goto("/sign-in")
        page.get_by_label("E-mail").fill("owner@lumen.example")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        page.goto(path)
        page.wait_for_load_state("networkidle")
        return page

    return open_page


def test_axe_finds_nothing_in_a_dialog(open_signed_in: Callable[..., Page], complaints: Complaints) -> None:
    complaints.allowed.append(EXPECTED_ON_THE_GUIDE)
    page = open_signed_in("/styleguide/")
    page.get_by_role("button", name="Open a dialog").click()
    expect(page.get_by_role("dialog", name="A dialog")).to_be_visible()
    assert list_violations(page) == []


def test_the_palette_goes_where_it_is_told_by_keyboard_alone(open_signed_in: Callable[..., Page], lux: Lux) -> None:
    page = open_signed_in("/ask/")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Go to")
    expect(box).to_be_focused()
    page.keyboard.type("settin")
    expect(page.locator(".palette__option")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/")


def test_keys_pressed_before_the_palette_has_arrived_are_typed_into_it(open_signed_in: Callable[..., Page]) -> None:
    page = open_signed_in("/ask/")
    held: list[Route] = []
    page.route("**/modules/palette.js", lambda route: held.append(route))
    with page.expect_request("**/modules/palette.js"):
        page.keyboard.press("Control+k")
    page.keyboard.type("gx?n")
    page.keyboard.press("Backspace")
    expect(page.get_by_role("dialog")).to_have_count(0)
    held[0].continue_()
    expect(page.get_by_role("combobox", name="Go to")).to_have_value("gx?")
    expect(page.get_by_role("combobox", name="Go to")).to_be_focused()


def test_arrows_move_through_what_the_palette_found(open_signed_in: Callable[..., Page]) -> None:
    page = open_signed_in("/")
    page.keyboard.press("Control+k")
    options = page.locator(".palette__option")
    expect(options.nth(1)).to_be_visible()
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    chosen = options.nth(1).get_attribute("id")
    expect(page.get_by_role("combobox")).to_have_attribute("aria-activedescendant", str(chosen))


def test_single_keys_work_and_can_be_switched_off(open_signed_in: Callable[..., Page]) -> None:
    page = open_signed_in("/ask/")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    dialog.get_by_label("Single keys work on every page").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()
    page.evaluate("localStorage.setItem('lux-keys', 'on')")
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/")


def test_keys_typed_into_a_field_are_text(open_signed_in: Callable[..., Page], complaints: Complaints) -> None:
    complaints.allowed.append(EXPECTED_ON_THE_GUIDE)
    page = open_signed_in("/styleguide/")
    field = page.get_by_label("Name", exact=True).first
    field.fill("")
    field.type("gd?n")
    expect(field).to_have_value("gd?n")
    assert page.url.endswith("/styleguide/")


def test_on_a_phone_the_menu_opens_over_the_page_and_closes_again(open_signed_in: Callable[..., Page]) -> None:
    page = open_signed_in("/", width=390)
    link = page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(link).to_be_visible()
    assert list_violations(page) == []
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()


def test_the_menu_and_the_lists_of_the_dashboard_work_without_script(lux: Lux, open_browser: OpenBrowser) -> None:
    page = open_browser(lux.url, width=390, javascript=False)
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill("owner@lumen.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Settings").click()
    page.wait_for_url("**/settings/")


def test_a_panel_that_fails_says_so_alone_and_can_be_asked_again(
    open_signed_in: Callable[..., Page], complaints: Complaints
) -> None:
    complaints.allowed.append("status of 503")
    page = open_signed_in("/styleguide/")
    expect(page.locator("#styleguide-loads")).to_contain_text("Spring sale was sent")
    broken = page.locator("#styleguide-fails")
    expect(broken).to_contain_text("could not be loaded")
    with page.expect_response("**/styleguide/fragment?fails=1"):
        broken.get_by_role("button", name="Retry").click()
    # What has really failed names the request, and can be asked again itself.
    expect(broken).to_contain_text("could not be loaded (")
    with page.expect_response("**/styleguide/fragment?fails=1"):
        broken.get_by_role("button", name="Retry").click()
    expect(broken.get_by_role("alert")).to_be_visible()


def test_the_skip_link_is_the_first_stop_and_leads_to_the_content(open_signed_in: Callable[..., Page]) -> None:
    page = open_signed_in("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_a_password_can_be_shown_before_it_is_sent(lux: Lux, open_browser: OpenBrowser) -> None:
    page = open_browser(lux.url)
    page.goto("/sign-in")
    field = page.get_by_label("Password", exact=True)
    field.fill("secret words")
    page.get_by_role("button", name="Show").click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide").click()
    expect(field).to_have_attribute("type", "password")


@pytest.mark.parametrize("path", ["/", "/styleguide/"])
def test_a_cold_page_keeps_to_its_gates_of_requests_and_weight(
    open_signed_in: Callable[..., Page], complaints: Complaints, path: str
) -> None:
    complaints.allowed.append(EXPECTED_ON_THE_GUIDE)
    page = open_signed_in("/ask/")
    weighed: dict[str, dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    session = page.context.new_cdp_session(page)
    session.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    session.on("Network.loadingFinished", lambda event: weighed.update({event["requestId"]: event}))
    session.send("Network.enable")
    session.send("Network.clearBrowserCache")
    page.goto(path)
    page.wait_for_load_state("networkidle")
    sizes = [(kinds.get(request, ""), event["encodedDataLength"]) for request, event in weighed.items()]
    assert sum(size for _, size in sizes) <= 120 * 1024, sizes
    assert sum(size for kind, size in sizes if kind == "Script") <= 30 * 1024, sizes
    if path == "/":
        assert 8 <= len(sizes) <= 12, sizes


def test_text_that_cannot_be_saved_is_kept_and_put_back(
    open_signed_in: Callable[..., Page], complaints: Complaints, lux: Lux
) -> None:
    complaints.allowed.append("ERR_INTERNET_DISCONNECTED")
    page = open_signed_in("/settings/brand/")
    state = page.locator("[data-save-state]").first
    company = page.get_by_label("Company or brand name")
    company.fill("Lumen Tea")
    expect(state).to_contain_text("Saved")
    page.context.set_offline(True)
    company.fill("Lumen Tea and Coffee")
    expect(state).to_contain_text("Not saved: LUX did not answer. Your text is kept in this tab.")
    page.context.set_offline(False)
    page.reload()
    expect(company).to_have_value("Lumen Tea")
    page.get_by_role("button", name="Put it back").click()
    expect(company).to_have_value("Lumen Tea and Coffee")
    expect(state).to_contain_text("Saved")
    assert lux.count("brand", "company = 'Lumen Tea and Coffee'") == 1
    page.reload()
    expect(page.get_by_text("Text from before is still here")).to_have_count(0)


def test_a_form_that_met_an_error_page_gives_its_text_back(
    open_signed_in: Callable[..., Page], complaints: Complaints, lux: Lux
) -> None:
    complaints.allowed.append("status of 500")
    page = open_signed_in("/settings/brand/")
    page.get_by_label("Voice").fill("Warm and plain.")
    with lux.connect() as connection:
        connection.execute("ALTER TABLE brand RENAME TO brand_away")
    try:
        page.locator("main form").first.evaluate("form => form.requestSubmit()")
        expect(page.get_by_role("heading", name="Something went wrong")).to_be_visible()
    finally:
        with lux.connect() as connection:
            connection.execute("ALTER TABLE brand_away RENAME TO brand")
    page.goto("/settings/brand/")
    page.get_by_role("button", name="Put it back").click()
    expect(page.get_by_label("Voice")).to_have_value("Warm and plain.")
