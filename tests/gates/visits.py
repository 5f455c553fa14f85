"""One look at every page: by Chromium on a cold cache, wide, narrow and very narrow, with everything worth noting."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request

from tests.browser import Complaints
from tests.gates.scene import Scene
from tests.servers import PATIENCE_SECONDS

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, NARROW, VERY_NARROW, ZOOMED = 1440, 390, 320, 640
COUNT_SHIFTS = """
window.luxShift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.luxShift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# What sticks out to the right of the page, named so that it can be found.
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const wide = [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > width + 1);
  return wide.slice(0, 3).map((one) => `${one.tagName.toLowerCase()}.${one.className}`);
}"""
# Answers that do not end by themselves.
STREAMS = ("agent_runs.events",)
# A letter in its frame runs no script (not even this look's own) and loads no picture from elsewhere: as it should be.
LETTERS_HELD_BACK = ["document's frame is sandboxed", 'directive: "img-src data:"']
QUIET_SECONDS = 0.2
# Frames are left out: a letter's frame allows no script, and axe would wait for its answer for ever.
AXE = Axe()


@dataclass
class Visit:
    """What one page showed."""

    name: str
    address: str
    status: int = 0
    is_page: bool = False
    html: str = ""
    problems: list[str] = field(default_factory=list)
    too_wide: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    bytes_in_all: int = 0
    script_bytes: int = 0
    request_count: int = 0
    shift: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} {self.address}"


def open_context(browser: Browser, scene: Scene, cookie: str) -> BrowserContext:
    """A window with a cold cache, signed in by the cookie or not at all."""
    context = browser.new_context(
        base_url=scene.lux.url, viewport={"width": WIDE, "height": 900}, reduced_motion="reduce"
    )
    if cookie:
        context.add_cookies([{"name": "lux", "value": cookie, "url": scene.lux.url}])
    context.add_init_script(COUNT_SHIFTS)
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    return context


def visit(browser: Browser, scene: Scene, name: str, address: str) -> Visit:
    """Looks at one address; fragments, files and streams are asked for, but not opened."""
    seen = ask_for(scene, name, address)
    if seen.is_page:
        with open_context(browser, scene, cookie_for(scene, name)) as context:
            look(context, scene, seen)
    return seen


def ask_for(scene: Scene, name: str, address: str) -> Visit:
    """What one address answers, and whether that is a whole page."""
    seen = Visit(f"{scene.name} {name}", address)
    if name in STREAMS:
        return seen
    cookie = cookie_for(scene, name)
    headers = {"Cookie": f"lux={cookie}"} if cookie else {}
    seen.status, answered, body = scene.lux.request("GET", address, headers=headers)
    if answered.get("Content-Type", "").startswith("text/html") and not 300 <= seen.status < 400:
        seen.html = body.decode()
        # A letter as its reader sees it is the sender's HTML, not a page of LUX: it stands in a sandbox.
        is_letter = "sandbox" in answered.get("Content-Security-Policy", "")
        seen.is_page = seen.html.lstrip().lower().startswith("<!doctype html") and not is_letter
    return seen


def cookie_for(scene: Scene, name: str) -> str:
    """Whose eyes look: the public's, somebody's who waits for a role, or the owner's."""
    if name.startswith(("public.", "sign_in.index", "first_start.make_owner", "users.accept")):
        return ""
    return scene.waiting_cookie if name == "sign_in.waiting" else scene.owner_cookie


def look(context: BrowserContext, scene: Scene, seen: Visit) -> None:
    """Opens the page cold and notes its weight, its faults by axe at two widths, and what sticks out."""
    complaints = Complaints(allowed=LETTERS_HELD_BACK)
    complaints.watch(context, scene.lux.url)
    page = context.new_page()
    finished: list[Request] = []
    page.on("requestfinished", lambda request: finished.append(request))
    page.goto(seen.address)
    settle(page)
    seen.shift = float(page.evaluate("window.luxShift"))
    weigh(seen, finished)
    examine(page, seen)
    seen.complaints = complaints.unexpected()


def examine(page: Page, seen: Visit) -> None:
    """Runs axe wide and narrow, and looks whether the page reflows at 320 px and at a zoom of 200 %."""
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 844})
        seen.problems += [f"{width} px: {problem}" for problem in list_violations(page)]
    for width in (ZOOMED, NARROW, VERY_NARROW):
        page.set_viewport_size({"width": width, "height": 844})
        seen.too_wide += [f"{width} px: {one}" for one in page.evaluate(TOO_WIDE)]


def list_violations(page: Page) -> list[str]:
    """What axe finds, in one line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.axe_script)
    options = {"runOnly": {"type": "tag", "values": AXE_TAGS}, "resultTypes": ["violations"], "iframes": False}
    found: list[dict[str, Any]] = page.evaluate("(options) => axe.run(options).then((all) => all.violations)", options)
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))} ({node['html'][:120]})"
        for rule in found
        for node in rule["nodes"][:4]
    ]


def settle(page: Page, most_seconds: float = 3.0) -> None:
    """Waits until nothing more arrives, modules and late fragments included; a page that streams never falls silent."""
    count, last, began = -1, 0.0, time.monotonic()
    while time.monotonic() - began < most_seconds:
        now = int(page.evaluate("performance.getEntriesByType('resource').length"))
        if now != count:
            count, last = now, time.monotonic()
        elif time.monotonic() - last > QUIET_SECONDS:
            return
        page.wait_for_timeout(50)


def weigh(seen: Visit, finished: list[Request]) -> None:
    """Adds up what came over the wire for the page itself, headers included; a letter in a frame is not the page."""
    for request in finished:
        is_own = urlsplit(request.url).scheme in ("http", "https") and request.frame.parent_frame is None
        if not is_own:
            continue
        sizes = request.sizes()
        size = sizes["responseBodySize"] + sizes["responseHeadersSize"]
        seen.request_count += 1
        seen.bytes_in_all += size
        if request.resource_type == "script":
            seen.script_bytes += size
