"""How LUX answers when something is wrong: to programs in JSON, to people on a page that needs no database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from errors import TooMany
from tests import makers

NOWHERE = "postgresql://lux@127.0.0.1:1/lux"
HEADERS = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy", "X-Request-ID")


def test_programs_get_problem_json_and_people_a_page(app: Flask) -> None:
    client = app.test_client()
    program, person = client.get("/api/no-such-call"), client.get("/no-such-page")
    assert program.mimetype == "application/problem+json"
    assert program.json is not None
    assert {"title", "detail", "message", "status"} <= set(program.json)
    assert person.mimetype == "text/html"
    assert person.status_code == program.status_code == 404


def test_without_a_database_people_get_a_page_and_programs_json(make_app: Callable[..., Flask]) -> None:
    client = make_app(DATABASE_URL=NOWHERE).test_client()
    with client.session_transaction() as session:
        session["token"] = "anything"
    page = client.get("/settings/")
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert page.headers["Retry-After"] == "5"
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503


def test_a_fault_of_ours_is_told_without_its_text(make_app: Callable[..., Flask], app: Flask) -> None:
    broken = make_app()

    def explode() -> str:
        raise RuntimeError("secret-canary <script>")

    broken.view_functions["settings.index"] = explode
    answer = makers.signed_in_client(broken, makers.make_user()).get("/settings/")
    assert answer.status_code == 500
    assert "secret-canary" not in answer.get_data(as_text=True)


def test_a_limit_says_when_to_come_again(make_app: Callable[..., Flask], app: Flask) -> None:
    limited = make_app()

    def refuse() -> str:
        raise TooMany("Slower, please.", 7)

    limited.view_functions["health.livez"] = refuse
    answer = limited.test_client().get("/livez")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json is not None
    assert answer.json["message"] == "Slower, please."


@pytest.mark.parametrize("path", ["/sign-in", "/no-such-page", "/api/no-such-call", "/livez", "/settings/"])
def test_every_answer_carries_the_security_headers(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)
    assert [name for name in HEADERS if name not in answer.headers] == []
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]


def test_a_request_id_from_the_proxy_is_kept_and_a_forged_one_is_not(app: Flask) -> None:
    client = app.test_client()
    assert (
        client.get("/livez", headers={"X-Request-ID": "abcdef0123456789"}).headers["X-Request-ID"] == "abcdef0123456789"
    )
    assert client.get("/livez", headers={"X-Request-ID": "<script>alert(1)</script>"}).headers["X-Request-ID"].isalnum()
