"""The only door to a language model: ask, stream, record each call, stay within the day's budget.

Any server that speaks OpenAI's chat completions will do (OPENAI_BASE_URL). A model that LUX does not know by price
counts as an expensive one; to price it, add a line to lib/model_prices.py.
"""

from __future__ import annotations

import json
import logging
import queue
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import openai
from sqlalchemy import Select, func, insert, select, text, update

from config import Settings, current_settings
from errors import ModelUnavailable
from extensions import db
from lib.model_prices import price
from models import AiCall, RepairSwitch

log = logging.getLogger("lux.ai")

TIME_BUDGET_SECONDS = 60.0
CONNECT_SECONDS = 5.0
# The longest silence once the answer has begun; before that a model may think as long as the time budget lasts.
SILENCE_SECONDS = 30.0
BEAT_SECONDS = 0.25
MOST_TRIES = 3
# So many failures of the service in a row open the circuit for so long; then one call tries it.
CIRCUIT_FAILURES = 3
CIRCUIT_SECONDS = 30.0
CIRCUIT_CAUSES = ("timeout", "network", "server", "rate", "quota", "key", "model")
# One number for the whole database: whoever holds it reserves money.
BUDGET_LOCK = 0x4C555841
OPENAI_HOST = "api.openai.com"
CHARACTERS_PER_TOKEN = 3
MOST_TOOL_CALLS = 8
# Switches that repairs turn: the circuit held open until a moment, and the fallback asked alone.
CIRCUIT_SWITCH, MODEL_SWITCH = "model_circuit", "model_choice"

Cause = Literal[
    "no_key", "budget", "circuit", "timeout", "network", "server", "rate", "quota", "key", "model", "request",
    "refused", "cut", "broken", "stopped", "lost",
]  # fmt: skip


class ModelFailed(ModelUnavailable):
    """A call gave no usable answer. `cause` is its kind; `is_spent` says whether the call itself was made."""

    def __init__(self, detail: str, cause: Cause, *, is_spent: bool = False) -> None:
        super().__init__(detail)
        self.cause = cause
        self.is_spent = is_spent


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model wants called; `arguments` is what it wrote, JSON or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Question:
    """What the model is asked. With a `schema` (JSON Schema) the answer is JSON of that shape.

    `tools` are the functions that it may ask for, in OpenAI's form; the caller carries them out. `run_cap_usd` holds
    for all calls of the run, `area_cap_usd` for a day's calls whose purpose begins alike, up to its first dot.
    """

    purpose: str
    messages: Sequence[Mapping[str, Any]]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    longest_answer_tokens: int = 2000
    run_id: int | None = None
    turn_id: int | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    temperature: float | None = None
    run_cap_usd: float | None = None
    area_cap_usd: float | None = None


@dataclass(frozen=True)
class Answer:
    """What came back, and what it took."""

    text: str
    model: str
    tokens_in: int
    tokens_out: int
    cost_usd: float
    seconds: float
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True)
class Budget:
    """The day's money: spent and reserved so far, and the limit."""

    spent_usd: float
    limit_usd: float
    since: datetime

    @property
    def left_usd(self) -> float:
        return max(0.0, self.limit_usd - self.spent_usd)


@dataclass
class _Tally:
    """What one call has brought so far; written by its reader, read by its caller."""

    text: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    finish: str | None = None
    refusal: str = ""
    model: str = ""
    tool_calls: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def has_begun(self) -> bool:
        return bool(self.text or self.tool_calls)

    def list_tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(ToolCall(**self.tool_calls[index]) for index in sorted(self.tool_calls))

    def size(self) -> int:
        """Bytes that came."""
        return len(self.text.encode()) + sum(len(one["arguments"].encode()) for one in self.tool_calls.values())


def is_configured() -> bool:
    """Whether there is a key, so that a model may be asked at all."""
    return current_settings().openai_api_key is not None


def find_obstacle() -> ModelFailed | None:
    """Why the model would not be asked now: no key, the budget, an open circuit. None: it would be."""
    settings = current_settings()
    if settings.openai_api_key is None:
        return _no_key()
    with db.engine.connect() as connection:
        wait = _circuit_wait(connection)
        spent = _spent(connection, _day_start(settings))
    if wait:
        return _circuit_open(wait)
    return _over_budget(settings) if spent >= settings.ai_daily_budget_usd else None


