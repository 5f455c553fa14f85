"""Errors that real programs raise here and now are diagnosed: psycopg, SQLAlchemy, smtplib, openai, Flask, jwt."""

from __future__ import annotations

import smtplib
import time
import traceback
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import jwt
import openai
import psycopg
import pytest
import sqlalchemy
from flask import Flask, render_template, render_template_string, request
from oauthlib.oauth2 import WebApplicationClient
from sqlalchemy.pool import QueuePool

from diagnosis.base import Signal
from diagnosis.deciding import diagnose
from diagnosis.reading import signals_of_exception, signals_of_text
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.smtp_server import SmtpServer
from tests.servers import free_port

KEY = "k" * 32


def rules_of(act: Callable[[], object]) -> tuple[str, str]:
    """What is found in the traceback as text, and in the error as the error logger keeps it."""
    try:
        act()
    except Exception as error:
        stack = "".join(traceback.format_exception(error))
        kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        base = Signal("error", str(error), "error:1")
        kept = signals_of_exception(base, kind, str(error), stack)
        return diagnose(signals_of_text(stack))[0].rule, diagnose(kept)[0].rule
    raise AssertionError("nothing was raised")


def engine_of(url: str, **options: object) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), **options)


def both(rule: str) -> tuple[str, str]:
    return rule, rule


# ── PostgreSQL ──


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("SELECT * FROM campaign_stats", "schema-behind"),
        ("SELECT phone_2 FROM contacts", "schema-behind"),
        ("SELECT no_such_function(1)", "schema-function-missing"),
        ("SELEC 1", "query-broken"),
        ("INSERT INTO error_flushes (name) VALUES ('a'), ('a')", "unique-violation"),
        ("INSERT INTO error_flushes (name) VALUES (NULL)", "not-null-violation"),
        ("SET LOCAL statement_timeout = 50; SELECT pg_sleep(2)", "database-statement-timeout"),
        ("SET TRANSACTION READ ONLY; CREATE TABLE x (a int)", "database-read-only"),
        ("SELECT 'x'::int", "value-refused"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "database-connection-lost"),
    ],
)
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_what_postgresql_refuses(database_url: str, statement: str, rule: str, is_wrapped: bool) -> None:
    def act() -> None:
        if is_wrapped:
            with engine_of(database_url).begin() as connection:
                connection.exec_driver_sql(statement)
        else:
            with psycopg.connect(database_url) as connection:
                connection.execute(statement)

    assert rules_of(act) == both(rule)


def test_a_wrong_database_and_a_wrong_role(database_url: str) -> None:
    assert rules_of(lambda: psycopg.connect(database_url.replace("/lux?", "/luxx?"))) == both("database-missing")
    assert rules_of(lambda: psycopg.connect(database_url, user="nobody_here")) == both("database-password")


def test_nobody_listens(tmp_path: Path) -> None:
    port = free_port()
    assert rules_of(lambda: psycopg.connect(f"postgresql://lux@127.0.0.1:{port}/lux")) == both("database-down")
    assert rules_of(lambda: psycopg.connect(host=str(tmp_path), dbname="lux")) == both("database-down")
    engine = engine_of(f"postgresql://lux@127.0.0.1:{port}/lux")
    assert rules_of(lambda: engine.connect()) == both("database-down")


def test_a_name_that_nobody_knows() -> None:
    address = "postgresql://lux@no-such-host.invalid/lux"
    assert rules_of(lambda: psycopg.connect(address)) == both("database-name-resolution")


def test_a_session_that_was_ended_and_its_echo(database_url: str) -> None:
    engine = engine_of(database_url)
    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        time.sleep(0.2)
        assert rules_of(lambda: connection.exec_driver_sql("SELECT 1")) == both("database-connection-lost")
        assert rules_of(lambda: connection.exec_driver_sql("SELECT 1"))[0] in (
            "database-transaction-broken", "database-connection-lost",
        )  # fmt: skip
        connection.invalidate()


