"""One turn of conversation: what LUX finds by itself, what the model makes of it, a repair where an operator asks.

Without a key, over the budget or with the model out of reach the answer is what LUX finds by itself, and it says so.
What can be asked for stands in conversation/; here it is decided who may have what done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal

from flask import Flask
from sqlalchemy import select

import ai
from conversation import topics
from conversation.facts import Card, Fact, join_facts
from conversation.prompts import (
    HISTORY_TURNS,
    is_clean_history,
    make_messages,
    make_safe,
    make_safe_part,
    name_things,
    split_action,
    told,
)
from conversation.repairing import SILENCE_SECONDS, repair
from conversation.system_facts import FIX
from conversation.tools import REPAIR_TOOL, list_tools, run_tool, wants_dry_run
from conversation.topics import OPERATORS_ONLY, Asked
from conversation.turns import Asker, Ended, TurnRecord, TurnStopped, list_turns
from conversation.wishes import read_wish
from errors import LuxError
from extensions import db
from models import ChatTurn

log = logging.getLogger("lux.chatbot")

MODEL, PLAYBOOK = "openai", "playbook"
# The whole of a turn stays under gunicorn's and most proxies' patience.
TIME_BUDGET_SECONDS = 50.0
MOST_ROUNDS = 4
MOST_TOOLS = 6
FLUSH_SECONDS = 0.25
LONGEST_ANSWER_TOKENS = 1200
# So many answers are written at once in one process; further ones wait for a place.
PLACES = threading.BoundedSemaphore(32)
OWN_FAULT = "LUX made a mistake in this answer. It has been written down. Your message is kept; send it again to retry."
NOT_REPAIRED = "Nothing was repaired: LUX repairs only when an operator asks for it in their own words."
BUSY = "Many are asking at this moment, so LUX answers from its own rules, data and documents."

Way = Literal["model", "playbook"]


@dataclass
class _Turn:
    """What a turn knows and has found so far."""

    asked: Asked
    action: str
    history: Sequence[ChatTurn]
    record: TurnRecord
    deadline: float
    facts: list[Fact] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    reports: list[Fact] = field(default_factory=list)
    has_repaired: bool = False
    was_refused: bool = False

    @property
    def fact(self) -> Fact:
        return join_facts(self.facts)

    def may_repair(self) -> bool:
        """Whether a repair that the model asks for is the operator's own wish.

        It is when their message asks for one or speaks of one; otherwise only while nothing that came from logs,
        errors, contacts or pages has been read, in this message or before it.
        """
        wish = self.asked.wish
        if not self.asked.is_operator:
            return False
        if wish.wants_repair or wish.may_mean_repair:
            return True
        return wish.is_plain and not self.fact.is_from_outside and is_clean_history(self.history)


def carry_out(turn_id: int, *, way: Way = "model") -> None:
    """Carries a turn out to its end and writes the answer as it comes. Never raises; commits.

    `way` "playbook" leaves the model out. A turn that was ended meanwhile is left alone.
    """
    record = TurnRecord(turn_id)
    turn: _Turn | None = None
    try:
        turn = _begin(turn_id, record)
        _answer(turn, way)
    except TurnStopped:
        db.session.rollback()
        fact = turn.fact if turn is not None else Fact("", "")
        record.end(Ended("stopped", record.shown, fact, PLAYBOOK, model_text=record.shown and "(stopped)"))
    except LuxError as error:
        _fail(turn, record, error.detail)
    except Exception:
        log.exception("The message %s could not be answered", turn_id)
        _fail(turn, record, OWN_FAULT)


def carry_out_in_background(app: Flask, turn_id: int) -> None:
    """Carries a turn out in a thread of its own, so that whoever reads it may come and go."""

    def work() -> None:
        with PLACES, app.app_context():
            carry_out(turn_id)
            db.session.remove()

    threading.Thread(target=work, name=f"lux-chat-{turn_id}", daemon=True).start()


def _begin(turn_id: int, record: TurnRecord) -> _Turn:
    row = db.session.execute(select(ChatTurn).where(ChatTurn.id == turn_id)).scalar_one()
    if row.state != "streaming" or row.conversation_id is None:
        raise TurnStopped
    asker = Asker(row.asked_by, _name_of(row), row.role, _user_id_of(row))
    history = [turn for turn in list_turns(row.conversation_id, HISTORY_TURNS + 1) if turn.id < turn_id]
    asked = Asked(read_wish(row.message, row.action), asker, row.page)
    return _Turn(asked, row.action, history, record, time.monotonic() + TIME_BUDGET_SECONDS)


def _answer(turn: _Turn, way: Way) -> None:
    wish = turn.asked.wish
    if turn.asked.is_operator and wish.wants_repair:
        _repair(turn)
    elif turn.asked.is_operator and wish.topic == "repair_preview":
        _repair(turn, is_dry_run=True)
    else:
        turn.record.step(_STEPS.get(wish.topic, "Looking it up"), beats_seconds=60)
        turn.facts.append(topics.answer(turn.asked, turn.action))
    db.session.rollback()
    obstacle = ai.ModelFailed(BUSY, "circuit") if way == PLAYBOOK else None
    if obstacle is None:
        try:
            _ask_model(turn)
            return
        except ai.ModelFailed as failure:
            db.session.rollback()
            obstacle = failure
    _end_by_itself(turn, obstacle)


_STEPS = {
    "diagnosis": "Looking at health, errors and logs",
    "health": "Checking the health of LUX",
    "errors": "Reading the error groups",
    "logs": "Reading the logs",
    "pasted": "Reading what you pasted",
    "guidance": "Searching the documents",
}


# ── Repair ───────────────────────────────────────────────────────────────────


def _repair(turn: _Turn, *, is_dry_run: bool = False) -> Fact:
    """Repairs once in a turn, in the name of the operator who asks. The caller has seen that they may."""
    what = "Working out what a repair would do" if is_dry_run else "Repairing what LUX may repair, and testing it"
    turn.record.step(what, beats_seconds=SILENCE_SECONDS)
    group_id = turn.asked.find_page_id("diagnostics/groups")
    fact = repair(turn.asked.asker, is_dry_run=is_dry_run, group_id=group_id)
    turn.has_repaired = turn.has_repaired or not is_dry_run
    turn.facts.append(fact)
    turn.reports.append(fact)
    db.session.rollback()
    return fact


def _repair_for_model(turn: _Turn, *, is_dry_run: bool = False) -> Fact:
    """What the model gets when it asks for a repair: the report, the one of this turn, or a no."""
    if turn.has_repaired:
        return Fact("", "The repair of this message has run; its report stands above.")
    if not turn.may_repair():
        turn.was_refused = True
        return Fact("", NOT_REPAIRED)
    return _repair(turn, is_dry_run=is_dry_run)


# ── The model ────────────────────────────────────────────────────────────────


def _ask_model(turn: _Turn) -> None:
    """Lets the model answer, with what LUX has found and with tools. Raises ModelFailed while nothing usable came."""
    messages = make_messages(turn.asked, turn.history, turn.fact)
    tools = list_tools(turn.asked)
    db.session.rollback()
    is_asked = False
    for round_number in range(MOST_ROUNDS):
        # In the last round it gets no tools, so that it answers.
        question = ai.Question(
            purpose="chat",
            messages=messages,
            tools=tools if round_number + 1 < MOST_ROUNDS else (),
            longest_answer_tokens=LONGEST_ANSWER_TOKENS,
            turn_id=turn.record.turn_id,
        )
        try:
            answer = _stream(turn, question)
        except ai.ModelFailed:
            if any(turn.said):
                break
            raise
        said, is_order = split_action(answer.text)
        turn.said.append(said)
        is_asked = is_asked or is_order
        if not answer.tool_calls:
            break
        messages = [*messages, *_carry_out_tools(turn, answer)]
    if is_asked:
        _repair_for_model(turn)
    _end_by_model(turn)


def _stream(turn: _Turn, question: ai.Question) -> ai.Answer:
    """One call of the model; what it says is shown as it comes, without what nobody may see."""
    before = "\n\n".join(part for part in turn.said if part)
    raw, flushed_at, shown = "", time.monotonic(), turn.record.shown
    left = max(1.0, turn.deadline - time.monotonic())
    pieces: Iterator[str | ai.Answer] = ai.stream(question, time_budget_seconds=left)
    turn.record.step("Writing")
    with closing(pieces):  # type: ignore[type-var]  # stream() is a generator
        for piece in pieces:
            if isinstance(piece, ai.Answer):
                return piece
            raw += piece
            # What comes first is shown at once.
            is_first = bool(raw) and turn.record.shown == shown
            if is_first or time.monotonic() - flushed_at >= FLUSH_SECONDS:
                turn.record.show(make_safe_part(f"{before}\n\n{raw}" if before else raw))
                flushed_at = time.monotonic()
    raise ai.ModelFailed("The model's answer broke off.", "broken", is_spent=True)


def _carry_out_tools(turn: _Turn, answer: ai.Answer) -> list[dict[str, Any]]:
    """The model's calls and what the tools say to them, as messages."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.tool_calls
    ]
    messages: list[dict[str, Any]] = [{"role": "assistant", "content": answer.text or None, "tool_calls": calls}]
    for number, call in enumerate(answer.tool_calls):
        if number >= MOST_TOOLS:
            fact = Fact("", "Too many tools at once.")
        elif call.name == REPAIR_TOOL:
            fact = _repair_for_model(turn, is_dry_run=wants_dry_run(call))
        else:
            turn.record.step("Looking it up", beats_seconds=60)
            fact = run_tool(turn.asked, call)
            # What people see comes from the model; the evidence stays.
            turn.facts.append(Fact("", fact.model_text, fact.evidence, fact.cards, fact.is_from_outside))
            db.session.rollback()
        messages.append({"role": "tool", "tool_call_id": call.id, "content": told(fact) or "(nothing)"})
    return messages


