"""One conversation with a service that speaks OpenAI's chat completions: asked, read piece by piece, tried again."""

from __future__ import annotations

import json
import logging
import queue
import random
import ssl
import threading
import time
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from ai.questions import ModelFailed, Question, Tally
from config import Settings

if TYPE_CHECKING:
    import openai

log = logging.getLogger("lux.ai")

CONNECT_SECONDS = 5.0
# The longest silence once the answer has begun; before that a model may think as long as the time budget lasts.
SILENCE_SECONDS = 30.0
BEAT_SECONDS = 0.25
MOST_TRIES = 3
MOST_TOOL_CALLS = 8
OPENAI_HOST = "api.openai.com"


def converse(settings: Settings, model: str, question: Question, tally: Tally, deadline: float) -> Iterator[str]:
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


def _stream_once(settings: Settings, options: dict[str, Any], tally: Tally, deadline: float) -> Iterator[str]:
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
    # Here and not above: the client is as large as a third of LUX, and a LUX without a key never needs it.
    import openai

    timeout = openai.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
    return openai.OpenAI(
        api_key=settings.openai_api_key, base_url=settings.openai_base_url, timeout=timeout, max_retries=0,
        http_client=openai.DefaultHttpxClient(verify=_authorities()),
    )  # fmt: skip


@cache
def _authorities() -> ssl.SSLContext | bool:
    """The certificates that this machine trusts, read once: that takes longer than all the rest of making a client.

    A machine without any is left to those that the client brings along.
    """
    context = ssl.create_default_context()
    return context if context.cert_store_stats()["x509_ca"] else True


def _read(
    client: openai.OpenAI,
    options: dict[str, Any],
    tally: Tally,
    pieces: queue.SimpleQueue[str | _Refused | None],
    closing: threading.Event,
) -> None:
    import openai

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


def _take(chunk: Any, tally: Tally) -> str:
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


def _take_call(call: Any, tally: Tally) -> None:
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


def judge(tally: Tally, question: Question) -> ModelFailed | None:
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
    import openai

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
