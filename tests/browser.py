"""Debian's Chromium for tests: real pages, real clicks; whatever the browser complains about fails the test.

`open_browser(lux.url)` gives a page; `open_browser(lux.url, width=390, javascript=False)` a phone without scripts.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.servers import PATIENCE_SECONDS

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# A page with a wrong field answers 422, and the browser notes each answer from 400 on as an error of its own.
EXPECTED_STATUS = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
REPORT_VIOLATIONS = """
document.addEventListener('securitypolicyviolation', (event) => {
  window.luxReportsViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@dataclass
class Complaints:
    """What the browser complained about during a test. `allowed` takes texts that the test means to provoke."""

    found: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext, base_url: str) -> None:
        """Listens to everything that a context's pages report."""
        own_host = urlsplit(base_url).netloc
        context.expose_binding("luxReportsViolation", lambda _source, text: self.found.append(f"CSP: {text}"))
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self.found.append(f"script error: {error.error}"))
        context.on("request", lambda request: self._note_request(request, own_host))

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not EXPECTED_STATUS.match(message.text):
            self.found.append(f"console {message.type}: {message.text}")

    def _note_request(self, request: Request, own_host: str) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != own_host:
            self.found.append(f"request to another host: {request.url}")

    def unexpected(self) -> list[str]:
        """The complaints that no test has asked for."""
        return [text for text in self.found if not any(allowed in text for allowed in self.allowed)]


def find_chromium() -> str:
    """Chromium without its own windows and menus, which nobody sees here: half the work for each page. Or with them."""
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "Browser tests need Chromium: apt install chromium-headless-shell"
    return program


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole run of the suite."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What the browser complains about; anything that the test has not allowed fails it at its end."""
    complaints = Complaints()
    yield complaints
    assert complaints.unexpected() == []


@pytest.fixture
def open_browser(chromium: Browser, complaints: Complaints) -> Iterator[Callable[..., Page]]:
    """Opens a fresh browser window, with cookies of its own, for a LUX: open_browser(lux.url, width=390)."""
    contexts: list[BrowserContext] = []

    def open_window(base_url: str, *, width: int = 1440, height: int = 900, javascript: bool = True) -> Page:
        context = chromium.new_context(
            base_url=base_url,
            viewport={"width": width, "height": height},
            java_script_enabled=javascript,
            reduced_motion="reduce",
            is_mobile=width < 600,
            has_touch=width < 600,
        )
        contexts.append(context)
        complaints.watch(context, base_url)
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        return context.new_page()

    yield open_window
    for context in contexts:
        context.close()
