"""The guards: operator calls by token, by role and, in development, directly from this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, session

from access import NotSignedIn, has_role, is_direct_loopback, operator_call
from tests import makers

HERE = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.mark.parametrize(
    ("host", "environment", "headers", "expected"),
    [
        ("localhost:5000", HERE, {}, True),
        ("127.0.0.1:5000", HERE, {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:5000"}, True),
        ("[::1]:5000", {"REMOTE_ADDR": "::1"}, {}, True),
        ("lux.example", HERE, {}, False),
        ("localhost:5000", {"REMOTE_ADDR": "10.0.0.7"}, {}, False),
        ("localhost:5000", HERE, {"X-Forwarded-For": "127.0.0.1"}, False),
        ("localhost:5000", HERE, {"Forwarded": "for=127.0.0.1"}, False),
        ("localhost:5000", HERE, {"X-Real-IP": "127.0.0.1"}, False),
        ("localhost:5000", HERE, {"Origin": "https://evil.example"}, False),
        ("localhost:5000", HERE, {"Origin": "null"}, False),
        ("localhost:5000", HERE, {"Sec-Fetch-Site": "cross-site"}, False),
        ("localhost:5000", HERE, {"Sec-Fetch-Site": "same-site"}, False),
        ("localhost.evil.example", HERE, {}, False),
    ],
)
def test_a_direct_loopback_call_is_told_from_a_forged_one(
    app: Flask, host: str, environment: dict[str, Any], headers: dict[str, str], expected: bool
) -> None:
    with app.test_request_context("/", headers={**headers, "Host": host}, environ_base=environment):
        assert is_direct_loopback() is expected


def test_in_production_loopback_opens_nothing(make_app: Callable[..., Flask]) -> None:
    production = make_app(LUX_ENV="production", LUX_PUBLIC_URL="https://lux.example")
    with production.test_request_context("/", headers={"Host": "localhost"}, environ_base=HERE):
        assert not is_direct_loopback()


def test_the_operator_token_opens_and_a_wrong_one_does_not(make_app: Callable[..., Flask]) -> None:
    app = make_app(OPERATOR_TOKEN="op-token-0123456789")
    away = {"REMOTE_ADDR": "10.0.0.7"}
    with app.test_request_context("/", headers={"Authorization": "Bearer op-token-0123456789"}, environ_base=away):
        operator_call.check()
    for wrong in ("Bearer op-token-012345678", "Bearer ", "Basic b3A6dG9rZW4="):
        with (
            app.test_request_context("/", headers={"Authorization": wrong}, environ_base=away),
            pytest.raises(NotSignedIn),
        ):
            operator_call.check()


def test_without_an_operator_token_an_empty_bearer_opens_nothing(app: Flask) -> None:
    headers = {"Authorization": "Bearer "}
    with (
        app.test_request_context("/", headers=headers, environ_base={"REMOTE_ADDR": "10.0.0.7"}),
        pytest.raises(NotSignedIn),
    ):
        operator_call.check()


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (None, []),
        ("viewer", ["viewer"]),
        ("marketer", ["viewer", "marketer"]),
        ("operator", ["viewer", "marketer", "operator"]),
    ],
)
def test_a_role_may_what_the_lower_ones_may(app: Flask, role: str | None, may: list[str]) -> None:
    client = makers.signed_in_client(app, makers.make_user(role=role))
    with client.session_transaction() as cookie:
        token = cookie["token"]
    with app.test_request_context("/"):
        session["token"] = token
        assert [least for least in ("viewer", "marketer", "operator", "owner") if has_role(least)] == may
