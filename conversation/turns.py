"""Conversations and their turns on record: begun, written as they stream, read back, stopped, cleared; commits.

A turn is one message and its answer. Whoever carries it out writes through a TurnRecord; everybody else only reads.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, text, update

from conversation.facts import Fact
from errors import Conflict, InputInvalid, NotFound, TooMany
from extensions import db
from lib.clean_text import clean_text, cut, one_line
from models import AiCall, ChatTurn, ChatTurnEvent, Conversation
from news import news_of, note_news

LONGEST_MESSAGE = 8000
MOST_IN_A_MINUTE = 30
MOST_CONVERSATIONS = 50
MOST_TURNS_SHOWN = 50
MOST_EVENTS = 500
LONGEST_TITLE = 80
ACTIONS = ("message", "diagnose")
ENDED = ("done", "stopped", "failed")
WAITS_SECONDS = 120
BEATS_SECONDS = 20
BEAT_EVERY_SECONDS = 1.0
# All in one statement, so that words reach their readers after one trip to the database.
WRITE = text("""
    WITH beat AS (
        UPDATE chat_turns SET alive_until = now() + make_interval(secs => :beats)
        WHERE id = :turn_id AND state = 'streaming' RETURNING is_stop_wanted
    ), written AS (
        INSERT INTO chat_turn_events (turn_id, number, kind, detail)
        SELECT :turn_id, event.number, event.kind, event.detail
        FROM beat, jsonb_to_recordset(CAST(:events AS jsonb)) AS event(number bigint, kind text, detail jsonb)
    )
    SELECT is_stop_wanted, set_config('synchronous_commit', :durability, true), pg_notify(:channel, :topic) FROM beat
""")
LOST = (
    "LUX was stopped while it was answering. What had come is kept, and nothing is paid twice. Send it again to retry."
)


class TurnStopped(Exception):
    """A person pressed Stop, or the turn is somebody else's by now."""


@dataclass(frozen=True)
class Asker:
    """Who asks: `key` is whose conversations these are, `role` what they may."""

    key: str
    name: str
    role: str
    user_id: int | None = None


@dataclass(frozen=True)
class Ended:
    """How a turn went, for its row."""

    state: str
    response: str
    fact: Fact
    provider: str
    model_text: str = ""
    error: str | None = None


def start_turn(
    asker: Asker,
    message: object,
    action: object = "message",
    *,
    conversation_id: object = None,
    key: object = None,
    page: str = "",
) -> tuple[ChatTurn, bool]:
    """Puts a message on record; commits. The turn, and whether it is new: a `key` that came before is the same message.

    Raises InputInvalid naming the field, NotFound for a conversation of somebody else's, Conflict while the
    conversation's last message is being answered, TooMany after 30 messages within a minute.
    """
    words, wanted = _checked(message, action, conversation_id, key)
    lock = {"number": zlib.crc32(asker.key.encode()) | 0x4C55 << 32}
    db.session.execute(text("SELECT pg_advisory_xact_lock(:number)"), lock)
    if key and (before := _find_by_key(asker, str(key))) is not None:
        db.session.rollback()
        return before, False
    _check_rate(asker)
    conversation = _conversation_for(asker, wanted, words)
    turn = ChatTurn(
        conversation_id=conversation.id,
        asked_by=asker.key,
        key=str(key) if key else None,
        role=asker.role,
        message=words,
        action=str(action),
        page=page,
        alive_until=_moment(WAITS_SECONDS),
    )
    db.session.add(turn)
    db.session.flush()
    begin = {"conversation_id": conversation.id, "turn_id": turn.id}
    db.session.add(ChatTurnEvent(turn_id=turn.id, number=1, kind="begin", detail=begin))
    conversation.updated_at = datetime.now(UTC)
    db.session.commit()
    return turn, True


def get_turn(turn_id: int, asker: Asker) -> ChatTurn:
    """A turn of the asker's; raises NotFound. One whose carrier was lost is ended first."""
    turn = db.session.get(ChatTurn, turn_id, populate_existing=True)
    if turn is None or turn.asked_by != asker.key:
        raise NotFound("There is no such message.")
    if turn.state == "streaming" and turn.alive_until < datetime.now(UTC):
        return _end_lost(turn_id)
    return turn


def get_conversation(conversation_id: int, asker: Asker) -> Conversation:
    """A conversation of the asker's; raises NotFound."""
    found = db.session.get(Conversation, conversation_id)
    if found is None or found.asked_by != asker.key:
        raise NotFound("There is no such conversation.")
    return found


def find_latest_conversation(asker: Asker) -> Conversation | None:
    """The one that was spoken in last."""
    own = select(Conversation).where(Conversation.asked_by == asker.key)
    return db.session.scalars(own.order_by(Conversation.updated_at.desc(), Conversation.id.desc()).limit(1)).first()


def list_conversations(asker: Asker, most: int = MOST_CONVERSATIONS) -> list[Conversation]:
    """The asker's conversations, the latest first."""
    own = select(Conversation).where(Conversation.asked_by == asker.key)
    return list(db.session.scalars(own.order_by(Conversation.updated_at.desc(), Conversation.id.desc()).limit(most)))


