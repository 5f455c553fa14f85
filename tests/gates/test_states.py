"""Pages as they look after something happened on them: a mistake, a dialog, the keyboard alone, other colours."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import makers
from tests.browser import Complaints
from tests.gates.scene import Scene
from tests.gates.visits import Visit, examine, list_violations, look, open_context, settle

# Pages as they look after something went wrong: address, what is filled in, the words that then show.
MISTAKES: list[tuple[str, dict[str, str], str]] = [
    ("/contacts/new", {"email": "no address"}, "main form"),
    ("/segments/new", {"name": ""}, "main form"),
    ("/campaigns/new", {"name": ""}, "main form"),
    ("/settings/users", {"email": "no address"}, "main form.form"),
]


@pytest.mark.parametrize(("address", "filled", "form"), MISTAKES)
def test_a_page_with_a_wrong_field_says_so_and_passes_too(
    scene: Scene, chromium: Browser, address: str, filled: dict[str, str], form: str
) -> None:
    seen = Visit("error", address)
    with open_context(chromium, scene, scene.owner_cookie) as context:
        page = context.new_page()
        page.goto(address)
        frame = page.locator(form).filter(has=page.locator("[name]:not([type=hidden])")).last
        for name, value in filled.items():
            frame.locator(f"[name={name}]").fill(value)
        frame.evaluate("form => { form.noValidate = true; form.requestSubmit(); }")
        page.locator("[aria-invalid=true]").first.wait_for()
        settle(page)
        examine(page, seen)
    assert seen.problems == []
    assert seen.too_wide == []


def test_the_sign_in_page_refuses_and_passes_too(scene: Scene, chromium: Browser) -> None:
    seen = Visit("error", "/sign-in")
    with open_context(chromium, scene, "") as context:
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("E-mail").fill("ada@lumen.example")
        page.get_by_label("Password", exact=True).fill("not the password")
        page.keyboard.press("Enter")
        page.get_by_role("alert").first.wait_for()
        examine(page, seen)
    assert seen.problems == []


@pytest.mark.parametrize("address", ["/no-such-page", "/contacts/999999", "/campaigns/999999/results"])
def test_a_page_that_is_not_there_passes_too(scene: Scene, chromium: Browser, address: str) -> None:
    seen = Visit("error", address)
    with open_context(chromium, scene, scene.owner_cookie) as context:
        look(context, scene, seen)
    assert seen.problems + seen.too_wide + seen.complaints == []


@pytest.mark.parametrize(("keys", "role"), [("Control+k", "dialog"), ("?", "dialog")])
def test_a_dialog_of_the_shell_passes_too(scene: Scene, chromium: Browser, keys: str, role: str) -> None:
    seen = Visit("dialog", "/contacts/")
    with open_context(chromium, scene, scene.owner_cookie) as context:
        page = context.new_page()
        page.goto("/contacts/")
        settle(page)
        page.keyboard.press(keys)
        page.get_by_role("dialog").wait_for()
        settle(page)
        examine(page, seen)
    assert seen.problems == []


def test_the_menu_of_a_phone_passes_too(scene: Scene, chromium: Browser) -> None:
    with open_context(chromium, scene, scene.owner_cookie) as context:
        page = context.new_page()
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto("/")
        settle(page)
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("navigation").first.wait_for()
        assert list_violations(page) == []


def tab_to(page: Page, name: str, most: int = 80) -> None:
    """Presses Tab until the focused element bears this name; each step shows where the focus is."""
    for _ in range(most):
        page.keyboard.press("Tab")
        text = page.evaluate(
            "() => { const one = document.activeElement; if (one === document.body) return '';"
            " return (one.labels?.[0]?.innerText || one.getAttribute('aria-label') || one.innerText || '').trim(); }"
        )
        shown = page.evaluate("() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle; }")
        assert shown != "none" or text == "", f"the focus on {text!r} cannot be seen"
        if text.split("\n")[0].strip() == name:
            return
    raise AssertionError(f"{name!r} cannot be reached by Tab on {page.url}")


def test_the_core_tasks_can_be_done_by_the_keyboard_alone(
    scene: Scene, open_browser: Callable[..., Page], complaints: Complaints
) -> None:
    page = open_browser(scene.lux.url)
    page.goto("/sign-in")
    tab_to(page, "E-mail")
    page.keyboard.type("ada@lumen.example")
    tab_to(page, "Password")
    page.keyboard.type(makers.PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Dashboard")).to_be_visible()
    # The shell hears keys once its script runs, which may be after the heading stands.
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Go to").wait_for()
    page.keyboard.type("contacts")
    page.locator("[role=option][aria-selected=true]", has_text="Contacts").wait_for()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Contacts")).to_be_visible()
    page.goto("/contacts/new")
    tab_to(page, "E-mail")
    page.keyboard.type("keys@example.com")
    page.keyboard.press("Enter")
    expect(page.get_by_text("keys@example.com").first).to_be_visible()
    page.goto("/campaigns/new")
    tab_to(page, "Name")
    page.keyboard.type("By keys alone")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="By keys alone")).to_be_visible()


def test_forced_colours_leave_every_control_visible(scene: Scene, chromium: Browser) -> None:
    context = chromium.new_context(base_url=scene.lux.url, forced_colors="active", reduced_motion="reduce")
    context.add_cookies([{"name": "lux", "value": scene.owner_cookie, "url": scene.lux.url}])
    page = context.new_page()
    for address in ("/", "/contacts/", "/styleguide/"):
        page.goto(address)
        invisible = page.evaluate(
            "() => [...document.querySelectorAll('main button:not([hidden]), main a, main input:not([type=hidden])')]"
            ".filter((one) => one.checkVisibility()).filter((one) => { const s = getComputedStyle(one);"
            " return s.color === s.backgroundColor; }).map((one) => one.outerHTML.slice(0, 80))"
        )
        assert invisible == []
    context.close()