def test_a_transaction_that_has_failed_already(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 1 / 0")
        assert rules_of(lambda: connection.execute("SELECT 1")) == both("database-transaction-broken")


def test_a_pool_that_is_empty(database_url: str) -> None:
    engine = engine_of(database_url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.1)
    with engine.connect():
        assert rules_of(lambda: engine.connect()) == both("pool-exhausted")


def test_a_lock_that_somebody_holds(database_url: str) -> None:
    with psycopg.connect(database_url) as holder, psycopg.connect(database_url) as other:
        holder.execute("LOCK TABLE error_flushes")
        other.execute("SET lock_timeout = 50")
        assert rules_of(lambda: other.execute("SELECT * FROM error_flushes")) == both("database-lock-timeout")


def test_a_role_without_rights_and_one_with_too_few_connections(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS diagnosis_guest")
        connection.execute("CREATE ROLE diagnosis_guest LOGIN CONNECTION LIMIT 1")
    try:
        with psycopg.connect(database_url, user="diagnosis_guest") as guest:
            assert rules_of(lambda: guest.execute("SELECT * FROM contacts")) == both("database-permission")
            full = rules_of(lambda: psycopg.connect(database_url, user="diagnosis_guest"))
            assert full == both("database-too-many-connections")
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DROP ROLE diagnosis_guest")


# ── the machine, code, tokens ──


def test_a_full_device() -> None:
    def act() -> None:
        with Path("/dev/full").open("w") as file:
            file.write("x" * 10_000)

    assert rules_of(act) == both("disk-full")


@pytest.mark.parametrize(
    ("act", "rule"),
    [
        (lambda: render_template("campains/list.html"), "template-missing"),
        (lambda: render_template_string("{{ contact.name.first }}"), "template-undefined"),
        (lambda: render_template_string("{% if %}"), "template-broken"),
        (lambda: request.get_json(), "content-type-unsupported"),
        (lambda: b"nom\nAndr\xe9".decode(), "text-encoding"),
        (lambda: jwt.decode(jwt.encode({"exp": 1}, KEY), KEY, algorithms=["HS256"]), "token-expired"),
        (lambda: jwt.decode(jwt.encode({"a": 1}, KEY), "z" * 32, algorithms=["HS256"]), "token-signature"),
        (lambda: jwt.decode(jwt.encode({"nbf": 9e9}, KEY), KEY, algorithms=["HS256"]), "clock-skew"),
        (
            lambda: jwt.decode(jwt.encode({"aud": "a"}, KEY), KEY, algorithms=["HS256"], audience="b"),
            "token-for-another",
        ),
        (
            lambda: WebApplicationClient("x").parse_request_body_response('{"error": "invalid_grant"}'),
            "sign-in-token-expired",
        ),
        (
            lambda: WebApplicationClient("x").parse_request_uri_response(
                "https://a.example/?code=1&state=2", state="3"
            ),
            "sign-in-state-lost",
        ),
        (
            lambda: WebApplicationClient("x").parse_request_uri_response("http://a.example/?code=1&state=2", state="2"),
            "sign-in-insecure-transport",
        ),
    ],
)
def test_what_libraries_raise(
    app: Flask, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], rule: str
) -> None:
    # A sign-in provider of another test, on the loopback, has allowed it to this process.
    monkeypatch.delenv("OAUTHLIB_INSECURE_TRANSPORT", raising=False)
    with app.test_request_context("/api/webhook/zapier-contact", method="POST", data="x"):
        assert rules_of(act) == both(rule)


def test_a_body_that_is_no_json(app: Flask) -> None:
    with app.test_request_context("/w", method="POST", data='{"a":', content_type="application/json"):
        assert rules_of(request.get_json) == both("request-body-broken")


def test_work_outside_of_the_app() -> None:
    assert rules_of(lambda: request.path) == both("outside-app-context")


# ── mail ──


def letter() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@lumen.example", "b@lumen.example", "Hello"
    message.set_content("Hello")
    return message


def send(port: int, *, signs_in: bool = False) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        if signs_in:
            client.login("anna", "wrong")
        client.send_message(letter())


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("450 at RCPT", "mail-throttled"),
        ("5.1.1 at RCPT", "mail-address-refused"),
        ("452 after body", "mail-server-storage"),
        ("554 after body", "mail-policy-refused"),
        ("421 at MAIL", "mail-throttled"),
        ("421 after body", "mail-throttled"),
    ],
)
def test_what_a_mail_server_answers(fault: str, rule: str) -> None:
    with SmtpServer(behave=lambda _: fault) as server:
        assert rules_of(lambda: send(server.port)) == both(rule)


def test_a_mail_server_that_refuses_the_sign_in_or_everybody_or_is_gone() -> None:
    with SmtpServer(refuse_sign_in=True, user="anna", password="right") as server:
        assert rules_of(lambda: send(server.port, signs_in=True)) == both("mail-sign-in-refused")
    with SmtpServer(most_connections=0) as server:
        assert rules_of(lambda: send(server.port)) == both("mail-throttled")
    assert rules_of(lambda: send(free_port())) == both("mail-server-unreachable")


# ── the model ──


def ask(server: OpenAIServer, *, key: str | None = None, seconds: float = 5.0) -> object:
    client = openai.OpenAI(api_key=key or server.key, base_url=server.url, max_retries=0, timeout=seconds)
    chunks = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}], stream=True)
    return list(chunks)


@pytest.mark.parametrize(
    ("mood", "rule"),
    [
        ("unauthorized", "model-key-refused"),
        ("rate_limited", "model-rate-limited"),
        ("no_quota", "model-quota"),
        ("unknown_model", "model-not-found"),
        ("server_error", "model-service-fault"),
        ("overloaded", "model-service-fault"),
        ("hang_up", "model-unreachable"),
    ],
)
def test_what_a_model_service_answers(mood: str, rule: str) -> None:
    with OpenAIServer() as server:
        server.moods = [mood]
        assert rules_of(lambda: ask(server)) == both(rule)


def test_a_model_that_hangs_and_one_that_is_not_there() -> None:
    with OpenAIServer() as server:
        server.moods = ["hang"]
        assert rules_of(lambda: ask(server, seconds=0.3)) == both("model-unreachable")
    client = openai.OpenAI(api_key="sk-x", base_url=f"http://127.0.0.1:{free_port()}/v1", max_retries=0)
    assert rules_of(lambda: client.models.list()) == both("model-unreachable")
    client = openai.OpenAI(api_key="sk-x", base_url="http://no-such-host.invalid/v1", max_retries=0)
    assert rules_of(lambda: client.models.list()) == both("model-unreachable")


def test_a_key_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert rules_of(openai.OpenAI) == both("model-key-missing")
