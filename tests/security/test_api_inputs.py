"""Requests made from the API's own description: each answer is as described, and none is a fault of LUX.

A new call is tried by itself once the description has it. `make fuzz` makes more of them.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from werkzeug.wsgi import ClosingIterator

from pages.api_description import CALLS
from tests.security.house import House
from tests.security.inputs import Inputs

AS_DESCRIBED = (
    "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance",
)  # fmt: skip
DESCRIPTION = "api_description.show"
# What works for longer gets fewer inputs, what takes whatever strangers send gets more.
SHARES = {"auto_repair_api.start": 0.2, "chatbot.send": 0.5, "webhook.take_contact": 3.0}
peers = itertools.count(1)


@pytest.fixture(scope="module")
def described(house: House) -> BaseSchema:
    """The description as it is served, and the app behind a front: each request comes from a place of its own."""

    def from_somewhere(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        number = next(peers)
        environ |= {"REMOTE_ADDR": f"198.18.{number // 250 % 250}.{number % 250}", "wsgi.url_scheme": "https"}
        # Read to its end and closed, as a server does.
        with contextlib.closing(ClosingIterator(house.app(environ, start))) as answer:
            return [b"".join(answer)]

    return schemathesis.openapi.from_wsgi("/api/openapi.json", from_somewhere)


@pytest.mark.parametrize("call", sorted(set(CALLS) - {DESCRIPTION}))
def test_every_call_answers_as_it_is_described(house: House, described: BaseSchema, inputs: Inputs, call: str) -> None:
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in AS_DESCRIBED]
    found = [one.ok() for one in described.get_all_operations() if isinstance(one, Ok)]
    operation = next(one for one in found if one.definition.raw["operationId"] == call)
    headers = house.headers["zapier" if call.startswith("webhook.") else "token"]

    def send(case: Any) -> None:
        # Thirty messages a minute are enough for people.
        house.contents.connection.execute("UPDATE chat_turns SET created_at = created_at - interval '2 minutes'")
        began = time.thread_time()
        answer = case.call(headers=headers)
        is_health = call == "diagnostics_api.health"
        inputs.note(answer.status_code, time.thread_time() - began, operation.label, is_health=is_health)
        case.validate_response(answer, checks=checks)

    share = SHARES.get(call, 1.0)
    inputs.try_all(operation.as_strategy(generation_mode=GenerationMode.POSITIVE), send, share=share)
    if operation.definition.raw["parameters"] or "requestBody" in operation.definition.raw:
        inputs.try_all(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), send, share=share)