def find_circuit_wait() -> float:
    """For how many seconds the service is left alone now; 0: it may be asked."""
    with db.engine.connect() as connection:
        return _circuit_wait(connection)


def list_models() -> list[str]:
    """The models to ask, in order: the configured one and its fallback, or that one alone while a repair says so."""
    settings = current_settings()
    fallback = settings.openai_fallback_model
    if fallback is None:
        return [settings.openai_model]
    with db.engine.connect() as connection:
        chosen = connection.execute(_switch(MODEL_SWITCH)).first()
    return [fallback] if chosen is not None and chosen.is_on else [settings.openai_model, fallback]


def get_budget() -> Budget:
    """What today's calls cost so far; calls under way count with what they may cost at most."""
    settings = current_settings()
    since = _day_start(settings)
    with db.engine.connect() as connection:
        return Budget(_spent(connection, since), settings.ai_daily_budget_usd, since)


def estimate_cost_usd(question: Question, model: str | None = None) -> float:
    """The most that a call can cost: its text in, its longest answer out."""
    tokens_in = count_tokens_at_most(question)
    return price(model or current_settings().openai_model, tokens_in, question.longest_answer_tokens)


def count_tokens_at_most(question: Question) -> int:
    """No fewer tokens than the question has: UTF-8 bytes by three, which no tokenizer of today exceeds for prose."""
    size = sum(_size_of(message) + 12 for message in question.messages)
    if question.tools:
        size += len(json.dumps(list(question.tools)).encode())
    if question.schema is not None:
        size += len(json.dumps(question.schema).encode())
    return size // CHARACTERS_PER_TOKEN + 16


def _size_of(message: Mapping[str, Any]) -> int:
    """Bytes of a message: its words, and the calls of tools that it repeats."""
    calls = message.get("tool_calls")
    return len(str(message.get("content") or "").encode()) + (len(json.dumps(calls).encode()) if calls else 0)


def ask(question: Question, *, time_budget_seconds: float = TIME_BUDGET_SECONDS) -> Answer:
    """Asks and waits for the whole answer. Raises ModelFailed. Commits the session first, see stream()."""
    for piece in stream(question, time_budget_seconds=time_budget_seconds):
        if isinstance(piece, Answer):
            return piece
    raise ModelFailed("The model's answer broke off.", "broken", is_spent=True)


def stream(question: Question, *, time_budget_seconds: float = TIME_BUDGET_SECONDS) -> Iterator[str | Answer]:
    """Yields the answer's text as it comes, "" when nothing came for a moment, and at last the Answer.

    Commits the session first, so that no connection or transaction is held while the model thinks. Closing the
    iterator stops the call. Raises ModelFailed with one plain sentence; whatever happens, the call is on record with
    its tokens and its cost.
    """
    settings = current_settings()
    if settings.openai_api_key is None:
        raise _no_key()
    db.session.commit()
    models = list_models()
    deadline = time.monotonic() + time_budget_seconds
    for position, model in enumerate(models):
        try:
            yield from _stream_recorded(settings, model, question, deadline)
            return
        except ModelFailed as failure:
            has_other = position + 1 < len(models)
            if failure.cause not in ("model", "rate", "server") or failure.is_spent or not has_other:
                raise
            log.warning("The model %s is not available (%s); asking %s.", model, failure.cause, models[position + 1])


def _stream_recorded(settings: Settings, model: str, question: Question, deadline: float) -> Iterator[str | Answer]:
    call_id = _reserve(settings, model, question)
    began = time.monotonic()
    tally = _Tally(model=model)
    failure: ModelFailed | None = None
    try:
        yield from _stream_with_retries(settings, model, question, tally, deadline)
        failure = _judge(tally, question)
        if failure is not None:
            raise failure
    except ModelFailed as error:
        failure = error
        words = {"is_captured": True, "place": f"model {question.purpose}"}
        log.warning("A call of the model failed (%s).", error.cause, exc_info=error, extra=words)
        raise
    except GeneratorExit:
        failure = ModelFailed("Stopped by the person.", "stopped", is_spent=True)
        raise
    except BaseException:
        failure = ModelFailed("The call broke off.", "lost", is_spent=True)
        raise
    finally:
        seconds = time.monotonic() - began
        answer = _settle(call_id, question, tally, failure, seconds)
    yield answer


