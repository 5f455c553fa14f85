"""Every source of errors through its own real process: command, worker, clock, page, broken body, model."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from ai import ModelFailed, Question, ask
from config import child_environment
from diagnostics.metrics import write_metrics
from error_logger import error_logger
from errors import Unavailable
from extensions import db, defer
from tests import makers
from tests.fakes.openai_server import OpenAIServer
from tests.servers import Lux, wait_until

ROOT = Path(__file__).resolve().parent.parent


def groups(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT error_type, place, severity, count FROM error_groups ORDER BY id"
        return connection.execute(query).fetchall()


def test_a_command_that_fails_is_captured_with_its_name_and_without_its_arguments(
    start_lux: Callable[..., Lux],
) -> None:
    lux = start_lux(has_web=False)
    with lux.connect() as connection:
        connection.execute("DROP TABLE one_time_links CASCADE")
    command = [sys.executable, "-m", "flask", "--app", "app", "lux", "owner-link"]
    done = subprocess.run(command, cwd=ROOT, env=child_environment(**lux.settings), capture_output=True, check=False)
    assert done.returncode == 1
    ((error_type, place, severity, count),) = groups(lux.database_url)
    assert error_type.endswith("ProgrammingError")
    assert (place, severity, count) == ("command lux owner-link", "critical", 1)


def test_a_task_that_fails_is_captured_with_its_name(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux(has_web=False, has_worker=True)
    with lux.connect() as connection:
        connection.execute("DROP TABLE contact_import_rows CASCADE")
    app = lux.make_app()
    with app.app_context():
        defer(db.session, "import_contacts", import_id="not a number")
        db.session.commit()
        db.engine.dispose()
    wait_until(lambda: lux.count("error_groups", "place = 'task import_contacts'") == 1, "the task's error")
    with lux.connect() as connection:
        ((stack,),) = connection.execute("SELECT error_stack FROM error_log LIMIT 1").fetchall()
    assert "run_import" in stack


def test_a_job_of_the_clock_that_fails_is_captured_with_its_name(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux()
    with lux.connect() as connection:
        connection.execute("ALTER TABLE log_positions RENAME TO mislaid")
    wait_until(lambda: lux.count("error_groups", "place = 'job import_logs'") == 1, "the job's error")
    assert lux.count("job_runs", "job = 'import_logs' AND state = 'failed'") >= 1


def test_a_body_with_malformed_chunks_is_the_clients_mistake(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux()
    for path, body in (
        ("/sign-in", b"zz\r\nbroken\r\n"),
        ("/sign-in", b"5\r\nhello\r\nnot a size\r\n"),
        ("/chatbot/send", b"-1\r\n\r\n"),
        ("/api/webhook/zapier-contact", b"zz\r\n"),
    ):
        with socket.create_connection(("127.0.0.1", lux.port), timeout=20) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{lux.port}\r\nTransfer-Encoding: chunked\r\n"
            head += "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)
            answer = connection.recv(65536)
        assert answer.split(b" ")[1] in (b"400", b"401", b"404"), (path, body, answer[:300])
    text = lux.request("GET", "/metrics")[2].decode()
    assert 'status="4xx"' in text
    assert 'status="5xx"' not in text
    assert groups(lux.database_url) == []


def test_a_5xx_that_a_page_answers_by_itself_is_captured_as_a_warning(
    make_app: Callable[..., Flask], app: Flask, database_url: str
) -> None:
    running = make_app()

    def unavailable() -> str:
        raise Unavailable("The printer is out of paper.")

    running.view_functions["settings.index"] = unavailable
    running.view_functions["outbox.index"] = lambda: ("no", 502)
    client = makers.signed_in_client(running, makers.make_user())
    assert client.get("/settings/").status_code == 503
    assert client.get("/outbox/").status_code == 502
    assert client.get("/no-such-page").status_code == 404
    with running.app_context():
        assert error_logger().flush_now()
    assert groups(database_url) == [
        ("errors.Unavailable", "GET /settings/", "warning", 1),
        ("http.502", "GET /outbox/", "warning", 1),
    ]


def test_readiness_and_health_may_say_no_without_an_error(make_app: Callable[..., Flask], app: Flask) -> None:
    away = make_app(DATABASE_URL="postgresql://lux@127.0.0.1:1/lux")
    assert away.test_client().get("/readyz").status_code == 503
    assert away.test_client().get("/api/diagnostics/health").status_code == 503
    with away.app_context():
        assert 'lux_requests_total{route="/readyz",method="GET",status="5xx"}' in write_metrics()


def test_a_call_of_the_model_that_fails_is_captured_with_what_the_service_said(
    make_app: Callable[..., Flask], app: Flask, database_url: str
) -> None:
    with OpenAIServer() as server:
        server.moods = ["unauthorized"]
        running = make_app(OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        with running.app_context():
            with pytest.raises(ModelFailed):
                ask(Question(purpose="tests.milk", messages=({"role": "user", "content": "hello"},)))
            assert error_logger().flush_now()
    assert groups(database_url) == [("ai.questions.ModelFailed", "model tests.milk", "warning", 1)]
    with psycopg.connect(database_url) as connection:
        ((stack,),) = connection.execute("SELECT error_stack FROM error_log").fetchall()
    assert "openai.AuthenticationError" in stack
