"""A person's own account, driven in a real browser without JavaScript and with a real worker for the mail."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from email import message_from_bytes, policy

import pyotp
from playwright.sync_api import Page, expect

from channels.system_mail import FOLDER
from tests import makers
from tests.servers import Lux, wait_until

NEW = "eight green umbrellas"


def find_link(lux: Lux, path: str) -> str:
    folder = lux.data_dir / FOLDER

    def letters() -> list[str]:
        return re.findall(rf"({re.escape(path)}[\w-]+)", " ".join(read_all()))

    def read_all() -> list[str]:
        paths = sorted(folder.glob("*.eml")) if folder.is_dir() else []
        return [message_from_bytes(one.read_bytes(), policy=policy.default).get_content() for one in paths]

    wait_until(letters, f"a mail with a link to {path}")
    return letters()[-1]


def sign_in(page: Page, password: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill("ada@lumen.example")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def test_password_and_second_factor_work_without_javascript(
    start_lux: Callable[..., Lux], open_browser: Callable[..., Page]
) -> None:
    lux = start_lux(has_worker=True)
    with lux.make_app().app_context():
        makers.make_user(email="ada@lumen.example")
    page = open_browser(lux.url, width=390, javascript=False)

    page.goto("/sign-in")
    page.get_by_role("link", name="Forgotten your password?").click()
    page.get_by_label("E-mail").fill("ada@lumen.example")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_text("Look into your mailbox")).to_be_visible()
    page.goto(find_link(lux, "/password-reset/"))
    page.get_by_label("New password").fill("passwordpassword")
    page.get_by_role("button", name="Set the password").click()
    expect(page.locator("#field-password-error")).to_contain_text("easy to guess")
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Set the password").click()
    expect(page).to_have_url(f"{lux.url}/sign-in")

    sign_in(page, makers.PASSWORD)
    expect(page.locator("#field-password-error")).to_contain_text("do not go together")
    sign_in(page, NEW)
    page.goto("/settings/second-factor")
    page.get_by_role("button", name="Connect an app").click()
    app = pyotp.TOTP(page.get_by_label("Key").input_value().replace(" ", ""))
    # The step before is taken, so that the code of now is still there for signing in.
    page.get_by_label("Code").fill(app.generate_otp(int(time.time()) // 30 - 1))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_text("Shown only now")).to_be_visible()
    recovery = page.locator("[data-copy-text]").inner_text().split()[0]

    page.goto("/settings/sessions")
    page.get_by_role("button", name="Sign out everywhere").click()
    for code in (app.now(), recovery):
        sign_in(page, NEW)
        expect(page).to_have_url(f"{lux.url}/sign-in/code")
        page.get_by_label("Code").fill("000000")
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        expect(page.locator("#field-code-error")).to_contain_text("not right")
        page.get_by_label("Code").fill(code)
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
        page.goto("/settings/sessions")
        page.get_by_role("button", name="Sign out everywhere").click()


def test_an_owner_approves_invites_and_revokes(
    start_lux: Callable[..., Lux], open_browser: Callable[..., Page]
) -> None:
    lux = start_lux()
    with lux.make_app().app_context():
        makers.make_user(email="ada@lumen.example")
        makers.make_user(role=None, email="wanda@outside.example")
    page = open_browser(lux.url)
    sign_in(page, makers.PASSWORD)
    page.goto("/settings/users")
    page.get_by_label(re.compile("^Role for")).select_option("marketer")
    page.get_by_role("button", name=re.compile("^Approve")).click()
    expect(page.get_by_text("is in as marketer")).to_be_visible()

    page.get_by_label("Name", exact=True).fill("Mia")
    page.get_by_label("E-mail", exact=True).fill("mia@lumen.example")
    page.get_by_role("button", name="Invite").click()
    invited = page.get_by_label("Invitation link").input_value()
    page.get_by_role("button", name="Revoke the invitation of Mia").click()
    expect(page.get_by_text("is revoked")).to_be_visible()
    assert page.goto(invited).status == 404  # type: ignore[union-attr]  # a page was opened

    page.goto("/settings/tokens/")
    page.get_by_label("What will use it").fill("Cron")
    page.get_by_role("button", name="Make a token").click()
    token = page.get_by_label("Token", exact=True).input_value()
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "203.0.113.9"}
    assert lux.request("GET", "/api/diagnostics/errors", headers=headers)[0] == 200
    page.get_by_role("button", name=re.compile("^Revoke Cron")).click()
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_text("Cron is revoked")).to_be_visible()
    assert lux.request("GET", "/api/diagnostics/errors", headers=headers)[0] == 401

    page.goto("/settings/audit/?kind=tokens")
    expect(page.get_by_text("Token revoked")).to_be_visible()
    expect(page.get_by_text("User approved")).to_have_count(0)