# ── Money and the circuit ────────────────────────────────────────────────────


def _reserve(settings: Settings, model: str, question: Question) -> int:
    """Puts the most that the call can cost on record before it is made; raises ModelFailed when that is too much."""
    estimate = estimate_cost_usd(question, model)
    since = _day_start(settings)
    with db.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": BUDGET_LOCK})
        wait = _circuit_wait(connection)
        if wait:
            raise _circuit_open(wait)
        if _spent(connection, since) + estimate > settings.ai_daily_budget_usd:
            raise _over_budget(settings)
        _expect_within_caps(connection, question, since, estimate)
        row = insert(AiCall).values(
            purpose=question.purpose,
            run_id=question.run_id,
            turn_id=question.turn_id,
            model=model,
            state="reserved",
            cost_usd=estimate,
        )
        return int(connection.execute(row.returning(AiCall.id)).scalar_one())


def _expect_within_caps(connection: Any, question: Question, since: datetime, estimate: float) -> None:
    """Raises ModelFailed when the call could cost more than its run or its area has left; under the budget's lock."""
    if question.run_cap_usd is not None and question.run_id is not None:
        spent = connection.scalar(_sum_cost().where(AiCall.run_id == question.run_id))
        if spent + estimate > question.run_cap_usd:
            raise _over_cap("One run", question.run_cap_usd, "AI_RUN_BUDGET_USD")
    if question.area_cap_usd is not None:
        area = question.purpose.split(".", 1)[0]
        own = AiCall.purpose.startswith(f"{area}.", autoescape=True)
        spent = connection.scalar(_sum_cost().where(AiCall.at >= since, own))
        if spent + estimate > question.area_cap_usd:
            raise _over_cap("One agent on one day", question.area_cap_usd, "AI_AGENT_BUDGET_USD")


def _sum_cost() -> Select[float]:
    return select(func.coalesce(func.sum(AiCall.cost_usd), 0.0))


def _over_cap(whose: str, cap: float, setting: str) -> ModelFailed:
    detail = f"{whose} may cost at most ${cap:,.2f} ({setting}), and this call could go beyond. Playbooks go on."
    return ModelFailed(detail, "budget")


