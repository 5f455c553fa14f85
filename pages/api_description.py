"""The description of the API (OpenAPI 3.1), made of the map, the views' own words and the types of lib/api_shapes.py.

A new call of programs needs a line in CALLS: what it takes and what it answers. Its address, methods, guard and first
sentence are read from the map; a test holds that no call is missing, and generated requests that each answer is as
described.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from answers import PROGRAM_ADDRESSES
from config import current_settings
from lib import api_shapes as shapes
from lib.release import VERSION
from lib.row_ids import LARGEST

page = Blueprint("api_description", __name__)

PROGRAM_PAGES = ("/livez", "/readyz", "/metrics")
Model = type[BaseModel]
JSON, PROBLEM, HEALTH = "application/json", "application/problem+json", "application/health+json"
FORM, STREAM, FIGURES = "application/x-www-form-urlencoded", "text/event-stream", "text/plain"
REFERENCE = "#/components/schemas/{model}"
LARGEST_ID = {"type": "integer", "minimum": 1, "maximum": LARGEST}


@dataclass(frozen=True)
class Call:
    """What the map does not say about a call: answers by status, what it takes, which refusals are its own."""

    answers: Mapping[int, tuple[Model, ...] | None]
    takes: Model | None = None
    takes_types: tuple[str, ...] = (JSON,)
    query: Model | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media: tuple[str, ...] = (JSON,)
    refusals: tuple[int, ...] = ()


CALLS: dict[str, Call] = {
    "webhook.take_contact": Call(
        {
            200: (shapes.ContactAnswer, shapes.BatchAnswer),
            201: (shapes.ContactAnswer, shapes.BatchAnswer),
            202: (shapes.AcceptedAnswer,),
        },
        takes=shapes.ContactBody,
        takes_types=(JSON, FORM),
        headers={"Idempotency-Key": "A name for this body: sent again, it gets the first answer again."},
        refusals=(400, 413, 415, 422, 429, 503),
    ),
    "webhook.show_me": Call({200: (shapes.Connection,)}),
    "diagnostics_api.errors": Call({200: (shapes.ErrorPage,)}, query=shapes.ErrorQuery, refusals=(400, 422, 429)),
    "diagnostics_api.health": Call({200: (shapes.Health,), 503: (shapes.Health,)}, media=(HEALTH,)),
    "auto_repair_api.start": Call(
        {200: (shapes.RepairReport,)}, takes=shapes.RepairStart, refusals=(400, 404, 409, 413, 422, 429)
    ),
    "auto_repair_api.clear_resolved": Call(
        {200: (shapes.Cleared,)}, takes=shapes.ClearStart, refusals=(400, 413, 422, 429)
    ),
    "chatbot.send": Call(
        {200: (shapes.ChatAnswer,)},
        takes=shapes.ChatMessage,
        media=(JSON, STREAM),
        refusals=(400, 404, 409, 413, 422, 429, 503),
    ),
    "chatbot.events": Call(
        {200: None}, headers={"Last-Event-ID": "The last event that was seen."}, media=(STREAM,), refusals=(404, 429)
    ),
    "chatbot.stop": Call({200: (shapes.TurnStopped,)}, refusals=(400, 404, 409, 429)),
    "chatbot.conversations": Call({200: (shapes.ConversationList,)}, refusals=(429,)),
    "chatbot.conversation": Call({200: (shapes.ConversationAnswer,)}, refusals=(404, 429)),
    "chatbot.clear": Call({204: None}, refusals=(400, 404, 429)),
    "conversions_api.take_from_visitor": Call(
        {200: (shapes.ConversionAnswer, shapes.NotNoted), 201: (shapes.ConversionAnswer,)},
        takes=shapes.SiteConversion,
        headers={"Origin": "The site; browsers set it themselves."},
        refusals=(403, 413, 422, 429),
    ),
    "conversions_api.take_from_program": Call(
        {200: (shapes.ConversionAnswer,), 201: (shapes.ConversionAnswer,)},
        takes=shapes.ServerConversion,
        refusals=(413, 422, 429),
    ),
    "api_description.show": Call({200: None}),
    "health.livez": Call({200: (shapes.Alive,)}),
    "health.readyz": Call({200: (shapes.Alive,)}, refusals=(503,)),
    "metrics.metrics": Call({200: None}, media=(FIGURES,), refusals=(429,)),
}

# Who may call, by the guard's name; several are alternatives, {} is anybody.
SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "anyone": [],
    "public": [],
    "conversion_sender": [{"operatorToken": []}],
    "zapier": [{"webhookPassword": []}, {"webhookBearer": []}],
    "zapier_or_operator": [{"webhookPassword": []}, {"webhookBearer": []}, {"operatorToken": []}],
    "operator_call": [{"operatorToken": []}, {"session": []}],
    "chatbot_call": [{"operatorToken": []}, {"session": []}],
    "scraper": [{"operatorToken": []}, {"session": []}],
}
SCHEMES = {
    "webhookPassword": {"type": "http", "scheme": "basic", "description": "A webhook credential: name and password."},
    "webhookBearer": {"type": "http", "scheme": "bearer", "description": "A webhook credential's password alone."},
    "operatorToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of Settings › Tokens with the scope that the call needs, or OPERATOR_TOKEN.",
    },
}
SESSION = "A browser's session with the role operator; what changes something needs its token in X-CSRFToken too."


@page.get("/openapi.json")
def show() -> ResponseReturnValue:
    """Describes the calls of this API."""
    return jsonify(describe_api())


def describe_api() -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in list_program_rules():
        if rule.endpoint not in CALLS:
            continue
        address = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(address, {})[method.lower()] = _operation(rule)
    session = {"type": "apiKey", "in": "cookie", "name": current_app.config["SESSION_COOKIE_NAME"]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LUX",
            "version": VERSION,
            "description": "What other programs call. Refusals are application/problem+json with a plain `message`.",
        },
        "servers": [{"url": current_settings().lux_public_url}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {**SCHEMES, "session": {**session, "description": SESSION}},
        },
    }


def list_program_rules() -> Iterator[Rule]:
    """The addresses that programs call."""
    for rule in current_app.url_map.iter_rules():
        if rule.rule.startswith(PROGRAM_ADDRESSES) or rule.rule in PROGRAM_PAGES:
            yield rule


def _operation(rule: Rule) -> dict[str, Any]:
    call = CALLS[rule.endpoint]
    guard = current_app.config["GUARDS"][rule.endpoint].name
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": LARGEST_ID} for name in sorted(rule.arguments)
    ]
    parameters += [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string", "maxLength": 300}}
        for name, text in call.headers.items()
    ]
    if call.query is not None:
        properties = call.query.model_json_schema()["properties"]
        parameters += [{"name": name, "in": "query", "schema": _given(one)} for name, one in properties.items()]
    refusals = {*call.refusals, *((401,) if SECURITY[guard] else ())}
    if {"session": []} in SECURITY[guard]:
        refusals.add(403)
    operation: dict[str, Any] = {
        "operationId": rule.endpoint,
        "summary": inspect.cleandoc(current_app.view_functions[rule.endpoint].__doc__ or "").split("\n")[0],
        "parameters": parameters,
        "security": SECURITY[guard],
        "responses": {
            **{str(status): _answer(call, status, models) for status, models in call.answers.items()},
            **{str(status): _refusal(status) for status in sorted(refusals - set(call.answers))},
        },
    }
    if call.takes is not None:
        schema = {"$ref": REFERENCE.format(model=call.takes.__name__)}
        operation["requestBody"] = {"content": {kind: {"schema": schema} for kind in call.takes_types}}
    return operation


def _answer(call: Call, status: int, models: tuple[Model, ...] | None) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "Done." if status < 400 else "Something fails."}
    if status == 204:
        return described
    references = [{"$ref": REFERENCE.format(model=model.__name__)} for model in models or ()]
    schema = references[0] if len(references) == 1 else {"anyOf": references} if references else {}
    described["content"] = {
        kind: {"schema": schema if kind in (JSON, HEALTH) else {"type": "string"}} for kind in call.media
    }
    return described


def _refusal(status: int) -> dict[str, Any]:
    reference = {"$ref": REFERENCE.format(model=shapes.Problem.__name__)}
    return {"description": REFUSALS[status], "content": {PROBLEM: {"schema": reference}}}


REFUSALS = {
    400: "LUX cannot read this request.",
    401: "The credential is missing or wrong.",
    403: "The person signed in may not do this.",
    404: "There is no such thing.",
    409: "Not possible now.",
    413: "The body is larger than LUX takes here.",
    415: "LUX does not read this content type here.",
    422: "The fields in `errors` are wrong; for a contact, there is no usable e-mail address.",
    429: "Too many requests; Retry-After says when to come again.",
    503: "Not available at the moment; come again later.",
}


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter's schema: what is left out is absent, never null."""
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return {name: value for name, value in {**schema, **kinds[0]}.items() if name not in ("anyOf", "title")}


def _schemas() -> dict[str, Any]:
    taken = {call.takes for call in CALLS.values() if call.takes is not None}
    given: set[Model] = {shapes.Problem}
    for call in CALLS.values():
        given.update(model for models in call.answers.values() for model in models or ())
    wanted: list[tuple[Model, JsonSchemaMode]] = [(model, "validation") for model in taken]
    wanted += [(model, "serialization") for model in given]
    _, made = models_json_schema(sorted(wanted, key=lambda one: one[0].__name__), ref_template=REFERENCE)
    schemas: dict[str, Any] = made["$defs"]
    return schemas
