"""Nothing that comes from outside ever runs: 45 payloads through every door, then every page in Chromium.

Mautic CVE-2024-47050, CVE-2021-27911, CVE-2021-27910; Bugsink 2.0.13. The doors: webhook bodies and headers, forms,
Referer, User-Agent, CSV cells and headings, what a mail server answers, error messages, log lines.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Error, Page
from sqlalchemy import select

from accounts.webhook_credentials import add_credential
from audience.imports import ImportOptions, add_import, check_import
from campaigns.brand import BrandValues, change_brand
from error_logger import error_logger
from extensions import db
from models import Contact, ContactImport, ErrorGroup, IntakeBody, User
from tests import makers
from tests.browser import Complaints
from tests.gates.scene import SETTINGS, Scene, cookie_of, make_full
from tests.servers import Lux, running_lux, wait_until

PAYLOADS = (Path(__file__).parent.parent / "fixtures" / "xss_payloads.txt").read_text().splitlines()
# Everything on a page that could run without being asked.
# Streams, files and the pixel, which a browser shows in a page of its own making.
NO_PAGES = ("/events", ".csv", "/raw", "/metrics")
DANGEROUS = """() => {
  const found = [];
  for (const element of document.querySelectorAll('*')) {
    for (const {name, value} of element.attributes) {
      const link = value.replace(/[\\u0000-\\u0020]/g, '').toLowerCase();
      if (/^on[a-z]/.test(name) || name === 'srcdoc' || name === 'style') found.push(`${element.tagName} ${name}`);
      if (['href', 'src', 'action', 'formaction', 'data', 'xlink:href', 'hx-get', 'hx-post'].includes(name)
          && /^(javascript|vbscript|data:text)/.test(link)) found.push(`${element.tagName} ${name}=${value}`);
    }
    if (['OBJECT', 'EMBED', 'BASE', 'MARQUEE', 'MATH'].includes(element.tagName)) found.push(element.tagName);
    if (element.tagName === 'SCRIPT' && !element.src) found.push('inline script');
  }
  return found;
}"""


@pytest.fixture(scope="module")
def planted(database_url: str) -> Iterator[tuple[Lux, Scene, list[str]]]:
    """A LUX at work, with every payload in every place that takes words from outside; the pages that show them."""
    with running_lux(database_url, **SETTINGS, WEBHOOK_RATE_PER_SECOND="1000", WEBHOOK_BURST="1000") as lux:
        scene = make_full(lux)
        with scene.app.app_context():
            yield lux, scene, [*plant_rows(lux), *plant_requests(lux, scene)]
            db.session.remove()
            db.engine.dispose()


def plant_rows(lux: Lux) -> list[str]:
    """Words of people, files, mail servers and errors."""
    pages: list[str] = []
    for number, payload in enumerate(PAYLOADS):
        contact = makers.make_contact(
            name=payload, source=payload, tags=payload.replace(",", ";"), attributes={payload: payload, "note": payload}
        )
        pages += [f"/contacts/{contact.id}"] if number % 4 == 0 else []
        segment = makers.make_segment(name=f"{payload} {number}")
        content = {"subject": payload, "preheader": payload, "blocks": [{"kind": "text", "text": payload}]}
        makers.make_campaign(name=payload, content=content, goal=payload, made_by=payload, segment_id=segment.id)
        try:
            raise RuntimeError(payload)
        except RuntimeError as error:
            error_logger().capture(error, place=f"task {payload}")
    assert error_logger().flush_now()
    heading = ",".join(f'"{payload.replace(chr(34), chr(34) * 2)}"' for payload in PAYLOADS)
    row = ",".join(["ann@example.com", *heading.split(",")[1:]])
    text = f"{heading}\n{row}\n{heading}\n"
    made = add_import(f"{PAYLOADS[7]}.csv", text.encode(), actor=PAYLOADS[1], user_id=None)
    check_import(made.id, ImportOptions(columns={0: "email", 1: "name", 2: "attribute"}))
    waiting = add_import(f"{PAYLOADS[3]}.csv", text.encode(), actor=PAYLOADS[1], user_id=None)
    pages += [f"/contacts/imports/{made.id}", f"/contacts/imports/{waiting.id}"]
    change_brand(
        BrandValues(company=PAYLOADS[0], voice=PAYLOADS[1], audience=PAYLOADS[2], offer=PAYLOADS[3]), actor="x"
    )
    for number, user in enumerate(db.session.scalars(select(User))):
        user.name = PAYLOADS[number]
    plant_answers_of_mail_servers(lux)
    groups = list(db.session.scalars(select(ErrorGroup.id).where(ErrorGroup.error_type == "RuntimeError")))
    assert len(groups) >= len(PAYLOADS) // 2
    assert db.session.query(ContactImport).count() >= 2
    return [*pages, *(f"/diagnostics/groups/{group_id}" for group_id in groups[::2])]


def plant_answers_of_mail_servers(lux: Lux) -> None:
    """What a receiving server says when it refuses, as it stands in the ledger; and why a campaign was paused."""
    db.session.commit()
    with lux.connect() as connection:
        for number, (message_id,) in enumerate(connection.execute("SELECT id FROM messages").fetchall()):
            words = PAYLOADS[number % len(PAYLOADS)]
            connection.execute(
                "UPDATE messages SET response = %s, reason = %s, queue_id = %s WHERE id = %s",
                (f"550 5.1.1 {words}", words, words, message_id),
            )
        connection.execute("UPDATE campaigns SET pause_reason = %s", (PAYLOADS[9],))
        connection.execute(
            "INSERT INTO receiving_domains (domain, last_response) VALUES (%s, %s)", (PAYLOADS[0], PAYLOADS[1])
        )


def plant_requests(lux: Lux, scene: Scene) -> list[str]:
    """Words of strangers: bodies and headers of the webhook, forms, paths, Referer and User-Agent."""
    made = add_credential(PAYLOADS[5], by=None)
    login = base64.b64encode(f"{made.username}:{made.password}".encode()).decode()
    basic = {"Authorization": f"Basic {login}"}
    wait_until(lambda: lux.request("GET", "/api/me", headers=basic)[0] == 200, "the new credential to be known")
    for number, payload in enumerate(PAYLOADS):
        plain = payload.encode("latin-1", "replace").decode("latin-1")
        headers = {
            **basic, "Content-Type": "application/json", "User-Agent": plain, "Referer": plain,
            "Idempotency-Key": f"{number}{plain}", "X-Forwarded-For": plain, "Origin": plain,
        }  # fmt: skip
        person = {"email": f"planted{number}@example.com", "name": payload, "phone": payload, "source": payload}
        status, _, body = lux.request(
            "POST", "/api/webhook/zapier-contact", json.dumps({**person, payload: payload}).encode(), headers
        )
        assert status == 201, body
        lux.request("POST", "/api/webhook/zapier-contact", json.dumps({"email": payload}).encode(), headers)
        lux.request("GET", f"/o/{scene.tokens['o']}", headers={"User-Agent": plain, "Referer": plain})
        lux.request("POST", "/sign-in", f"email={plain}".encode(), {**headers, "Content-Type": "text/plain"})
    contacts = list(db.session.scalars(select(Contact.id).where(Contact.email.like("planted%"))))
    bodies = list(db.session.scalars(select(IntakeBody.id).order_by(IntakeBody.id.desc()).limit(2 * len(PAYLOADS))))
    assert len(contacts) == len(PAYLOADS) and len(bodies) >= len(PAYLOADS)
    return [*(f"/contacts/{one}" for one in contacts), *(f"/webhook-inbox/{one}" for one in bodies[::2])]


def test_there_are_forty_payloads_and_more() -> None:
    assert len(set(PAYLOADS)) >= 40


def test_nothing_from_outside_runs_on_any_page(
    planted: tuple[Lux, Scene, list[str]], open_browser: Callable[..., Page], complaints: Complaints
) -> None:
    lux, scene, special = planted
    owner = scene.app.test_client()
    owner.set_cookie(str(scene.app.config["SESSION_COOKIE_NAME"]), scene.owner_cookie)
    page = open_browser(lux.url)
    page.context.add_cookies([{"name": "lux", "value": cookie_of(owner), "url": lux.url}])
    ran: list[str] = []

    def note_dialog(dialog: Dialog) -> None:
        ran.append(dialog.message)
        dialog.dismiss()

    page.context.expose_binding("luxRan", lambda source: ran.append(source["page"].url))
    page.on("dialog", note_dialog)
    # A health check that fails answers 503; files and streams are no pages.
    complaints.allowed.append("status of 503")
    addresses = [address for _, address in scene.list_addresses() if not address.endswith(NO_PAGES)]
    addresses = [address for address in addresses if not address.startswith(("/api/", "/o/"))]
    found: dict[str, list[str]] = {}
    visited = 0
    for address in dict.fromkeys([*addresses, *special]):
        # Letters and previews run nothing at all, not even the question below; their headers are held elsewhere.
        try:
            answer = page.goto(address, wait_until="load")
        except Error as error:
            # An empty answer or a download: nothing to look at.
            assert "ERR_ABORTED" in str(error) or "Download is starting" in str(error), address
            continue
        assert answer is not None and (answer.status < 500 or address in ("/readyz", "/livez")), address
        visited += 1
        headers = answer.headers
        can_ask = "sandbox" not in headers.get("content-security-policy", "")
        if can_ask and "html" in headers.get("content-type", "") and (dangerous := page.evaluate(DANGEROUS)):
            found[address] = dangerous
        assert ran == [], address
        if not can_ask:
            complaints.found.clear()  # what an isolated page was kept from: its pixel, and this test's own script
    assert found == {}
    assert visited > 150
