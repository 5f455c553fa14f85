"""What LUX itself says about its mail server and its model is diagnosed as the fault behind it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

import ai
from channels import find_channel
from channels.base import ChannelError
from config import current_settings
from diagnosis.base import Signal
from diagnosis.deciding import diagnose
from diagnosis.reading import signals_of_exception, signals_of_text
from extensions import db
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.smtp_server import SmtpServer
from tests.servers import free_port


def rules_of(error: Exception) -> tuple[str, str, str]:
    """By the traceback as text, by the error as it is kept, and by its sentence in the log alone."""
    stack = "".join(traceback.format_exception(error))
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    kept = signals_of_exception(Signal("error", str(error), "error:1"), kind, str(error), stack)
    line = f"2026-11-23T04:30:33.104Z ERROR web 812 - lux.test: {error}"
    return tuple(diagnose(signals)[0].rule for signals in (signals_of_text(stack), kept, signals_of_text(line)))  # type: ignore[return-value]  # three of them


def same(rule: str) -> tuple[str, str, str]:
    return rule, rule, rule


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def ask(app: Flask, seconds: float = 10.0) -> ai.ModelFailed:
    with app.app_context():
        try:
            ai.ask(ai.Question("test", [{"role": "user", "content": "x"}]), time_budget_seconds=seconds)
        except ai.ModelFailed as failure:
            return failure
        finally:
            db.session.remove()
    raise AssertionError("the model answered")


@pytest.mark.parametrize(
    ("mood", "rule"),
    [
        ("unauthorized", "model-key-refused"),
        ("no_quota", "model-quota"),
        ("rate_limited", "model-rate-limited"),
        ("unknown_model", "model-not-found"),
        ("server_error", "model-service-fault"),
        ("hang", "model-unreachable"),
        ("hang_up", "model-unreachable"),
        ("html", "model-answer-broken"),
    ],
)
@pytest.mark.usefixtures("empty_database")
def test_a_model_that_fails(make_app: Callable[..., Flask], server: OpenAIServer, mood: str, rule: str) -> None:
    server.moods = [mood] * 6
    app = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
    assert rules_of(ask(app, seconds=2.0 if mood == "hang" else 10.0)) == same(rule)


@pytest.mark.usefixtures("empty_database")
def test_a_model_without_a_key_and_one_that_is_not_there(make_app: Callable[..., Flask]) -> None:
    assert rules_of(ask(make_app())) == same("model-key-missing")
    away = make_app(OPENAI_API_KEY="sk-x", OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1")
    assert rules_of(ask(away)) == same("model-unreachable")


def open_channel(app: Flask) -> ChannelError:
    with app.app_context():
        channel = find_channel("email")
        assert channel is not None
        try:
            channel.open(current_settings(), connections=1).close()
        except ChannelError as error:
            return error
    raise AssertionError("the mail server took the sign-in")


def test_a_mail_server_that_refuses_the_sign_in(make_app: Callable[..., Flask]) -> None:
    with SmtpServer(refuse_sign_in=True, user="anna", password="right") as running:
        app = make_app(SMTP_URL=running.url(user="anna:wrong@"))
        assert rules_of(open_channel(app)) == same("mail-sign-in-refused")


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"most_connections": 0}, "mail-throttled"),
        ({"greeting": b"554 no service here"}, "mail-refused"),
        ({"greeting_delay_seconds": 3.0}, "mail-server-unreachable"),
        ({"greeting": b"HTTP/1.1 400 Bad Request"}, "mail-server-unreachable"),
    ],
)
def test_a_mail_server_that_is_busy_hangs_or_speaks_another_language(
    make_app: Callable[..., Flask], settings: dict[str, object], rule: str
) -> None:
    with SmtpServer(**settings) as running:  # type: ignore[arg-type]  # the table holds its own fields
        started = time.monotonic()
        error = open_channel(make_app(SMTP_URL=running.url("timeout=1&connections=1")))
        assert rules_of(error) == same(rule), (str(error), time.monotonic() - started)


def test_a_mail_server_that_is_not_there(make_app: Callable[..., Flask]) -> None:
    app = make_app(SMTP_URL=f"smtp://127.0.0.1:{free_port()}")
    assert rules_of(open_channel(app)) == same("mail-server-unreachable")
