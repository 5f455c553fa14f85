"""The address that other programs post contacts to, and the one that tells them who they are."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, current_app, g, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from access import NotSignedIn, current_credential, is_operator_token
from accounts.webhook_credentials import is_credential_live
from answers import answer_http_exception, answer_lux_error
from audience.intake import CHALLENGE, receive, refuse
from audience.intake_answers import IntakeAnswer
from audience.intake_bodies import Received
from config import current_settings
from diagnostics.traffic import count_with_answer
from errors import LuxError, TooMany
from lib.clean_text import clean_text, cut
from lib.payloads import MOST_BYTES, PayloadUnreadable
from lib.rate_limit import SharedBuckets

page = Blueprint("webhook", __name__)

ADDRESS = "/api/webhook/zapier-contact"
# What helps to understand a body later; Authorization and cookies are never kept.
KEPT_HEADERS = ("User-Agent", "Content-Encoding", "Content-Length", "Idempotency-Key", "X-Request-ID")
LONGEST_HEADER = 300
# As a person reads it in Zapier's test: what it is before what it has.
ANSWER_ORDER = ("id", "status", "email", "name", "phone", "source", "segment", "segments", "subscription", "warnings")
BROKEN = "The body broke off before its announced end. Nothing was kept; send it again."
TOO_LARGE = f"A body may have {MOST_BYTES // 1024} KiB. This one was not kept."


@page.post("/webhook/zapier-contact")
def take_contact() -> ResponseReturnValue:
    """Takes one body with one contact or several."""
    credential = current_credential()
    wait = _buckets().take(credential.secret_sha256)
    if wait:
        raise TooMany("Too many posts at once with this credential.", wait)
    try:
        body = _read_body()
    except RequestEntityTooLarge:
        error = PayloadUnreadable("too_large", TOO_LARGE)
        return _response(refuse(_received(b"", credential.id, keyed=False), error, 413))
    return _response(receive(_received(body, credential.id), credential))


@page.get("/me")
def show_me() -> ResponseReturnValue:
    """Names the connection, as Zapier shows it beside the account."""
    if is_operator_token():
        return _json(200, {"id": "operator", "name": "LUX operator", "kind": "operator"})
    credential = current_credential()
    if not is_credential_live(credential.id):
        raise NotSignedIn("The credential was revoked.", CHALLENGE)
    return _json(
        200,
        {
            "id": credential.id,
            "name": f"LUX · {credential.label}",
            "label": credential.label,
            "username": credential.username,
            "kind": "webhook",
            "address": current_settings().lux_public_url + ADDRESS,
        },
    )


@page.errorhandler(LuxError)
def answer_refusal(error: LuxError) -> ResponseReturnValue:
    """Refusals before a body was read carry the request's id as their receipt."""
    response = answer_lux_error(error)
    return _with_receipt(response)


@page.errorhandler(HTTPException)
def answer_http(error: HTTPException) -> ResponseReturnValue:
    return _with_receipt(answer_http_exception(error))


@page.app_errorhandler(MethodNotAllowed)
def answer_wrong_method(error: MethodNotAllowed) -> ResponseReturnValue:
    """405 is raised before Flask knows whose address it is."""
    response = answer_http_exception(error)
    return _with_receipt(response) if request.path == ADDRESS else response


@page.after_request
def count_outcome(response: Response) -> Response:
    """Counts what became of a post."""
    if request.endpoint == "webhook.take_contact":
        kinds = {201: "created", 200: "known", 202: "kept for later", 429: "too many"}
        kind = kinds.get(response.status_code) or ("refused" if response.status_code < 500 else "failed")
        count_with_answer("lux_intake_total", kind)
    return response


def _read_body() -> bytes:
    request.max_content_length = MOST_BYTES
    try:
        # Never request.form: it would empty the stream and leave nothing to keep.
        body = request.get_data(cache=False, parse_form_data=False)
    except RequestEntityTooLarge:
        raise
    except Exception as error:  # gunicorn's own errors for broken chunks are the client's mistakes
        current_app.logger.info("a webhook body could not be received: %s", type(error).__name__)
        raise BodyBroken(BROKEN) from error
    if request.content_length is not None and len(body) < request.content_length:
        raise BodyBroken(BROKEN)
    return body


class BodyBroken(LuxError):
    """The connection or its framing broke in the middle of a body."""

    status = 400
    title = "Bad request"


def _received(body: bytes, credential_id: int, *, keyed: bool = True) -> Received:
    headers = {
        name: cut(clean_text(value), LONGEST_HEADER)
        for name in KEPT_HEADERS
        if (value := request.headers.get(name)) is not None
    }
    key = cut(clean_text(request.headers.get("Idempotency-Key", "")).strip().strip('"'), LONGEST_HEADER)
    content_type = cut(clean_text(request.headers.get("Content-Type", "")), LONGEST_HEADER)
    return Received(body, content_type, headers, credential_id, (key or None) if keyed else None)


def _response(answer: IntakeAnswer) -> Response:
    mimetype = "application/problem+json" if answer.status >= 400 else "application/json"
    body = {name: answer.body[name] for name in ANSWER_ORDER if name in answer.body}
    return _json(answer.status, {**body, **answer.body}, mimetype, answer.headers)


def _json(
    status: int, body: dict[str, Any], mimetype: str = "application/json", headers: dict[str, str] | None = None
) -> Response:
    return Response(json.dumps(body), status, headers, mimetype=mimetype)


def _with_receipt(answered: ResponseReturnValue) -> ResponseReturnValue:
    if isinstance(answered, Response) and answered.is_json:
        body = answered.get_json()
        answered.set_data(json.dumps({**body, "receipt": g.get("request_id", "")}))
    return answered


def _buckets() -> SharedBuckets:
    buckets: SharedBuckets | None = current_app.extensions.get("lux_webhook_buckets")
    if buckets is None:
        settings = current_settings()
        buckets = SharedBuckets(
            settings.lux_data_dir / "webhook.rate", rate=settings.webhook_rate_per_second, burst=settings.webhook_burst
        )
        buckets = current_app.extensions.setdefault("lux_webhook_buckets", buckets)
    return buckets
