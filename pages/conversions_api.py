"""Where conversions arrive: from a visitor's browser by the snippet, from a server by token. See docs/analytics.md.

A browser may post from the sites that the rules name and from nowhere else. No cookie is read or set, and a browser
that asks not to be followed (Global Privacy Control, Do Not Track) is obeyed here too, whatever its page has sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue

from access import peer, wants_privacy
from analytics.conversions import Noted, take_from_server, take_from_site
from campaigns.click_ids import list_sites
from config import current_settings
from errors import InputInvalid, NotAllowed, TooMany
from lib.clean_text import cut, one_line
from lib.rate_limit import SharedBuckets

page = Blueprint("conversions_api", __name__)

MOST_BYTES = 4096
# One visitor, and all of them together: what strangers post can never fill a disk in a day.
VISITOR = ("conversions_visitor.rate", 0.5, 30)
EVERYBODY = ("conversions_everybody.rate", 20.0, 200)
SERVER = ("conversions_server.rate", 50.0, 500)


@page.get("/conversions.js")
def snippet() -> ResponseReturnValue:
    """The script that a site includes; the only thing of LUX that other sites may load."""
    source = Path(current_app.root_path, "static", "js", "site", "conversions.js").read_bytes()
    response = Response(source, mimetype="text/javascript")
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.add_etag()
    return response.make_conditional(request)


@page.route("/api/conversions/site", methods=["OPTIONS"])
def ask_for_leave() -> ResponseReturnValue:
    """What a browser asks before it posts JSON from another site."""
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = "POST"
    response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    response.headers["Access-Control-Max-Age"] = "86400"
    return response


@page.post("/api/conversions/site")
def take_from_visitor() -> ResponseReturnValue:
    """A conversion as a visitor's browser tells of it."""
    if wants_privacy():
        return {"status": "not noted", "reason": "The browser asks not to be followed."}, 200
    if request.headers.get("Origin", "") not in list_sites():
        raise NotAllowed("This site is not among those that may report conversions.")
    _wait_for(VISITOR, peer())
    _wait_for(EVERYBODY, "all")
    return _answer(take_from_site(_read_body()))


@page.post("/api/conversions")
def take_from_program() -> ResponseReturnValue:
    """A conversion as a server tells of it, with a token."""
    _wait_for(SERVER, "all")
    return _answer(take_from_server(_read_body()))


@page.after_request
def allow_sites(response: Response) -> Response:
    """Lets the named sites read the answer, refusals included; never with credentials."""
    if request.path == "/api/conversions/site":
        response.vary.add("Origin")
        origin = request.headers.get("Origin", "")
        if origin and origin in list_sites():
            response.headers["Access-Control-Allow-Origin"] = origin
    return response


def _answer(noted: Noted) -> ResponseReturnValue:
    told = {"id": noted.id, "status": "noted" if noted.is_new else "known", "attribution": noted.attribution}
    return told, 201 if noted.is_new else 200


def _read_body() -> dict[str, Any]:
    request.max_content_length = MOST_BYTES
    # A beacon is text/plain, so that no browser has to ask first: the content type says nothing here.
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise InputInvalid({"body": f"One JSON object of at most {MOST_BYTES:,} bytes is needed."})
    return {cut(one_line(name), 60): value for name, value in body.items()}


def _wait_for(bucket: tuple[str, float, int], key: str) -> None:
    name, rate, burst = bucket
    buckets: dict[str, SharedBuckets] = current_app.extensions.setdefault("lux_conversion_buckets", {})
    if name not in buckets:
        buckets[name] = SharedBuckets(current_settings().lux_data_dir / name, rate=rate, burst=burst)
    wait = buckets[name].take(key)
    if wait:
        raise TooMany("Too many conversions at once.", wait)