def _settle(call_id: int, question: Question, tally: _Tally, failure: ModelFailed | None, seconds: float) -> Answer:
    """Replaces the reserved cost by the real one; a call of which nobody knows the tokens is counted by its text."""
    is_spent = failure is None or failure.is_spent
    tokens_in = tally.tokens_in if tally.tokens_in is not None else count_tokens_at_most(question) * is_spent
    tokens_out = tally.tokens_out
    if tokens_out is None:
        tokens_out = min(-(-tally.size() // CHARACTERS_PER_TOKEN), question.longest_answer_tokens)
    cost = price(tally.model, tokens_in, tokens_out)
    calls = tally.list_tool_calls()
    answer = Answer(tally.text, tally.model, tokens_in, tokens_out, cost, seconds, calls)
    with db.engine.begin() as connection:
        connection.execute(
            update(AiCall)
            .where(AiCall.id == call_id)
            .values(
                state="failed" if failure else "done",
                cause=failure.cause if failure else None,
                error=failure.detail if failure else None,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                cost_usd=answer.cost_usd,
                duration_seconds=round(seconds, 3),
            )
        )
    return answer


def _spent(connection: Any, since: datetime) -> float:
    return float(connection.scalar(select(func.coalesce(func.sum(AiCall.cost_usd), 0)).where(AiCall.at >= since)))


def _day_start(settings: Settings) -> datetime:
    now = datetime.now(ZoneInfo(settings.timezone))
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _circuit_wait(connection: Any) -> float:
    """Seconds until the service may be asked again; 0 when it may be now.

    The circuit is read from the record of calls, so all processes share it. After the pause one call tries.
    """
    held = connection.execute(_switch(CIRCUIT_SWITCH)).first()
    if held is not None and held.is_on and (rest := _seconds_until(held.value)) > 0:
        return rest
    # Closed by hand: what failed before that says nothing any more.
    since = held.changed_at if held is not None and not held.is_on else datetime.min.replace(tzinfo=UTC)
    finished = connection.execute(
        select(AiCall.state, AiCall.cause, AiCall.at, AiCall.duration_seconds)
        .where(AiCall.state != "reserved", AiCall.cause.is_distinct_from("stopped"), AiCall.at > since)
        .order_by(AiCall.id.desc())
        .limit(CIRCUIT_FAILURES)
    ).all()
    if len(finished) < CIRCUIT_FAILURES or any(row.cause not in CIRCUIT_CAUSES for row in finished):
        return 0.0
    ended_at = max(row.at + timedelta(seconds=row.duration_seconds or 0) for row in finished)
    now = datetime.now(UTC)
    wait = (ended_at + timedelta(seconds=CIRCUIT_SECONDS) - now).total_seconds()
    if wait > 0:
        return float(wait)
    oldest_trial = now - timedelta(seconds=TIME_BUDGET_SECONDS)
    trial = connection.scalar(
        select(func.count()).select_from(AiCall).where(AiCall.state == "reserved", AiCall.at > oldest_trial)
    )
    return 5.0 if trial else 0.0


def _switch(key: str) -> Select[bool, str | None, datetime]:
    return select(RepairSwitch.is_on, RepairSwitch.value, RepairSwitch.changed_at).where(RepairSwitch.key == key)


def _seconds_until(moment: str | None) -> float:
    """Seconds until a moment that a switch holds; 0 when it has passed or cannot be read."""
    try:
        return max(0.0, (datetime.fromisoformat(moment or "") - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _no_key() -> ModelFailed:
    return ModelFailed("No AI key is set (OPENAI_API_KEY), so LUX works from its playbooks.", "no_key")


def _over_budget(settings: Settings) -> ModelFailed:
    limit = f"${settings.ai_daily_budget_usd:,.2f}"
    detail = f"Today's AI budget of {limit} is used up. It starts again at midnight ({settings.timezone})."
    return ModelFailed(f"{detail} Playbooks go on.", "budget")


def _circuit_open(wait_seconds: float) -> ModelFailed:
    seconds = max(1, round(wait_seconds))
    detail = f"The AI service failed {CIRCUIT_FAILURES} times in a row, so LUX lets it rest for {seconds} s."
    return ModelFailed(f"{detail} Playbooks go on.", "circuit")


# ── One conversation with the service ────────────────────────────────────────


def _stream_with_retries(
    settings: Settings, model: str, question: Question, tally: _Tally, deadline: float
) -> Iterator[str]:
    """Tries again only where it helps: while not one piece has come, and the service is busy, ill or out of reach."""
    options = _options(settings, model, question)
    for attempt in range(MOST_TRIES + 2):
        try:
            yield from _stream_once(settings, options, tally, deadline)
            return
        except _Refused as refused:
            failure = refused.failure
            simpler = _simpler(options, refused.message) if failure.cause == "request" else None
            wait = 0.0 if simpler else refused.wait_seconds or 0.5 * 2**attempt * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
            is_helpful = simpler is not None or (
                failure.cause in ("rate", "server", "network") and attempt + 1 < MOST_TRIES
            )
            has_time = time.monotonic() + wait + 1 < deadline
            if failure.is_spent or not is_helpful or not has_time:
                raise failure from refused
            options = simpler or options
            until = time.monotonic() + wait
            while time.monotonic() < until:
                yield ""
                time.sleep(min(BEAT_SECONDS, max(0.0, until - time.monotonic())))


class _Refused(Exception):
    """The service did not answer as asked. `message` is its own text, for a look at what it dislikes; never shown."""

    def __init__(self, failure: ModelFailed, message: str = "", wait_seconds: float = 0.0) -> None:
        super().__init__(failure.detail)
        self.failure = failure
        self.message = message
        self.wait_seconds = wait_seconds


def _options(settings: Settings, model: str, question: Question) -> dict[str, Any]:
    options: dict[str, Any] = {
        "model": model,
        "messages": [dict(message) for message in question.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    # OpenAI's newer models refuse the old name, many other servers do not know the new one.
    is_openai = OPENAI_HOST in settings.openai_base_url
    options["max_completion_tokens" if is_openai else "max_tokens"] = question.longest_answer_tokens
    if question.temperature is not None:
        options["temperature"] = question.temperature
    if question.tools:
        options["tools"] = [dict(tool) for tool in question.tools]
    if question.schema is not None:
        shape = {"name": question.schema_name, "strict": True, "schema": dict(question.schema)}
        options["response_format"] = {"type": "json_schema", "json_schema": shape}
    return options


def _simpler(options: dict[str, Any], complaint: str) -> dict[str, Any] | None:
    """The same request without what this server says it does not know; None when nothing can be left out."""
    words = complaint.lower()
    fewer = dict(options)
    if options.get("response_format", {}).get("type") == "json_schema" and (
        "response_format" in words or "json_schema" in words or "schema" in words
    ):
        schema = json.dumps(options["response_format"]["json_schema"]["schema"])
        first, *others = options["messages"]
        told = f"{first['content']}\n\nAnswer with one JSON object of this JSON Schema and nothing else:\n{schema}"
        fewer["messages"] = [{**first, "content": told}, *others]
        fewer["response_format"] = {"type": "json_object"}
        return fewer
    for old, new in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
        if old in options and old in words:
            fewer[new] = fewer.pop(old)
            return fewer
    for name in ("stream_options", "temperature", "tools"):
        if name in options and name in words:
            del fewer[name]
            return fewer
    return None


def _stream_once(settings: Settings, options: dict[str, Any], tally: _Tally, deadline: float) -> Iterator[str]:
    """One request. A thread of its own reads, so that deadline and Stop hold whatever the server does."""
    pieces: queue.SimpleQueue[str | _Refused | None] = queue.SimpleQueue()
    closing = threading.Event()
    client = _make_client(settings, max(1.0, deadline - time.monotonic()))
    # The reader knows no app and no database: it only fills the queue.
    reader = threading.Thread(target=_read, args=(client, options, tally, pieces, closing), daemon=True)
    reader.start()
    heard_at = time.monotonic()
    try:
        while True:
            now = time.monotonic()
            left = deadline - now
            if left <= 0 or (tally.text and now - heard_at > SILENCE_SECONDS):
                raise _Refused(_too_slow(bool(tally.text)))
            try:
                piece = pieces.get(timeout=min(BEAT_SECONDS, left))
            except queue.Empty:
                yield ""
                continue
            if piece is None:
                return
            if isinstance(piece, _Refused):
                raise piece
            heard_at = time.monotonic()
            yield piece
    finally:
        closing.set()


def _make_client(settings: Settings, seconds: float) -> openai.OpenAI:
    timeout = openai.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
    return openai.OpenAI(
        api_key=settings.openai_api_key, base_url=settings.openai_base_url, timeout=timeout, max_retries=0
    )


def _read(
    client: openai.OpenAI,
    options: dict[str, Any],
    tally: _Tally,
    pieces: queue.SimpleQueue[str | _Refused | None],
    closing: threading.Event,
) -> None:
    try:
        with client, client.chat.completions.create(**options) as chunks:
            for chunk in chunks:
                if closing.is_set():
                    return
                piece = _take(chunk, tally)
                if piece:
                    pieces.put(piece)
        pieces.put(None)
    except openai.OpenAIError as error:
        refused = _refusal_of(error, tally.has_begun)
        # Not the error itself: its text may repeat the key.
        code = f"{getattr(error, 'status_code', '')} {getattr(error, 'code', '')}"
        refused.add_note(f"openai.{type(error).__name__} {code}")
        pieces.put(refused)
    except Exception as error:
        # A server that speaks another protocol can make the client stumble anywhere.
        log.warning("The AI service's answer could not be read: %s", type(error).__name__)
        detail = "The AI service's answer could not be read."
        pieces.put(_Refused(ModelFailed(detail, "broken", is_spent=True)))


def _take(chunk: Any, tally: _Tally) -> str:
    """Notes what a chunk brings; returns its text. Other servers leave fields out, so nothing is taken for granted."""
    usage = getattr(chunk, "usage", None)
    if usage is not None:
        tally.tokens_in = _whole(getattr(usage, "prompt_tokens", None))
        tally.tokens_out = _whole(getattr(usage, "completion_tokens", None))
    choices = getattr(chunk, "choices", None) or []
    if not choices:
        return ""
    delta = getattr(choices[0], "delta", None)
    tally.finish = getattr(choices[0], "finish_reason", None) or tally.finish
    tally.refusal += getattr(delta, "refusal", None) or ""
    for call in getattr(delta, "tool_calls", None) or []:
        _take_call(call, tally)
    piece = getattr(delta, "content", None) or ""
    tally.text += piece
    return piece


def _take_call(call: Any, tally: _Tally) -> None:
    """Adds a piece of a tool call: its id and name come once, its arguments bit by bit."""
    index = _whole(getattr(call, "index", None)) or 0
    if index >= MOST_TOOL_CALLS:
        return
    kept = tally.tool_calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
    function = getattr(call, "function", None)
    kept["id"] = getattr(call, "id", None) or kept["id"] or f"call_{index}"
    kept["name"] = getattr(function, "name", None) or kept["name"]
    kept["arguments"] += getattr(function, "arguments", None) or ""


def _whole(number: object) -> int | None:
    return number if isinstance(number, int) and 0 <= number < 10_000_000 else None


def _judge(tally: _Tally, question: Question) -> ModelFailed | None:
    """What is wrong with an answer that came without an error; None when nothing is."""
    if tally.refusal:
        return ModelFailed("The model declined to write this. Change the brief.", "refused", is_spent=True)
    if tally.finish == "content_filter":
        return ModelFailed("The AI service's filter held the answer back. Change the brief.", "refused", is_spent=True)
    if tally.finish == "length":
        return ModelFailed("The model's answer was longer than allowed and was cut.", "cut", is_spent=True)
    is_whole = tally.finish is not None or (question.schema is not None and _is_json(tally.text))
    if tally.finish is None and tally.tool_calls:
        return ModelFailed("The model's answer broke off before its end.", "broken", is_spent=True)
    if not is_whole or not (tally.text.strip() or tally.tool_calls):
        return ModelFailed("The model's answer broke off before its end.", "broken", is_spent=True)
    return None


def _is_json(words: str) -> bool:
    try:
        json.loads(words)
    except ValueError:
        return False
    return True


def _too_slow(has_text: bool) -> ModelFailed:
    detail = "The model stopped in the middle of its answer." if has_text else "The model did not answer in time."
    return ModelFailed(detail, "timeout", is_spent=True)


def _refusal_of(error: openai.OpenAIError, has_text: bool) -> _Refused:
    """The client's error in LUX's words. The service's own text may hold parts of the key: it is never repeated."""
    settings_hint = "Look at Settings › Environment."
    message = str(getattr(error, "message", ""))[:2000]
    code = str(getattr(error, "code", "") or "")
    if has_text:
        if isinstance(error, openai.APITimeoutError):
            return _Refused(_too_slow(True))
        return _Refused(ModelFailed("The model's answer broke off before its end.", "broken", is_spent=True))
    if isinstance(error, openai.APIConnectionError):
        if type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout"):
            return _Refused(ModelFailed("The AI service cannot be reached (OPENAI_BASE_URL).", "network"))
        if isinstance(error, openai.APITimeoutError):
            return _Refused(_too_slow(False))
        detail = "The AI service hung up before it answered."
        return _Refused(ModelFailed(detail, "network", is_spent=True))
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        detail = f"The AI service does not accept the key (OPENAI_API_KEY). {settings_hint}"
        return _Refused(ModelFailed(detail, "key"))
    if isinstance(error, openai.NotFoundError):
        detail = f"The AI service does not know this model or address (OPENAI_MODEL). {settings_hint}"
        return _Refused(ModelFailed(detail, "model"))
    if isinstance(error, openai.RateLimitError):
        if "insufficient_quota" in (code, str(getattr(error, "type", ""))):
            return _Refused(ModelFailed("The account at the AI service has no credit left.", "quota"))
        detail = "The AI service is busy with other requests of this account. Try again in a minute."
        return _Refused(ModelFailed(detail, "rate"), wait_seconds=_retry_after(error))
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return _Refused(ModelFailed("The AI service did not take the request as it stands.", "request"), message)
    if isinstance(error, openai.APIStatusError):
        failure = ModelFailed(f"The AI service has a fault of its own ({error.status_code}).", "server")
        return _Refused(failure, wait_seconds=_retry_after(error))
    return _Refused(ModelFailed("The AI service sent an error instead of an answer.", "server", is_spent=True))


def _retry_after(error: openai.APIStatusError) -> float:
    try:
        return min(max(float(error.response.headers.get("retry-after", "0")), 0.0), 60.0)
    except ValueError:
        return 0.0
