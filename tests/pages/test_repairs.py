"""The repair card and the page of receipts: for operators alone, with and without JavaScript, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import select

from error_logger import error_logger
from extensions import db
from models import ErrorGroup, RepairPlan, RepairReceipt, RepairStep
from tests import makers
from tests.fakes.smtp_server import SmtpServer
from tests.makers import soup
from tests.repair_scene import column_gone, fail_at, forget_log, newest_group
from tests.servers import Lux

SignIn = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def own_log(data_dir: Path) -> None:
    """Each test's faults in a log of their own."""
    forget_log(data_dir)


def make_noise() -> int:
    """An error of a kind that LUX may mark as noise; its group."""
    error_logger().capture(
        message="MismatchingStateError: (mismatching_state) CSRF Warning! State not equal in request and response.",
        error_type="oauthlib.oauth2.rfc6749.errors.MismatchingStateError",
        place="GET /auth/replit_auth/authorized",
    )
    return newest_group()


def post(client: FlaskClient, path: str, **data: str) -> int:
    return int(client.post(path, data=data).status_code)


def test_nobody_but_operators_sees_or_does_anything(app: Flask, sign_in: SignIn) -> None:
    group_id = make_noise()
    assert sign_in("operator").post(f"/diagnostics/repairs/groups/{group_id}/diagnose").status_code == 303
    step = db.session.scalars(select(RepairStep)).first()
    step_id = step.id if step else 1
    plans = len(db.session.scalars(select(RepairPlan.id)).all())
    addresses = [
        ("GET", "/diagnostics/repairs/"),
        ("GET", f"/diagnostics/repairs/groups/{group_id}/card"),
        ("POST", f"/diagnostics/repairs/groups/{group_id}/diagnose"),
        ("POST", f"/diagnostics/repairs/groups/{group_id}/repair"),
        ("POST", f"/diagnostics/repairs/steps/{step_id}/dry-run"),
        ("POST", f"/diagnostics/repairs/steps/{step_id}/approve"),
        ("POST", f"/diagnostics/repairs/steps/{step_id}/undo"),
        ("POST", "/diagnostics/repairs/switch"),
    ]
    for role in ("viewer", "marketer"):
        client = sign_in(role)
        assert {client.open(path, method=method).status_code for method, path in addresses} == {403}
    stranger = app.test_client()
    statuses = {stranger.open(path, method=method).status_code for method, path in addresses}
    assert statuses <= {303, 400}
    db.session.rollback()
    assert len(db.session.scalars(select(RepairPlan.id)).all()) == plans
    assert db.session.scalars(select(RepairReceipt)).all() == []


