"""POST /chatbot/send: a message in, the answer out, whole as JSON or streamed as it comes; Stop, and what was said."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from access import Caller, current_caller
from chatbot import carry_out, carry_out_in_background
from config import current_settings
from conversation.guidance import RANK
from conversation.turns import (
    ENDED,
    Asker,
    clear_conversation,
    get_conversation,
    get_turn,
    list_conversations,
    list_events,
    list_turns,
    start_turn,
    stop_turn,
    sum_cost,
    turn_topic,
)
from errors import Conflict, InputInvalid, NotAllowed, Unavailable
from extensions import db
from lib.answer_markdown import render_markdown
from lib.clean_text import one_line
from lib.held_places import held_places, stream_places
from lib.request_gate import leave_gate
from models import ChatTurn, ChatTurnEvent
from news import news

page = Blueprint("chatbot", __name__)

HOLD_SECONDS = 25.0
WAIT_SECONDS = 55.0
POLL_SECONDS = 0.15
LONGEST_PAGE = 120


@page.post("/send")
def send() -> ResponseReturnValue:
    """Answers a message, in a conversation or in a new one."""
    turn, is_new = begin_turn(asker(), read_body())
    if is_streamed():
        if is_new:
            carry_out_in_background(own_app(), turn.id)
        return stream_response(turn.id, 0)
    ended = finish_turn(turn.id, is_new=is_new)
    if ended.state == "failed":
        raise Unavailable(ended.error or "LUX could not answer.")
    return jsonify(as_answer(ended))


@page.get("/turns/<int:turn_id>/events")
def events(turn_id: int) -> Response:
    """A turn's events as a stream, resumed by the number of the last one that was seen."""
    get_turn(turn_id, asker())
    given = request.headers.get("Last-Event-ID") or request.args.get("after", "0")
    return stream_response(turn_id, int(given) if given.isdigit() and len(given) < 10 else 0)


@page.post("/turns/<int:turn_id>/stop")
def stop(turn_id: int) -> ResponseReturnValue:
    """Stops a turn; what has come is kept."""
    turn = stop_turn(turn_id, asker())
    return jsonify({"turn_id": turn.id, "state": turn.state})


@page.get("/conversations")
def conversations() -> ResponseReturnValue:
    """The caller's conversations, the latest first."""
    rows = [
        {"conversation_id": one.id, "title": one.title, "updated_at": one.updated_at.isoformat()}
        for one in list_conversations(asker())
    ]
    return jsonify({"conversations": rows})


@page.get("/conversations/<int:conversation_id>")
def conversation(conversation_id: int) -> ResponseReturnValue:
    """What was said in a conversation, and what it cost."""
    found = get_conversation(conversation_id, asker())
    turns = [{"message": turn.message, "state": turn.state, **as_answer(turn)} for turn in list_turns(found.id)]
    return jsonify({"conversation_id": found.id, "turns": turns, "cost_usd": round(sum_cost(found.id), 6)})


@page.delete("/conversations/<int:conversation_id>")
def clear(conversation_id: int) -> ResponseReturnValue:
    """Takes a conversation away with every word in it."""
    clear_conversation(conversation_id, asker())
    return "", 204


def asker() -> Asker:
    """Whom the guard has let in, as conversations know them."""
    return asker_of(current_caller())


def asker_of(caller: Caller) -> Asker:
    """A caller as conversations know them."""
    return Asker(caller.key, caller.name, caller.role, caller.user_id)


def begin_turn(asker: Asker, body: dict[str, Any]) -> tuple[ChatTurn, bool]:
    """Puts a message on record. Raises InputInvalid naming the field, NotAllowed for what the role does not allow."""
    action = body.get("action", "message")
    if action == "diagnose" and RANK.get(asker.role, 0) < RANK["operator"]:
        raise NotAllowed("Reading the logs needs the role operator.")
    message = body.get("message", "" if action == "diagnose" else None)
    open_page = body.get("page")
    return start_turn(
        asker,
        message,
        action,
        conversation_id=body.get("conversation_id"),
        key=body.get("key"),
        page=one_line(open_page)[:LONGEST_PAGE] if isinstance(open_page, str) and open_page.startswith("/") else "",
    )


