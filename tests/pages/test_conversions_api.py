"""Where conversions arrive: which sites may post, with what answer, how much; the snippet in a real browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bs4 import Tag
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from accounts.tokens import add_token
from analytics.conversion_rules import change_rules
from extensions import db
from models import Conversion, User
from tests import makers
from tests.makers import soup
from tests.servers import Lux

SITE = "https://shop.example"
ADDRESS = "/api/conversions/site"
BOUGHT: dict[str, Any] = {"name": "purchase", "key": "A-1", "value": 49.9, "currency": "EUR", "consent": "granted"}
SNIPPET = Path(__file__).resolve().parents[2] / "static" / "js" / "site" / "conversions.js"


def one(page: Tag, selector: str) -> Tag:
    """The one element; it must be there."""
    found = page.select_one(selector)
    assert found is not None, selector
    return found


def report_from(*sites: str) -> User:
    ada = makers.make_user()
    change_rules(sites=" ".join(sites), names="purchase sign_up", window_days="30", by=ada, peer="127.0.0.1")
    return ada


def post(client: FlaskClient, body: object = BOUGHT, origin: str = SITE, **headers: str) -> TestResponse:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(ADDRESS, data=text, headers={"Origin": origin, "Content-Type": "text/plain", **headers})


def count() -> int:
    db.session.rollback()
    return db.session.scalar(db.select(db.func.count()).select_from(Conversion)) or 0


def test_a_named_site_may_post_and_read_the_answer(client: FlaskClient) -> None:
    report_from(SITE)
    answer = post(client)
    assert answer.status_code == 201
    assert answer.json is not None and answer.json["status"] == "noted"
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]
    assert "Set-Cookie" not in answer.headers
    assert post(client).json["status"] == "known"  # type: ignore[index]  # JSON of this shape
    assert count() == 1


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null", ""]
)
def test_no_other_site_may(client: FlaskClient, origin: str) -> None:
    report_from(SITE)
    answer = post(client, origin=origin)
    assert answer.status_code == 403
    assert answer.mimetype == "application/problem+json"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert count() == 0


def test_a_browser_that_asks_first_is_answered(client: FlaskClient) -> None:
    report_from(SITE)
    answer = client.options(ADDRESS, headers={"Origin": SITE, "Access-Control-Request-Method": "POST"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, SITE)
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    other = client.options(ADDRESS, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_whoever_asks_not_to_be_followed_is_not_noted(client: FlaskClient, header: str) -> None:
    report_from(SITE)
    answer = post(client, **{header: "1"})
    assert answer.status_code == 200 and "not noted" in answer.text
    assert count() == 0


@pytest.mark.parametrize("body", ["", "nonsense", "[1]", '"x"', "{" * 900, b"\xff\xfe", "[" * 4000])
def test_what_is_no_object_is_refused_by_name(client: FlaskClient, body: str | bytes) -> None:
    report_from(SITE)
    answer = post(client, body)
    assert answer.status_code == 422
    assert answer.json is not None and "body" in answer.json["errors"]


def test_a_body_beyond_the_limit_is_refused_unread(client: FlaskClient) -> None:
    report_from(SITE)
    assert post(client, {**BOUGHT, "key": "x" * 5_000}).status_code in (413, 422)
    assert count() == 0


def test_one_visitor_cannot_fill_the_house(make_app: Callable[..., Flask], app: Flask) -> None:
    report_from(SITE)
    client = app.test_client()
    visitor = {"REMOTE_ADDR": "203.0.113.77"}
    statuses = [
        client.post(
            ADDRESS, data=json.dumps({**BOUGHT, "key": f"A-{at}"}), headers={"Origin": SITE}, environ_base=visitor
        ).status_code
        for at in range(34)
    ]
    assert statuses.count(201) in (30, 31) and statuses[-1] == 429


def test_a_server_posts_with_a_token_of_its_own(client: FlaskClient) -> None:
    ada = report_from(SITE)
    body = {key: value for key, value in BOUGHT.items() if key != "consent"}
    token = add_token("Shop", scopes=["conversions"], days=30, by=ada, peer="127.0.0.1").text
    other = add_token("Metrics", scopes=["metrics"], days=30, by=ada, peer="127.0.0.1").text
    refused = client.post("/api/conversions", json=body)
    assert (refused.status_code, refused.mimetype) == (401, "application/problem+json")
    assert client.post("/api/conversions", json=body, headers={"Authorization": f"Bearer {other}"}).status_code == 401
    told = client.post("/api/conversions", json=body, headers={"Authorization": f"Bearer {token}"})
    assert told.status_code == 201
    assert "Access-Control-Allow-Origin" not in told.headers
    outside = {"REMOTE_ADDR": "203.0.113.9"}
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/diagnostics/errors", headers=headers, environ_base=outside).status_code == 401


def test_planted_text_is_text_on_the_pages(client: FlaskClient, sign_in: Callable[..., FlaskClient]) -> None:
    report_from(SITE)
    planted = "<img src=x onerror=alert(1)>"
    assert post(client, {**BOUGHT, "key": planted, "utm_source": planted}).status_code == 201
    page = soup(sign_in("viewer").get("/analytics/conversions/"))
    assert page.select_one("img") is None and planted in page.text


def test_rules_are_changed_by_marketers_and_errors_stand_at_their_fields(sign_in: Callable[..., FlaskClient]) -> None:
    marketer = sign_in("marketer")
    wrong = marketer.post("/analytics/conversions/", data={"sites": "shop", "names": "purchase", "window_days": "7"})
    assert wrong.status_code == 422
    assert one(soup(wrong), '[name="sites"]')["aria-invalid"] == "true"
    right = {"sites": SITE, "names": "purchase demo", "window_days": "7"}
    assert marketer.post("/analytics/conversions/", data=right).status_code == 303
    shown = soup(marketer.get("/analytics/conversions/"))
    assert one(shown, '[name="sites"]').text.strip() == SITE
    assert one(shown, '[name="window_days"]')["value"] == "7"
    assert sign_in("viewer").post("/analytics/conversions/", data=right).status_code == 403


def test_the_snippet_is_small_and_other_sites_may_load_it(client: FlaskClient) -> None:
    answer = client.get("/conversions.js")
    assert answer.mimetype == "text/javascript"
    assert len(answer.data) <= 2048
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in answer.headers
    again = client.get("/conversions.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@contextmanager
def foreign_site(script: str) -> Iterator[str]:
    """Somebody's shop on another origin, which includes the snippet."""

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<!doctype html><title>Shop</title>{script if self.path != '/favicon.ico' else ''}".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_in_a_real_browser_nothing_is_kept_or_sent_before_the_visitor_agrees(
    start_lux: Callable[..., Lux], chromium: Any
) -> None:
    lux = start_lux()
    with foreign_site(f'<script src="{lux.url}/conversions.js"></script>') as site:
        with lux.make_app().app_context():
            report_from(site)
            db.session.remove()
        context = chromium.new_context()
        sent: list[str] = []
        context.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        page = context.new_page()
        page.goto(f"{site}/tea?lux_click={'A' * 40}&utm_source=search&utm_medium=cpc")
        page.evaluate('lux.convert("purchase", {key: "A-1", value: 49.9, currency: "EUR"})')
        page.wait_for_timeout(200)
        assert (sent, page.evaluate("localStorage.length"), lux.count("conversions")) == ([], 0, 0)
        with page.expect_response(lambda answer: answer.url.endswith(ADDRESS)) as first:
            page.evaluate("lux.consent(true)")
        assert first.value.status == 201
        page.goto(f"{site}/thanks")
        with page.expect_response(lambda answer: answer.url.endswith(ADDRESS)) as second:
            page.evaluate('lux.consent(true); lux.convert("sign_up")')
        assert second.value.status == 201
        page.evaluate("lux.consent(false)")
        assert page.evaluate("localStorage.length") == 0
        assert context.cookies() == []
        context.close()
        assert lux.count("conversions", "utm_source = 'search' AND attribution = 'utm'") == 2
        private = chromium.new_context(extra_http_headers={"Sec-GPC": "1"})
        private.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
        private.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        page = private.new_page()
        sent.clear()
        page.goto(f"{site}/tea?utm_source=search")
        page.evaluate('lux.consent(true); lux.convert("purchase")')
        page.wait_for_timeout(200)
        assert (sent, page.evaluate("localStorage.length")) == ([], 0)
        private.close()
