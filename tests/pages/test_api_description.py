"""The description of the API: whole, sound, and with nothing in it that strangers should not know."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
from flask import Flask
from flask.testing import FlaskClient

from access import Guard
from pages.api_description import CALLS, SECURITY, list_program_rules


def describe(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    assert answer.json is not None
    described: dict[str, Any] = answer.json
    return described


def list_operations(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["operationId"]: one for methods in described["paths"].values() for one in methods.values()}


def test_every_call_of_programs_is_described_and_nothing_else(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        calls = {rule.endpoint for rule in list_program_rules() if rule.methods and rule.methods - {"HEAD", "OPTIONS"}}
    assert calls == set(CALLS), "a new call needs its line in CALLS of pages/api_description.py"
    assert set(list_operations(describe(client))) == calls


def test_who_may_call_is_said_as_the_map_has_it(app: Flask, client: FlaskClient) -> None:
    guards: dict[str, Guard] = app.config["GUARDS"]
    for name, operation in list_operations(describe(client)).items():
        guard = guards[name]
        assert operation["security"] == SECURITY[guard.name]
        is_open = guard.name in ("anyone", "public")
        assert is_open == (operation["security"] == []), name
        assert ("401" in operation["responses"]) != is_open, name
        takes_session = {"session": []} in operation["security"]
        assert takes_session == (guard.uses_session and not is_open), name


def test_every_call_has_its_sentence_and_every_reference_its_schema(client: FlaskClient) -> None:
    described = describe(client)
    text = json.dumps(described)
    for name, operation in list_operations(described).items():
        assert operation["summary"].endswith("."), name
    for name, schema in described["components"]["schemas"].items():
        assert f'"#/components/schemas/{name}"' in text, name
        jsonschema_rs.validator_for({**schema, "components": described["components"]})


def test_it_names_the_public_address_and_no_secret(make_app: Callable[..., Flask]) -> None:
    token = "an-operator-token-for-tests-0123456789"
    settings = {"LUX_ENV": "production", "LUX_PUBLIC_URL": "https://lux.lumen.example", "OPERATOR_TOKEN": token}
    answer = make_app(**settings).test_client().get("/api/openapi.json", headers={"Host": "evil.example"})
    assert answer.json is not None
    assert answer.json["servers"] == [{"url": "https://lux.lumen.example"}]
    assert token not in answer.text and "evil.example" not in answer.text and "a-secret-for-tests" not in answer.text