def finish_turn(turn_id: int, *, is_new: bool) -> ChatTurn:
    """Waits for a turn's end: carries a new one out here. With every place taken the model is left out."""
    places = held_places(current_settings().web_threads)
    is_held = places.acquire(blocking=False)
    try:
        if is_new:
            carry_out(turn_id, way="model" if is_held else "playbook")
        elif is_held:
            _wait_for(turn_id)
    finally:
        if is_held:
            places.release()
    turn = db.session.get_one(ChatTurn, turn_id, populate_existing=True)
    if turn.state not in ENDED:
        raise Conflict("LUX is still answering this message. Ask for it again in a moment.")
    return turn


def as_answer(turn: ChatTurn) -> dict[str, Any]:
    """The answer as programs get it."""
    has_repaired = turn.repair is not None and turn.repair.get("status") != "dry_run"
    return {
        "response": turn.response,
        "action": "repair" if has_repaired else turn.action,
        "provider": turn.provider,
        "evidence": [one["id"] for one in turn.evidence],
        "repair": turn.repair,
        "conversation_id": turn.conversation_id,
    }


def stream_response(turn_id: int, after: int) -> Response:
    """The stream of a turn from an event on."""
    leave = partial(leave_gate, request.environ)
    response = Response(_stream(own_app(), turn_id, after, leave), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response


def is_streamed() -> bool:
    """Whether the caller wants the answer as it comes."""
    return request.accept_mimetypes.quality("text/event-stream") > request.accept_mimetypes.quality("application/json")


def own_app() -> Flask:
    """The app itself, for threads and streams that outlive the request."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way
    return app


def read_body() -> dict[str, Any]:
    """The JSON object that came. Raises InputInvalid."""
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise InputInvalid({"body": 'The body must be one JSON object, such as {"message": "What is wrong?"}.'})
    return body


@page.app_template_filter("answer_html")
def answer_html(text: str) -> str:
    """An answer's markdown as safe HTML."""
    return render_markdown(text, base_url=current_settings().lux_public_url)


def _wait_for(turn_id: int) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        state = db.session.get_one(ChatTurn, turn_id, populate_existing=True).state
        db.session.rollback()
        if state in ENDED:
            return
        time.sleep(POLL_SECONDS)


def _stream(app: Flask, turn_id: int, after: int, leave: Callable[[], None]) -> Iterator[str]:
    """Events as they come. Held open while there is a free place; no connection to the database is kept meanwhile."""
    places = stream_places()
    is_held = places.acquire(blocking=False)
    try:
        yield f"retry: {300 if is_held else 1000}\n\n"
        until = time.monotonic() + (HOLD_SECONDS if is_held else 0)
        with app.app_context():
            listener = news()
        with listener.waiting(turn_topic(turn_id)) as waiter:
            while True:
                # As within a request, for the template's addresses; the one that began this stream is over.
                with app.test_request_context():
                    found = list_events(turn_id, after)
                    messages = [_message(turn_id, event) for event in found]
                    is_over = any(event.kind == "end" for event in found) or (not found and _has_ended(turn_id))
                    after = found[-1].number if found else after
                yield from messages or [": \n\n"]
                if is_over or time.monotonic() > until:
                    return
                leave()
                waiter.wait()
    finally:
        if is_held:
            places.release()


def _has_ended(turn_id: int) -> bool:
    """Whether nothing more will come: the turn is over, or whoever carried it out was lost."""
    turn = db.session.get(ChatTurn, turn_id)
    return turn is None or get_turn(turn_id, Asker(turn.asked_by, "", turn.role)).state in ENDED


def _message(turn_id: int, event: ChatTurnEvent) -> str:
    detail: dict[str, Any] = event.detail
    if event.kind == "end":
        turn = db.session.get_one(ChatTurn, turn_id, populate_existing=True)
        html = render_template("chatbot/_answer.html", turn=turn)
        detail = {**detail, **as_answer(turn), "html": html, "error": turn.error, "cost_usd": turn.cost_usd}
    return f"id: {event.number}\nevent: {event.kind}\ndata: {json.dumps(detail)}\n\n"