def list_turns(conversation_id: int, most: int = MOST_TURNS_SHOWN) -> list[ChatTurn]:
    """The newest turns of a conversation, oldest first."""
    found = select(ChatTurn).where(ChatTurn.conversation_id == conversation_id).order_by(ChatTurn.id.desc())
    turns = list(db.session.scalars(found.limit(most)))[::-1]
    now = datetime.now(UTC)
    return [_end_lost(turn.id) if turn.state == "streaming" and turn.alive_until < now else turn for turn in turns]


def turn_topic(turn_id: int) -> str:
    """What who follows a turn waits for news of."""
    return f"turn {turn_id}"


def list_events(turn_id: int, after: int = 0) -> list[ChatTurnEvent]:
    """A turn's events after a number, in order."""
    found = select(ChatTurnEvent).where(ChatTurnEvent.turn_id == turn_id, ChatTurnEvent.number > after)
    return list(db.session.scalars(found.order_by(ChatTurnEvent.number).limit(MOST_EVENTS)))


def sum_cost(conversation_id: int) -> float:
    """What a conversation's calls of the model have cost, in US dollars."""
    own = select(func.sum(ChatTurn.cost_usd)).where(ChatTurn.conversation_id == conversation_id)
    return float(db.session.scalar(own) or 0)


def stop_turn(turn_id: int, asker: Asker) -> ChatTurn:
    """Asks a turn to stop; what has come is kept; commits. Raises NotFound."""
    turn = get_turn(turn_id, asker)
    if turn.state == "streaming":
        turn.is_stop_wanted = True
        db.session.commit()
    return turn


def clear_conversation(conversation_id: int, asker: Asker) -> None:
    """Takes a conversation away with every word in it; commits. Its cost stays counted. Raises NotFound, Conflict."""
    conversation = get_conversation(conversation_id, asker)
    turns = select(ChatTurn.id).where(ChatTurn.conversation_id == conversation.id)
    if any(turn.state == "streaming" for turn in list_turns(conversation.id)):
        raise Conflict("LUX is still answering here. Stop it first.")
    db.session.execute(delete(ChatTurnEvent).where(ChatTurnEvent.turn_id.in_(turns)))
    nothing: dict[str, Any] = {
        "message": "",
        "response": "",
        "model_text": "",
        "page": "",
        "evidence": [],
        "cards": [],
        "repair": None,
    }
    wiped = update(ChatTurn).where(ChatTurn.conversation_id == conversation.id)
    db.session.execute(wiped.values(**nothing, conversation_id=None, error=None))
    # Turns without a conversation count for the limit of their minute and for nothing after it.
    old = ChatTurn.created_at < datetime.now(UTC) - timedelta(hours=1)
    db.session.execute(delete(ChatTurn).where(ChatTurn.conversation_id.is_(None), old))
    db.session.delete(conversation)
    db.session.commit()


class TurnRecord:
    """The one who carries a turn out writes here: events in short transactions of their own, at last the answer."""

    def __init__(self, turn_id: int) -> None:
        self.turn_id = turn_id
        self._number = 1
        self._shown = ""
        self._written_at = 0.0

    def step(self, words: str, *, beats_seconds: int = BEATS_SECONDS) -> None:
        """Tells what is being done now; raises TurnStopped. `beats_seconds`: how long nothing may be heard of it."""
        self._write(("step", {"text": words}), beats_seconds=beats_seconds)

    def show(self, words: str) -> None:
        """Shows the answer as far as it has come; raises TurnStopped."""
        if words == self._shown:
            if time.monotonic() - self._written_at > BEAT_EVERY_SECONDS:
                self._write()
        elif words.startswith(self._shown):
            self._write(("text", {"add": words[len(self._shown) :]}))
        else:
            self._write(("text", {"set": words}))
        self._shown = words

    @property
    def shown(self) -> str:
        """What readers have seen of the answer."""
        return self._shown

    def end(self, ended: Ended) -> None:
        """Writes the answer and what it took; a turn that has been ended by somebody else is left alone."""
        db.session.rollback()
        turn = db.session.get(ChatTurn, self.turn_id, with_for_update=True, populate_existing=True)
        if turn is None or turn.state != "streaming":
            db.session.rollback()
            return
        calls = select(
            func.coalesce(func.sum(AiCall.tokens_in), 0),
            func.coalesce(func.sum(AiCall.tokens_out), 0),
            func.coalesce(func.sum(AiCall.cost_usd), 0.0),
            func.max(AiCall.model),
        ).where(AiCall.turn_id == turn.id)
        turn.tokens_in, turn.tokens_out, turn.cost_usd, turn.model = db.session.execute(calls).one()
        turn.state, turn.response, turn.provider = ended.state, ended.response, ended.provider
        turn.model_text, turn.error = ended.model_text, ended.error
        turn.evidence = [one.as_row() for one in ended.fact.evidence]
        turn.cards = [one.as_row() for one in ended.fact.cards]
        turn.repair = ended.fact.repair
        turn.finished_at = datetime.now(UTC)
        self._number += 1
        end = ChatTurnEvent(turn_id=turn.id, number=self._number, kind="end", detail={"state": ended.state})
        db.session.add(end)
        note_news(db.session, turn_topic(self.turn_id))
        db.session.commit()

    def _write(self, *events: tuple[str, Mapping[str, Any]], beats_seconds: int = BEATS_SECONDS) -> None:
        self._written_at = time.monotonic()
        rows = []
        for kind, detail in events:
            self._number += 1
            rows.append({"number": self._number, "kind": kind, "detail": dict(detail)})
        # What people watch need not wait for the disk: the whole answer follows, and is kept for sure.
        durability = "off" if all(kind == "text" for kind, _ in events) else "on"
        values = {"turn_id": self.turn_id, "beats": beats_seconds, "events": json.dumps(rows), "durability": durability}
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            row = connection.execute(WRITE, {**values, **news_of(turn_topic(self.turn_id))}).one_or_none()
        if row is None or row.is_stop_wanted:
            raise TurnStopped