def test_the_card_tells_cause_confidence_steps_and_proof(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("operator")
    with column_gone():
        group_id = fail_at(client)
        assert post(client, f"/diagnostics/repairs/groups/{group_id}/diagnose") == 303
        page = soup(client.get(f"/diagnostics/groups/{group_id}"))
    card = page.select_one("#repair-card")
    assert card is not None
    words = card.get_text(" ", strip=True)
    for expected in (
        "schema-behind",
        "Confidence",
        "Migrate the database",
        "While the error was live",
        "contacts.source",
    ):
        assert expected.lower() in words.lower(), expected
    assert card.select_one("table#proof, #proof table, table") is not None


def test_a_step_goes_its_whole_way_without_javascript(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("operator")
    group_id = make_noise()
    post(client, f"/diagnostics/repairs/groups/{group_id}/diagnose")
    step = db.session.scalars(select(RepairStep).where(RepairStep.repair == "mark_noise")).one()
    page = soup(client.get(f"/diagnostics/groups/{group_id}"))
    form = page.select_one(f'form[action="/diagnostics/repairs/steps/{step.id}/approve"]')
    assert form is not None
    digest = str(form.select_one('input[name="digest"]')["value"])  # type: ignore[index]  # the form has it
    assert digest == step.digest
    assert post(client, f"/diagnostics/repairs/steps/{step.id}/dry-run") == 303
    assert post(client, f"/diagnostics/repairs/steps/{step.id}/approve", digest="0" * 64) == 303
    assert "No step of this plan" in client.get(f"/diagnostics/groups/{group_id}").get_data(as_text=True)
    db.session.expire_all()
    assert db.session.get_one(ErrorGroup, group_id).is_noise is False


def test_the_switch_stops_and_starts_repairs_and_is_shown_everywhere(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("operator")
    group_id = make_noise()
    assert post(client, "/diagnostics/repairs/switch", is_on="1", reason="We are moving") == 303
    assert "We are moving" in client.get("/diagnostics/repairs/").get_data(as_text=True)
    page = client.get(f"/diagnostics/groups/{group_id}").get_data(as_text=True)
    assert "Repairs are stopped" in page and "Repair what is safe" not in page
    post(client, f"/diagnostics/repairs/groups/{group_id}/repair")
    assert db.session.scalars(select(RepairStep.started_at)).all() in ([], [None])
    assert post(client, "/diagnostics/repairs/switch", is_on="0") == 303
    receipts = soup(client.get("/diagnostics/repairs/")).select_one("#receipts")
    assert receipts is not None and "Repairs may run again" in receipts.get_text()


def test_every_repair_is_listed_with_its_tier(app: Flask, sign_in: SignIn) -> None:
    text = soup(sign_in("operator").get("/diagnostics/repairs/")).get_text(" ")
    for word in ("dispose_pools", "stop_stale_process", "By itself", "Needs approval"):
        assert word in text


@pytest.mark.parametrize("path", ["/diagnostics/repairs/groups/4711/card", "/diagnostics/groups/4711"])
def test_a_group_that_is_not_there_is_not_found(app: Flask, sign_in: SignIn, path: str) -> None:
    assert sign_in("operator").get(path).status_code == 404


def become_owner(lux: Lux, window: Page) -> None:
    """Signs the window in as the owner of that LUX."""
    app = lux.make_app()
    with app.app_context():
        cookie = makers.signed_in_client(app, makers.make_user(role="owner", email="ada@lumen.example")).get_cookie(
            "lux"
        )
        db.session.commit()
        db.session.remove()
    assert cookie is not None
    window.context.add_cookies([{"name": "lux", "value": cookie.value, "url": lux.url}])


def test_an_error_by_a_click_is_opened_diagnosed_approved_repaired_undone_and_proved(
    start_lux: Callable[..., Lux], open_browser: Callable[..., Page]
) -> None:
    with SmtpServer(refuse_sign_in=True, user="lux", password="right") as server:
        url = server.url("timeout=5", user="lux:right@")
        lux = start_lux(has_worker=True, AUTO_REPAIR="diagnose", SMTP_URL=url, MAIL_FROM="Lumen <hello@lumen.example>")
        operator = open_browser(lux.url)
        become_owner(lux, operator)
        operator.goto("/diagnostics/")
        expect(operator.get_by_text("No unresolved errors")).to_be_visible()

        visitor = open_browser(lux.url)
        visitor.goto("/password-reset")
        visitor.get_by_label("E-mail").fill("ada@lumen.example")
        visitor.locator("main form button[type=submit]").first.click()

        # It appears by itself, without a reload.
        link = operator.get_by_role("link", name="ChannelRefused")
        expect(link.first).to_be_visible()
        link.first.click()
        operator.get_by_role("button", name="Diagnose").click()
        card = operator.locator("#repair-card")
        expect(card).to_contain_text("mail-sign-in-refused")
        expect(card).to_contain_text("Pause the channel email.")
        operator.get_by_role("button", name="New dry run").first.click()
        expect(card).to_contain_text("A dry run was made")
        operator.get_by_role("button", name="Approve and run").first.click()
        # From here on the card follows by itself.
        expect(card).to_contain_text("The post-check passed")
        expect(card).to_contain_text("Carried out")
        assert lux.count("channel_states", "is_paused") == 1
        operator.reload()
        operator.get_by_role("button", name="Undo").first.click()
        expect(card).to_contain_text("The channel email may send again")
        assert lux.count("channel_states", "is_paused") == 0

        server.refuse_sign_in = False
        operator.get_by_role("button", name="Diagnose again").click()
        expect(card).to_contain_text("failed while the error was live and has passed three times since")
        expect(operator.locator("#facts")).to_contain_text("Resolved, verified")
        expect(operator.get_by_role("table", name="Proof")).to_contain_text("it takes the sign-in")
        operator.goto("/diagnostics/repairs/")
        for words in ("Carried out", "Undone", "Verified"):
            expect(operator.locator("#receipts")).to_contain_text(words)
