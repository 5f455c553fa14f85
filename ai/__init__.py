"""The only door to a language model: ask, stream, record each call, stay within the day's budget.

Any server that speaks OpenAI's chat completions will do (OPENAI_BASE_URL). A model that LUX does not know by price
counts as an expensive one; to price it, add a line to lib/model_prices.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from ai.questions import Answer, Cause, ModelFailed, Question, Tally, ToolCall, count_tokens_at_most, estimate_cost_usd
from ai.records import (
    CIRCUIT_SWITCH,
    MODEL_SWITCH,
    Budget,
    circuit_open,
    circuit_wait,
    count_spent,
    day_start,
    find_switch,
    no_key,
    over_budget,
    reserve,
    settle,
)
from ai.service import converse, judge
from config import Settings, current_settings
from extensions import db

__all__ = [
    "CIRCUIT_SWITCH",
    "MODEL_SWITCH",
    "Answer",
    "Budget",
    "Cause",
    "ModelFailed",
    "Question",
    "ToolCall",
    "ask",
    "count_tokens_at_most",
    "estimate_cost_usd",
    "find_circuit_wait",
    "find_obstacle",
    "get_budget",
    "is_configured",
    "list_models",
    "stream",
]
log = logging.getLogger("lux.ai")

TIME_BUDGET_SECONDS = 60.0


def is_configured() -> bool:
    """Whether there is a key, so that a model may be asked at all."""
    return current_settings().openai_api_key is not None


def find_obstacle() -> ModelFailed | None:
    """Why the model would not be asked now: no key, the budget, an open circuit. None: it would be."""
    settings = current_settings()
    if settings.openai_api_key is None:
        return no_key()
    with db.engine.connect() as connection:
        wait = circuit_wait(connection)
        spent = count_spent(connection, day_start(settings))
    if wait:
        return circuit_open(wait)
    return over_budget(settings) if spent >= settings.ai_daily_budget_usd else None


def find_circuit_wait() -> float:
    """For how many seconds the service is left alone now; 0: it may be asked."""
    with db.engine.connect() as connection:
        return circuit_wait(connection)


def list_models() -> list[str]:
    """The models to ask, in order: the configured one and its fallback, or that one alone while a repair says so."""
    settings = current_settings()
    fallback = settings.openai_fallback_model
    if fallback is None:
        return [settings.openai_model]
    with db.engine.connect() as connection:
        chosen = connection.execute(find_switch(MODEL_SWITCH)).first()
    return [fallback] if chosen is not None and chosen.is_on else [settings.openai_model, fallback]


def get_budget() -> Budget:
    """What today's calls cost so far; calls under way count with what they may cost at most."""
    settings = current_settings()
    since = day_start(settings)
    with db.engine.connect() as connection:
        return Budget(count_spent(connection, since), settings.ai_daily_budget_usd, since)


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
        raise no_key()
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
    call_id = reserve(settings, model, question)
    began = time.monotonic()
    tally = Tally(model=model)
    failure: ModelFailed | None = None
    try:
        yield from converse(settings, model, question, tally, deadline)
        failure = judge(tally, question)
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
        answer = settle(call_id, question, tally, failure, seconds)
    yield answer
