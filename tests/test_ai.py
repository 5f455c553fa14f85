"""The AI door against a server that speaks the real protocol, well and badly."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

import ai
from extensions import db
from lib.model_prices import price
from models import AiCall
from tests.fakes.openai_server import OpenAIServer
from tests.servers import ROOT

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string"}},
    "required": ["colour"],
    "additionalProperties": False,
}
MakeApp = Callable[..., Flask]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def ai_app(server: OpenAIServer, make_app: MakeApp, empty_database: None) -> Iterator[Flask]:
    app = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def make_question(*, schema: bool = False, longest: int = 100) -> ai.Question:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which colour?"}]
    return ai.Question("test", messages, SCHEMA if schema else None, "colour", longest)


def list_calls() -> list[AiCall]:
    db.session.rollback()
    return list(db.session.scalars(select(AiCall).order_by(AiCall.id)))


def failure_of(question: ai.Question | None = None, seconds: float = 60.0) -> ai.ModelFailed:
    with pytest.raises(ai.ModelFailed) as caught:
        ai.ask(question or make_question(), time_budget_seconds=seconds)
    return caught.value


def test_it_asks_in_json_schema_and_streams_the_answer(ai_app: Flask, server: OpenAIServer) -> None:
    server.answers = [{"colour": "the colour of the sea on a grey morning"}]
    pieces = list(ai.stream(make_question(schema=True)))
    assert isinstance(pieces[-1], ai.Answer)
    assert "".join(p for p in pieces if isinstance(p, str)) == pieces[-1].text
    assert len([p for p in pieces if p]) > 2
    sent = server.requests[0]
    assert sent["model"] == "gpt-4o"
    assert sent["response_format"]["json_schema"] == {"name": "colour", "strict": True, "schema": SCHEMA}


def test_each_call_is_on_record_with_tokens_and_cost(ai_app: Flask, server: OpenAIServer) -> None:
    server.answers = ["x" * 400]
    answer = ai.ask(make_question())
    (call,) = list_calls()
    assert (call.state, call.purpose, call.model, call.tokens_out) == ("done", "test", "gpt-4o", 100)
    assert call.cost_usd == pytest.approx(price("gpt-4o", call.tokens_in, 100)) == pytest.approx(answer.cost_usd)
    assert call.duration_seconds is not None


def test_without_usage_from_the_server_the_text_is_counted(ai_app: Flask, server: OpenAIServer) -> None:
    server.moods, server.answers = ["no_usage"], ["x" * 300]
    assert ai.ask(make_question()).tokens_out == 100
    assert list_calls()[0].cost_usd > 0


@pytest.mark.parametrize(
    ("mood", "cause", "words", "calls"),
    [
        ("unauthorized", "key", "OPENAI_API_KEY", 1),
        ("no_quota", "quota", "no credit left", 1),
        ("unknown_model", "model", "OPENAI_MODEL", 1),
        ("bad_request", "request", "did not take the request", 1),
        ("rate_limited", "rate", "Try again in a minute", 3),
        ("server_error", "server", "(500)", 3),
        ("hang_up", "network", "hung up", 1),
        ("html", "broken", "broke off", 1),
        ("half_stream", "broken", "broke off", 1),
        ("error_in_stream", "broken", "broke off", 1),
        ("cut", "cut", "longer than allowed", 1),
        ("refusal", "refused", "declined", 1),
        ("no_finish", "broken", "broke off", 1),
    ],
)
def test_each_misbehaviour_ends_in_one_plain_sentence(
    ai_app: Flask, server: OpenAIServer, mood: str, cause: str, words: str, calls: int
) -> None:
    server.moods, server.answers = [mood] * 5, ["A long enough answer to be cut in the middle of it, surely."]
    failure = failure_of()
    assert failure.cause == cause
    assert words in failure.detail
    assert len(server.requests) == calls, "retried where it helps, and only there"
    (call,) = list_calls()
    assert (call.state, call.cause, call.error) == ("failed", cause, failure.detail)


def test_a_busy_service_is_asked_again_until_it_answers(ai_app: Flask, server: OpenAIServer) -> None:
    server.moods = ["rate_limited", "overloaded"]
    assert ai.ask(make_question()).text == "Hello from the test model."
    assert [call.state for call in list_calls()] == ["done"]


@pytest.mark.parametrize("mood", ["hang", "drip", "stall"])
def test_the_time_budget_holds_whatever_the_server_does(ai_app: Flask, server: OpenAIServer, mood: str) -> None:
    server.moods, server.answers = [mood], ["This begins and never ends, whatever you do with it."]
    assert failure_of(seconds=1.5).cause == "timeout"
    assert list_calls()[0].duration_seconds == pytest.approx(1.5, abs=1.0)


def test_a_server_that_cannot_be_reached_is_named(make_app: MakeApp, empty_database: None) -> None:
    app = make_app(OPENAI_API_KEY="sk-x", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    with app.app_context():
        assert "OPENAI_BASE_URL" in failure_of().detail
        assert list_calls()[0].cost_usd == 0
        db.engine.dispose()


def test_no_key_means_no_call(app: Flask) -> None:
    failure = failure_of()
    assert failure.cause == "no_key"
    assert list_calls() == []
    obstacle = ai.find_obstacle()
    assert obstacle is not None
    assert obstacle.cause == "no_key"


def test_a_server_without_json_schema_gets_the_schema_in_words(ai_app: Flask, server: OpenAIServer) -> None:
    server.moods, server.answers = ["no_json_schema"] * 2, [{"colour": "blue"}]
    assert "blue" in ai.ask(make_question(schema=True)).text or len(server.requests) == 2
    assert server.requests[1]["response_format"] == {"type": "json_object"}
    assert "JSON Schema" in server.requests[1]["messages"][0]["content"]


def test_a_second_model_answers_when_the_first_is_unknown(
    server: OpenAIServer, make_app: MakeApp, empty_database: None
) -> None:
    server.moods = ["unknown_model"]
    app = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url, OPENAI_FALLBACK_MODEL="gpt-4o-mini")
    with app.app_context():
        assert ai.ask(make_question()).model == "gpt-4o-mini"
        assert [(c.model, c.state) for c in list_calls()] == [("gpt-4o", "failed"), ("gpt-4o-mini", "done")]
        db.engine.dispose()


def test_three_failures_in_a_row_let_the_service_rest(ai_app: Flask, server: OpenAIServer) -> None:
    server.moods = ["unauthorized"] * 3
    for _ in range(3):
        failure_of()
    failure = failure_of()
    assert failure.cause == "circuit"
    assert "rest" in failure.detail
    assert len(server.requests) == 3


def test_after_the_rest_one_call_tries_and_closes_the_circuit(ai_app: Flask, server: OpenAIServer) -> None:
    server.moods = ["unauthorized"] * 3
    for _ in range(3):
        failure_of()
    db.session.execute(update(AiCall).values(at=datetime.now(UTC) - timedelta(minutes=1)))
    db.session.commit()
    assert ai.ask(make_question()).text
    assert ai.find_obstacle() is None


def test_while_one_call_tries_the_others_wait(ai_app: Flask, server: OpenAIServer) -> None:
    server.moods = ["unauthorized"] * 3
    for _ in range(3):
        failure_of()
    db.session.execute(update(AiCall).values(at=datetime.now(UTC) - timedelta(minutes=1)))
    db.session.add(AiCall(purpose="test", model="gpt-4o", state="reserved"))
    db.session.commit()
    assert failure_of().cause == "circuit"


def test_a_reached_budget_stops_calls_with_a_plain_message(
    server: OpenAIServer, make_app: MakeApp, empty_database: None
) -> None:
    app = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url, AI_DAILY_BUDGET_USD="0.01")
    with app.app_context():
        db.session.add(AiCall(purpose="test", model="gpt-4o", state="done", cost_usd=0.0099))
        db.session.commit()
        failure = failure_of()
        assert failure.cause == "budget"
        assert "$0.01" in failure.detail
        assert server.requests == []
        db.engine.dispose()


def test_yesterdays_calls_do_not_count(server: OpenAIServer, make_app: MakeApp, empty_database: None) -> None:
    app = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url, AI_DAILY_BUDGET_USD="0.01")
    with app.app_context():
        yesterday = datetime.now(UTC) - timedelta(days=1, minutes=1)
        db.session.add(AiCall(purpose="test", model="gpt-4o", state="done", cost_usd=9.0, at=yesterday))
        db.session.commit()
        assert ai.ask(make_question()).text
        db.engine.dispose()


def test_a_thousand_parallel_calls_stay_within_the_cap(
    server: OpenAIServer, make_app: MakeApp, empty_database: None
) -> None:
    cap = 0.05
    app = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url, AI_DAILY_BUDGET_USD=str(cap))
    server.answers = ["x" * 400]
    start = threading.Barrier(100)

    def call(number: int) -> str:
        if number < 100:
            start.wait()
        with app.app_context():
            try:
                ai.ask(make_question(longest=300))
            except ai.ModelFailed as failure:
                return failure.cause
            return "done"

    with ThreadPoolExecutor(100) as pool:
        outcomes = list(pool.map(call, range(1000)))
    with app.app_context():
        spent = db.session.scalar(select(func.sum(AiCall.cost_usd))) or 0
        one_call = ai.estimate_cost_usd(make_question(longest=300))
        assert spent <= cap + one_call
        assert spent > cap / 2, "the budget is there to be used"
        assert set(outcomes) == {"done", "budget"}
        assert outcomes.count("done") == len(server.requests) == len(list_calls())
        db.engine.dispose()


def test_calls_under_way_are_counted_with_the_most_they_can_cost(
    server: OpenAIServer, make_app: MakeApp, empty_database: None
) -> None:
    app = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url, AI_DAILY_BUDGET_USD="0.02")
    with app.app_context():
        calls_that_fit = int(0.02 / ai.estimate_cost_usd(make_question(longest=400)))
    server.moods = ["hang"] * 100
    start = threading.Barrier(100)

    def call(_number: int) -> str:
        start.wait()
        with app.app_context():
            return failure_of(make_question(longest=400), seconds=4.0).cause

    with ThreadPoolExecutor(100) as pool:
        causes = list(pool.map(call, range(100)))
    assert 2 <= causes.count("timeout") == len(server.requests) == calls_that_fit
    with app.app_context():
        db.engine.dispose()


def test_a_call_whose_process_died_keeps_counting_with_what_it_may_have_cost(
    ai_app: Flask, server: OpenAIServer
) -> None:
    server.moods = ["hang"]
    pieces = ai.stream(make_question())
    next(pieces)
    (call,) = list_calls()
    assert call.state == "reserved"
    assert ai.get_budget().spent_usd == pytest.approx(ai.estimate_cost_usd(make_question()))
    pieces.close()  # type: ignore[attr-defined]  # stream() is a generator
    assert list_calls()[0].cause == "stopped"


def test_no_connection_is_held_while_the_model_thinks(ai_app: Flask, server: OpenAIServer) -> None:
    server.moods = ["hang"]
    db.session.scalar(select(func.count()).select_from(AiCall))
    pieces = ai.stream(make_question())
    next(pieces)
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # the pool of an engine with a pool size
    pieces.close()  # type: ignore[attr-defined]  # stream() is a generator


def test_the_key_never_reaches_the_log_or_the_record(
    ai_app: Flask, server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.moods = ["unauthorized", "server_error", "server_error", "server_error"]
    assert server.key not in failure_of().detail
    failure_of()
    ai.ask(make_question())
    assert server.key not in caplog.text
    assert all(server.key not in str(call.error) for call in list_calls())


def test_a_start_does_not_load_the_client() -> None:
    """It takes a fifth of a start and 14 MB, and a LUX without a key never needs it."""
    command = [sys.executable, "-c", "import app, sys; sys.exit('openai' in sys.modules)"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
