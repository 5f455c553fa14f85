"""Texts of exceptions are shown as text and never to strangers (mailcow GHSA-fp6h-63w4-5hcm)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from error_logger import error_logger
from extensions import db
from models import ErrorGroup
from tests import makers
from tests.security.house import House

PAYLOADS = (Path(__file__).parent.parent / "fixtures" / "xss_payloads.txt").read_text().splitlines()


class Planted(Exception):
    """An error whose very name and text an attacker chose."""


def test_every_place_that_shows_an_error_shows_it_as_text(house: House) -> None:
    with house.app.app_context():
        for payload in PAYLOADS:
            try:
                raise Planted(payload)
            except Planted as error:
                error_logger().capture(error, place=f"page {payload}")
        assert error_logger().flush_now()
        groups = db.session.scalars(select(ErrorGroup.id).where(ErrorGroup.error_type.contains("Planted"))).all()
        assert len(groups) > 10
        db.session.remove()
    addresses = ["/diagnostics/", "/diagnostics/groups", *(f"/diagnostics/groups/{one}" for one in groups)]
    shown = 0
    for address in [*addresses, "/diagnostics/logs/?source=app", "/diagnostics/logs/records?source=app"]:
        page = makers.soup(house.ask("owner", "GET", address))
        for element in page.find_all(True):
            assert not [name for name in element.attrs if name.startswith("on") or name in ("style", "srcdoc")], address
            assert element.name not in ("iframe", "object", "embed", "base", "marquee", "video", "audio", "math"), (
                address
            )
            for name in ("href", "src", "action", "formaction", "hx-get", "hx-post"):
                assert not str(element.get(name, "")).lower().startswith(("javascript:", "data:")), (address, element)
        assert all(script.get("src") for script in page.find_all("script")), address
        shown += "<script>luxRan()</script>" in page.get_text()
    assert shown >= 2


def test_a_program_gets_the_text_as_json_that_no_browser_reads_as_a_page(house: House) -> None:
    answer = house.ask("token", "GET", "/api/diagnostics/errors?hours=1&limit=100")
    assert answer.mimetype == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("principal", ["nobody", "viewer", "owner", "zapier", "token"])
@pytest.mark.parametrize("address", ["/livez", "/settings/", "/api/me", "/contacts/?q=x"])
def test_a_fault_is_told_without_its_text_to_anybody(house: House, principal: str, address: str) -> None:
    endpoints = {"/livez": "health.livez", "/settings/": "settings.index", "/api/me": "webhook.show_me"}
    endpoint = endpoints.get(address, "contacts.index")

    def fail(**_: object) -> str:
        raise Planted("canary <script>luxRan()</script> postgresql://lux:canary@db/lux")

    kept, house.app.view_functions[endpoint] = house.app.view_functions[endpoint], fail
    try:
        answer = house.ask(principal, "GET", address)
    finally:
        house.app.view_functions[endpoint] = kept
    assert answer.status_code in (303, 401, 403, 500)
    told = answer.get_data(as_text=True)
    for secret in ("canary", "luxRan", "Planted", "Traceback", ".py"):
        assert secret not in told