# ── The end of a turn ────────────────────────────────────────────────────────


def _end_by_model(turn: _Turn) -> None:
    said = make_safe("\n\n".join(part for part in turn.said if part))
    model_text = said
    parts = [name_things(said, turn.asked.asker.role)] if said else []
    parts += [report.text for report in turn.reports]
    fact = turn.fact
    if turn.was_refused and not turn.has_repaired:
        if turn.asked.is_operator:
            fact = join_facts([fact, Fact("", "", cards=(_card(fact),))])
            parts.append(NOT_REPAIRED)
        else:
            parts.append(OPERATORS_ONLY)
    if not parts:
        _end_by_itself(turn, ai.ModelFailed("The model said nothing.", "broken", is_spent=True))
        return
    turn.record.end(Ended("done", "\n\n".join(parts), fact, MODEL, model_text=model_text or told(fact)))


def _end_by_itself(turn: _Turn, obstacle: ai.ModelFailed) -> None:
    """Ends with what LUX has found by itself, and says why the model has no part in it."""
    fact = turn.fact
    note = "no AI key is set" if obstacle.cause == "no_key" else obstacle.detail.removesuffix(" Playbooks go on.")
    words = f"_Answered from LUX's own rules, data and documents: {note.rstrip('.')}._"
    turn.record.end(Ended("done", f"{fact.text}\n\n{words}", fact, PLAYBOOK, model_text=told(fact)))


def _fail(turn: _Turn | None, record: TurnRecord, sentence: str) -> None:
    db.session.rollback()
    fact = turn.fact if turn is not None else Fact("", "")
    record.end(Ended("failed", record.shown, fact, PLAYBOOK, error=sentence))


def _card(fact: Fact) -> Card:
    return next((card for card in fact.cards if card.confirm), FIX)


def _name_of(row: ChatTurn) -> str:
    user = row.conversation.user if row.conversation is not None else None
    return user.name if user is not None else row.asked_by


def _user_id_of(row: ChatTurn) -> int | None:
    return row.conversation.user_id if row.conversation is not None else None