def read_stream(turn_id: int) -> tuple[str, list[str], int]:
    """What a turn has shown so far: its text, its steps, and the number of the last event."""
    shown, steps, after = "", list[str](), 0
    while events := list_events(turn_id, after):
        shown, steps = _told(events, shown, steps)
        after = events[-1].number
    return shown, steps, after


def _told(events: Sequence[ChatTurnEvent], shown: str, steps: list[str]) -> tuple[str, list[str]]:
    for event in events:
        if event.kind == "step":
            steps = [*steps, str(event.detail["text"])]
        elif event.kind == "text":
            shown = str(event.detail["set"]) if "set" in event.detail else shown + str(event.detail["add"])
    return shown, steps


def _checked(message: object, action: object, conversation_id: object, key: object) -> tuple[str, int | None]:
    wrong: dict[str, str] = {}
    words = clean_text(message).strip() if isinstance(message, str) else ""
    if not isinstance(message, str):
        wrong["message"] = "message must be a text."
    elif not words and action != "diagnose":
        wrong["message"] = "Write a message."
    elif len(words) > LONGEST_MESSAGE:
        wrong["message"] = (
            f"The message is too long: {len(words):,} characters, {LONGEST_MESSAGE:,} at most. Put long log excerpts "
            "into the box on the Diagnostics page."
        )
    if action not in ACTIONS:
        wrong["action"] = f"action must be {' or '.join(ACTIONS)}."
    number = conversation_id if isinstance(conversation_id, int) and not isinstance(conversation_id, bool) else None
    if conversation_id is not None and (number is None or not 0 < number < 2**62):
        wrong["conversation_id"] = "conversation_id must be the number of a conversation."
    if key is not None and not (isinstance(key, str) and 1 <= len(key) <= 100 and key.isascii() and key.isprintable()):
        wrong["key"] = "key must be a text of at most 100 plain characters."
    if wrong:
        raise InputInvalid(wrong)
    return words, number


def _check_rate(asker: Asker) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    recent = select(ChatTurn.created_at).where(ChatTurn.asked_by == asker.key, ChatTurn.created_at > since)
    times = list(db.session.scalars(recent.order_by(ChatTurn.created_at.desc()).limit(MOST_IN_A_MINUTE)))
    if len(times) >= MOST_IN_A_MINUTE:
        db.session.rollback()
        wait = max(1, int((times[-1] - since).total_seconds()) + 1)
        raise TooMany(f"That were {MOST_IN_A_MINUTE} messages within a minute. Go on in {wait} s.", wait)


def _conversation_for(asker: Asker, conversation_id: int | None, words: str) -> Conversation:
    if conversation_id is None:
        title = cut(one_line(words), LONGEST_TITLE) or "Diagnosis"
        made = Conversation(asked_by=asker.key, user_id=asker.user_id, title=title)
        db.session.add(made)
        db.session.flush()
        return made
    found = get_conversation(conversation_id, asker)
    newest = list_turns(found.id, 1)
    if newest and newest[0].state == "streaming":
        db.session.rollback()
        raise Conflict("LUX is still answering your last message here. Wait for it, or stop it.")
    return found


def _find_by_key(asker: Asker, key: str) -> ChatTurn | None:
    return db.session.scalar(select(ChatTurn).where(ChatTurn.asked_by == asker.key, ChatTurn.key == key))


def _end_lost(turn_id: int) -> ChatTurn:
    """Ends a turn of which nothing was heard in time, with what it had shown."""
    shown, _, number = read_stream(turn_id)
    turn = db.session.get_one(ChatTurn, turn_id, with_for_update=True, populate_existing=True)
    if turn.state == "streaming":
        turn.state, turn.response, turn.error, turn.finished_at = "failed", shown, LOST, datetime.now(UTC)
        cost = select(func.coalesce(func.sum(AiCall.cost_usd), 0.0)).where(AiCall.turn_id == turn.id)
        turn.cost_usd = float(db.session.scalar(cost) or 0)
        end = ChatTurnEvent(turn_id=turn.id, number=number + 1, kind="end", detail={"state": "failed"})
        db.session.add(end)
        note_news(db.session, turn_topic(turn_id))
    db.session.commit()
    return turn


def _moment(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
