"""Ask LUX: the conversation on a page of its own, which works without JavaScript, and the inside of the dock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

import ai
from access import signed_in_caller
from config import current_settings
from conversation.guidance import list_suggestions
from conversation.turns import (
    LONGEST_MESSAGE,
    Asker,
    clear_conversation,
    get_conversation,
    list_conversations,
    list_turns,
    read_stream,
    sum_cost,
)
from errors import Conflict, InputInvalid, LuxError, NotFound
from lib.clean_text import one_line
from lib.row_ids import read_id
from models import Conversation
from pages.chatbot import asker_of, begin_turn, finish_turn

page = Blueprint("ask_lux", __name__)

MOST_IN_MENU = 8
LONGEST_PAGE = 120


@dataclass(frozen=True)
class Live:
    """How far the turn is that is being answered now."""

    text: str = ""
    step: str = ""
    number: int = 0


@page.get("/")
def index() -> ResponseReturnValue:
    """A conversation, or the beginning of a new one."""
    conversation = _wanted(request.args.get("conversation"))
    return render_template("ask_lux/index.html", **_shown(conversation, page="/"))


@page.get("/dock")
def dock() -> str:
    """The inside of the dock as a fragment; `page` is the path of the page that it stands on."""
    try:
        conversation = _wanted(request.args.get("conversation"))
    except NotFound:
        # It was cleared elsewhere.
        conversation = None
    open_page = one_line(request.args.get("page", "/"))[:LONGEST_PAGE]
    label = one_line(request.args.get("label", ""))[:60]
    shown = _shown(conversation, page=open_page if open_page.startswith("/") else "/", most=MOST_IN_MENU)
    return render_template("chatbot/_dock.html", **{**shown, "page_label": label})


@page.post("/send")
def send() -> ResponseReturnValue:
    """Answers a message that a browser without JavaScript has sent, and leads to the answer."""
    form = request.form
    body: dict[str, Any] = {"message": form.get("message", ""), "page": form.get("page", "/")}
    body["conversation_id"] = read_id(form.get("conversation"))
    try:
        turn, is_new = begin_turn(_asker(), body)
    except InputInvalid as error:
        conversation = _wanted(form.get("conversation"))
        shown = _shown(conversation, page="/", draft=form.get("message", ""), error=error.detail)
        return render_template("ask_lux/index.html", **shown), 422
    except (Conflict, LuxError) as error:
        if error.status not in (409, 429):
            raise
        flash(error.detail, "warn")
        return redirect(url_for("ask_lux.index", conversation=body["conversation_id"]), 303)
    turn_id, conversation_id = turn.id, turn.conversation_id
    try:
        finish_turn(turn_id, is_new=is_new)
    except Conflict as error:
        flash(error.detail, "warn")
    return redirect(url_for("ask_lux.index", conversation=conversation_id, _anchor=f"turn-{turn_id}"), 303)


@page.post("/clear")
def clear() -> ResponseReturnValue:
    """Takes a conversation away with every word in it."""
    conversation_id = read_id(request.form.get("conversation"))
    if conversation_id is None:
        raise NotFound("There is no such conversation.")
    try:
        clear_conversation(conversation_id, _asker())
    except Conflict as error:
        flash(error.detail, "warn")
        return redirect(url_for("ask_lux.index", conversation=conversation_id), 303)
    flash("Cleared.", "success")
    return redirect(url_for("ask_lux.index", new=1), 303)


def _asker() -> Asker:
    return asker_of(signed_in_caller())


def _wanted(text: str | None) -> Conversation | None:
    if not text:
        return None
    number = read_id(text)
    if number is None:
        raise NotFound("There is no such conversation.")
    return get_conversation(number, _asker())


def _shown(
    conversation: Conversation | None, *, page: str, most: int = 50, draft: str = "", error: str = ""
) -> dict[str, Any]:
    asker = _asker()
    turns = list_turns(conversation.id) if conversation is not None else []
    live = Live()
    if turns and turns[-1].state == "streaming":
        text, steps, number = read_stream(turns[-1].id)
        live = Live(text, steps[-1] if steps else "Thinking…", number)
    settings = current_settings()
    return {
        "conversation": conversation,
        "conversations": list_conversations(asker, most),
        "turns": turns,
        "live": live,
        "cost": sum_cost(conversation.id) if conversation is not None else 0,
        "open_page": page,
        "page_label": "",
        "suggestions": list_suggestions(page, asker.role),
        "has_model": ai.is_configured(),
        "model": settings.openai_model,
        "longest": LONGEST_MESSAGE,
        "draft": draft,
        "error": error,
        "has_forms": True,
        "here": url_for("ask_lux.index", conversation=conversation.id if conversation is not None else None),
    }
