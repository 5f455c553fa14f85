"""The measured gates of the design on every page that the map knows, on an empty and on a full LUX."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import makers
from tests.browser import Complaints
from tests.gates.scene import SETTINGS, Scene, make_empty, make_full
from tests.gates.visits import Visit, examine, list_violations, look, open_context, settle, visit
from tests.servers import running_lux

GATES = Path(__file__).parent
MOST_BYTES = 120 * 1024
MOST_SCRIPT_BYTES = {"analytics": 55 * 1024}
USUAL_SCRIPT_BYTES = 30 * 1024
MOST_REQUESTS = 12
MOST_SHIFT = 0.01
# The styleguide shows every component and with them every part's code: it is weighed by none but its readers.
UNWEIGHED = ("styleguide.",)

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def scenes(database_url: str) -> Iterator[list[Scene]]:
    """An empty LUX and a full one."""
    with running_lux(database_url, **SETTINGS) as first, running_lux(database_url, **SETTINGS) as second:
        yield [make_empty(first), make_full(second)]


@pytest.fixture(scope="module")
def visits(scenes: list[Scene], chromium: Browser) -> list[Visit]:
    """One look at every page of both."""
    return [visit(chromium, scene, name, address) for scene in scenes for name, address in scene.list_addresses()]


def pages_of(visits: list[Visit]) -> list[Visit]:
    """The whole pages among the visits: no fragments, no files, no letters."""
    return [seen for seen in visits if seen.is_page]


def is_shown_fault(seen: Visit, text: str) -> bool:
    """The styleguide shows how a panel looks that failed to load; it asks for one that does."""
    return "styleguide." in seen.name and "status of 503" in text


def test_every_page_answers(visits: list[Visit]) -> None:
    assert [f"{seen}: {seen.status}" for seen in visits if seen.status >= 500 and seen.html] == []
    pages = {seen.name.split()[1] for seen in pages_of(visits) if seen.status == 200}
    assert len(pages) > 30
    assert {"dashboard.index", "contacts.index", "contact.show", "campaign_results.index", "agent_runs.show"} <= pages


def test_axe_finds_nothing_wrong_at_either_width(visits: list[Visit]) -> None:
    assert [f"{seen}: {problem}" for seen in pages_of(visits) for problem in seen.problems] == []


def test_the_browser_complains_about_no_page(visits: list[Visit]) -> None:
    assert [
        f"{seen}: {text}" for seen in pages_of(visits) for text in seen.complaints if not is_shown_fault(seen, text)
    ] == []


def test_every_page_reflows_at_320_px_and_at_a_zoom_of_200_percent(visits: list[Visit]) -> None:
    assert [f"{seen}: {part}" for seen in pages_of(visits) for part in seen.too_wide] == []


def test_every_page_is_light(visits: list[Visit]) -> None:
    heavy = []
    for seen in pages_of(visits):
        name = seen.name.split()[1]
        script = MOST_SCRIPT_BYTES.get(name.split(".")[0], USUAL_SCRIPT_BYTES)
        is_heavy = seen.bytes_in_all > MOST_BYTES or seen.script_bytes > script or seen.request_count > MOST_REQUESTS
        if is_heavy and not name.startswith(UNWEIGHED):
            heavy.append(
                f"{seen}: {seen.bytes_in_all} bytes, {seen.script_bytes} script, {seen.request_count} requests"
            )
    assert heavy == []


def test_no_page_shifts_while_it_loads(visits: list[Visit]) -> None:
    assert [f"{seen}: {seen.shift:.3f}" for seen in pages_of(visits) if seen.shift > MOST_SHIFT] == []


def test_every_page_is_valid_html(visits: list[Visit], tmp_path: Path) -> None:
    for number, seen in enumerate(pages_of(visits)):
        name = f"{number:03}-{seen.name.replace(' ', '-')}.html"
        (tmp_path / name).write_text(seen.html)
    program = GATES / "node_modules" / ".bin" / "html-validate"
    assert program.exists(), "The page checkers are missing: sh tests/prepare.sh node gates"
    command = [str(program), "--config", str(GATES / "htmlvalidate.json"), "--formatter", "json", str(tmp_path)]
    # Into a file: node ends before a pipe has taken everything.
    said = tmp_path / "said.json"
    with said.open("w") as out:
        subprocess.run(command, stdout=out, check=False, cwd=GATES)
    wrong = [
        f"{Path(result['filePath']).name}:{message['line']} {message['ruleId']}: {message['message']}"
        for result in json.loads(said.read_text())
        for message in result["messages"]
    ]
    assert wrong == []


# Pages as they look after something went wrong: address, what is filled in, the words that then show.
MISTAKES: list[tuple[str, dict[str, str], str]] = [
    ("/contacts/new", {"email": "no address"}, "main form"),
    ("/segments/new", {"name": ""}, "main form"),
    ("/campaigns/new", {"name": ""}, "main form"),
    ("/settings/users", {"email": "no address"}, "main form.form"),
]


@pytest.mark.parametrize(("address", "filled", "form"), MISTAKES)
def test_a_page_with_a_wrong_field_says_so_and_passes_too(
    scenes: list[Scene], chromium: Browser, address: str, filled: dict[str, str], form: str
) -> None:
    scene = scenes[1]
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


def test_the_sign_in_page_refuses_and_passes_too(scenes: list[Scene], chromium: Browser) -> None:
    seen = Visit("error", "/sign-in")
    with open_context(chromium, scenes[1], "") as context:
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("E-mail").fill("ada@lumen.example")
        page.get_by_label("Password", exact=True).fill("not the password")
        page.keyboard.press("Enter")
        page.get_by_role("alert").first.wait_for()
        examine(page, seen)
    assert seen.problems == []


@pytest.mark.parametrize("address", ["/no-such-page", "/contacts/999999", "/campaigns/999999/results"])
def test_a_page_that_is_not_there_passes_too(scenes: list[Scene], chromium: Browser, address: str) -> None:
    seen = Visit("error", address)
    with open_context(chromium, scenes[1], scenes[1].owner_cookie) as context:
        look(context, scenes[1], seen)
    assert seen.problems + seen.too_wide + seen.complaints == []


@pytest.mark.parametrize(("keys", "role"), [("Control+k", "dialog"), ("?", "dialog")])
def test_a_dialog_of_the_shell_passes_too(scenes: list[Scene], chromium: Browser, keys: str, role: str) -> None:
    seen = Visit("dialog", "/contacts/")
    with open_context(chromium, scenes[1], scenes[1].owner_cookie) as context:
        page = context.new_page()
        page.goto("/contacts/")
        settle(page)
        page.keyboard.press(keys)
        page.get_by_role("dialog").wait_for()
        settle(page)
        examine(page, seen)
    assert seen.problems == []


def test_the_menu_of_a_phone_passes_too(scenes: list[Scene], chromium: Browser) -> None:
    with open_context(chromium, scenes[1], scenes[1].owner_cookie) as context:
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
    scenes: list[Scene], open_browser: Callable[..., Page], complaints: Complaints
) -> None:
    page = open_browser(scenes[1].lux.url)
    page.goto("/sign-in")
    tab_to(page, "E-mail")
    page.keyboard.type("ada@lumen.example")
    tab_to(page, "Password")
    page.keyboard.type(makers.PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Dashboard")).to_be_visible()
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


def test_forced_colours_leave_every_control_visible(scenes: list[Scene], chromium: Browser) -> None:
    context = chromium.new_context(base_url=scenes[1].lux.url, forced_colors="active", reduced_motion="reduce")
    context.add_cookies([{"name": "lux", "value": scenes[1].owner_cookie, "url": scenes[1].lux.url}])
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
