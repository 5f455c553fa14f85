"""How LUX answers when something is wrong: problem+json for programs, a page that needs no database for people."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from gunicorn.http.errors import NoMoreData, ParseException  # type: ignore[import-untyped]  # it has no types
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from access import NotApproved, NotSignedIn
from errors import InputInvalid, LuxError, TooMany, Unavailable

LONGEST_MESSAGE = 250
PROGRAM_ADDRESSES = ("/api/", "/chatbot/")

log = logging.getLogger("lux")

SENTENCES = {
    400: ("Bad request", "LUX could not read this request."),
    404: ("Not found", "There is nothing at this address."),
    405: ("Method not allowed", "This address does not take this kind of request."),
    413: ("Too large", "This is larger than LUX takes here."),
    415: ("Unsupported type", "LUX does not read this content type here."),
}


def init_answers(app: Flask) -> None:
    """Registers the handlers; everything raised anywhere is answered here."""
    app.register_error_handler(LuxError, answer_lux_error)
    app.register_error_handler(CSRFError, answer_csrf)
    app.register_error_handler(HTTPException, answer_http_exception)
    app.register_error_handler(OperationalError, answer_database_gone)
    app.register_error_handler(ParseException, answer_unreadable)
    app.register_error_handler(NoMoreData, answer_unreadable)
    app.register_error_handler(Exception, answer_unexpected)


def is_for_program() -> bool:
    """Whether the caller expects JSON whatever happens."""
    return request.path.startswith(PROGRAM_ADDRESSES) or request.path in ("/livez", "/readyz", "/metrics")


def problem(status: int, title: str, detail: str, **more: Any) -> Response:
    """An application/problem+json answer (RFC 9457) with `message`, the detail in at most 250 characters."""
    response = jsonify(
        {"title": title, "detail": detail, "message": detail[:LONGEST_MESSAGE], "status": status, **more}
    )
    response.status_code = status
    response.mimetype = "application/problem+json"
    return response


def answer(status: int, title: str, detail: str, **more: Any) -> Response:
    """The answer to whoever asked: a program or a person."""
    if is_for_program():
        return problem(status, title, detail, **more)
    page = render_template(
        "errors/error.html", status=status, title=title, detail=detail, request_id=g.get("request_id")
    )
    return Response(page, status, mimetype="text/html")


def answer_lux_error(error: LuxError) -> ResponseReturnValue:
    """An error of errors.py, with its own status and sentence."""
    if isinstance(error, NotSignedIn) and not is_for_program():
        is_page = request.method == "GET" and request.headers.get("HX-Request") is None
        target = url_for("sign_in.index", next=request.full_path.rstrip("?") if is_page else None)
        if request.headers.get("HX-Request"):
            return Response("", 401, {"HX-Redirect": target})
        return redirect(target, 303)
    if isinstance(error, NotApproved) and not is_for_program():
        return redirect(url_for("sign_in.waiting"), 303)
    if error.status >= 500:
        log.warning("%s answered %s", request.method, error.status, exc_info=error, extra={"is_captured": True})
    more = {"errors": error.fields} if isinstance(error, InputInvalid) else {}
    response = answer(error.status, error.title, error.detail, **more)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, NotSignedIn) and error.challenge:
        response.headers["WWW-Authenticate"] = error.challenge
    return response


def answer_csrf(_error: CSRFError) -> ResponseReturnValue:
    """A form without this session's token: nothing was done, the person may send it again."""
    detail = "This form was opened in another session. Nothing was changed; go back, reload the page and send it again."
    return answer(400, "Please send it again", detail)


def answer_unreadable(_error: Exception) -> ResponseReturnValue:
    """A body whose chunks are malformed, or that broke off: the client's mistake, told by gunicorn while it is read."""
    return answer(400, *SENTENCES[400])


def answer_http_exception(error: HTTPException) -> ResponseReturnValue:
    """Werkzeug's own errors in LUX's words; redirects pass."""
    status = error.code or 500
    if status < 400:
        return error.get_response()
    title, detail = SENTENCES.get(status, (error.name, "LUX could not answer this request."))
    response = answer(status, title, detail)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def answer_database_gone(error: OperationalError) -> ResponseReturnValue:
    """The database does not answer: 503, so that callers come back."""
    log.error("database: %s", error.orig.__class__.__name__, exc_info=error)
    response = answer(Unavailable.status, Unavailable.title, "The database does not answer. LUX keeps trying.")
    response.headers["Retry-After"] = "5"
    return response


def answer_unexpected(error: Exception) -> ResponseReturnValue:
    """A fault of LUX itself: logged in full, told in one sentence without its text."""
    # Never the path itself: in some of them a one-time link's token stands.
    log.error("%s %s failed", request.method, request.url_rule or "(no route)", exc_info=error)
    return answer(
        500, "Something went wrong", "LUX made a mistake. It has been written down; nothing you sent is lost."
    )
