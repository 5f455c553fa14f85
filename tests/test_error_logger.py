"""The error logger: every source, exact counts, few samples, no secrets, nothing lost when the database is away."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

import embedded_postgres
import schema
from config import child_environment
from error_logger import ErrorLogger, error_logger, listen
from extensions import db
from lib.redaction import Redactor
from models import User
from tests import makers
from tests.servers import running_lux

NOWHERE = "postgresql://lux@127.0.0.1:1/lux"


@pytest.fixture
def make_logger(tmp_path: Path, database_url: str, app: Flask) -> Iterator[Callable[..., ErrorLogger]]:
    """Builds loggers of a process of their own, ended at the end."""
    made: list[ErrorLogger] = []

    def make(url: str = database_url, folder: Path | None = None) -> ErrorLogger:
        logger = ErrorLogger(
            database_url=url,
            folder=folder or tmp_path / "spool",
            redactor=Redactor.knowing(["canary-secret-1"]),
            release="1.0",
            process="tests",
        )
        made.append(logger)
        return logger

    yield make
    for logger in made:
        logger.stop()


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        return connection.execute(query).fetchall()


def fail(number: int = 0) -> None:
    password = "hunter-two"
    raise ValueError(f"order {number} of 'ann@example.com' failed, {len(password)}")


def capture_failure(logger: ErrorLogger, number: int = 0) -> None:
    try:
        fail(number)
    except ValueError as error:
        logger.capture(error)


def test_errors_of_one_kind_make_one_group_with_an_exact_count(
    make_logger: Callable[..., ErrorLogger], database_url: str
) -> None:
    logger = make_logger()
    for number in range(300):
        capture_failure(logger, number)
    assert logger.flush_now()
    assert rows(database_url, "SELECT count, state FROM error_groups") == [(300, "open")]
    assert rows(database_url, "SELECT sum(count)::int FROM error_hours") == [(300,)]
    samples = rows(database_url, "SELECT count(*), count(*) FILTER (WHERE is_latest) FROM error_log")[0]
    assert 6 <= samples[0] <= 20
    assert samples[1] == 1


def test_a_sample_tells_where_and_with_what_but_no_secret(
    make_logger: Callable[..., ErrorLogger], database_url: str
) -> None:
    logger = make_logger()
    capture_failure(logger, 7)
    logger.flush_now()
    message, stack, context = rows(database_url, "SELECT error_message, error_stack, context FROM error_log")[0]
    frame = context["frames"][-1]
    assert frame["function"] == "fail"
    assert frame["locals"]["password"] == "[redacted]"
    assert "raise ValueError" in stack
    assert "ann@example.com" not in message + stack + json.dumps(context)
    assert "hunter-two" not in json.dumps(context["frames"][-1]["locals"])


def test_nothing_is_lost_while_the_database_is_away(
    make_logger: Callable[..., ErrorLogger], tmp_path: Path, database_url: str
) -> None:
    away = make_logger(NOWHERE)
    for number in range(40):
        capture_failure(away, number)
    assert not away.flush_now(0.3)
    away.stop()
    back = make_logger()
    back.start()
    wait_for(lambda: rows(database_url, "SELECT coalesce(sum(count), 0)::int FROM error_groups") == [(40,)])


def test_a_segment_recorded_twice_counts_once(
    make_logger: Callable[..., ErrorLogger], tmp_path: Path, database_url: str
) -> None:
    logger = make_logger()
    folder = tmp_path / "other"
    folder.mkdir()
    event = {"id": "e1", "fp": "f" * 32, "at": "2026-11-23T05:00:00+00:00", "type": "X", "message": "m", "sample": True}
    line = json.dumps(event) + "\n" + '{"half": '
    reader = make_logger(folder=folder)
    for _ in range(2):
        (folder / "1-same.jsonl").write_text(line)
        reader.start()
        wait_for(lambda: not list(folder.glob("*.jsonl")), 15)
    assert rows(database_url, "SELECT count FROM error_groups") == [(1,)]
    assert logger.lost_count == 0


def test_a_killed_process_leaves_its_errors_to_the_next(
    make_logger: Callable[..., ErrorLogger], tmp_path: Path, database_url: str
) -> None:
    spool = tmp_path / "spool"
    code = f"""
import os, signal
from pathlib import Path
from error_logger import ErrorLogger
from lib.redaction import Redactor
folder, url = Path({str(spool)!r}), {NOWHERE!r}
logger = ErrorLogger(database_url=url, folder=folder, redactor=Redactor(), release="1", process="x")
for n in range(25):
    logger.capture(ValueError("in the dying process"))
os.kill(os.getpid(), signal.SIGKILL)
"""
    dead = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, env=child_environment(), check=False
    )
    assert dead.returncode == -signal.SIGKILL
    make_logger().start()
    wait_for(lambda: rows(database_url, "SELECT coalesce(sum(count), 0)::int FROM error_groups") == [(25,)], 15)


def test_a_full_disk_costs_no_count(make_logger: Callable[..., ErrorLogger], tmp_path: Path, database_url: str) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    logger = make_logger(folder=blocked)
    for number in range(30):
        capture_failure(logger, number)
    assert logger.flush_now()
    assert rows(database_url, "SELECT count FROM error_groups") == [(30,)]


def test_a_failing_page_is_captured_once_with_its_route_and_request(
    make_app: Callable[..., Flask], app: Flask, database_url: str
) -> None:
    broken = make_app()

    def explode() -> str:
        fail(3)
        return ""

    broken.view_functions["settings.index"] = explode
    user = makers.make_user()
    client = makers.signed_in_client(broken, user)
    answer = client.get("/settings/", headers={"X-Request-ID": "abcdef0123456789"})
    assert answer.status_code == 500
    with broken.app_context():
        assert error_logger().flush_now()
    found = rows(database_url, "SELECT endpoint, method, request_id, user_id, error_type FROM error_log")
    assert found == [("/settings/", "GET", "abcdef0123456789", user.id, "ValueError")]


def test_a_logged_error_and_a_dead_thread_are_captured(
    make_app: Callable[..., Flask], app: Flask, database_url: str
) -> None:
    running = make_app()
    logging.getLogger("lux.somewhere").error("could not reach %s", "mail.example.com")
    thread = threading.Thread(target=fail, name="doomed")
    thread.start()
    thread.join()
    with running.app_context():
        assert error_logger().flush_now()
    types = {row[0] for row in rows(database_url, "SELECT error_type FROM error_groups")}
    assert types == {"log.lux.somewhere", "ValueError"}


def test_an_app_whose_database_is_gone_hears_nothing_more(app: Flask, database_url: str) -> None:
    with running_lux(database_url, has_web=False) as lux:
        lux.make_app()
    assert not [one for one in logging.getLogger().handlers if isinstance(one, ErrorLogger)]
    logging.getLogger("lux.nobody").error("nobody hears this")
    listen(app)
    logging.getLogger("lux.somebody").error("somebody does")
    assert error_logger().flush_now()
    assert rows(database_url, "SELECT error_type FROM error_groups") == [("log.lux.somebody",)]


def test_an_error_does_not_touch_the_sessions_half_written_row(
    make_app: Callable[..., Flask], app: Flask, count_rows: Callable[[str], int]
) -> None:
    broken = make_app()

    def explode() -> str:
        db.session.add(User(email="half@lumen.example", name="Half", role="viewer"))
        db.session.flush()
        raise RuntimeError("after the flush")

    broken.view_functions["settings.index"] = explode
    client = makers.signed_in_client(broken, makers.make_user())
    assert client.get("/settings/").status_code == 500
    with broken.app_context():
        error_logger().flush_now()
    assert count_rows("users") == 1
    assert count_rows("error_groups") == 1


def test_an_object_that_cannot_be_shown_breaks_nothing(make_logger: Callable[..., ErrorLogger]) -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    logger = make_logger()
    assert logger.capture(Hostile()) is None
    logger.handle(logging.LogRecord("x", logging.ERROR, "", 0, "%d", ("not a number",), None))
    assert logger.lost_count >= 1


def test_the_database_comes_back_and_the_spool_drains(tmp_path: Path, app: Flask) -> None:
    data_dir = tmp_path / "data"
    url = embedded_postgres.ensure_running(data_dir, durable=False)
    schema.migrate(url)
    logger = ErrorLogger(database_url=url, folder=tmp_path / "s", redactor=Redactor(), release="1", process="t")
    try:
        capture_failure(logger)
        assert logger.flush_now(30)
        embedded_postgres.stop(data_dir)
        for number in range(20):
            capture_failure(logger, number)
        assert not logger.flush_now(0.5)
        embedded_postgres.ensure_running(data_dir, durable=False)
        assert logger.flush_now(30)
        assert rows(url, "SELECT sum(count)::int FROM error_groups") == [(21,)]
    finally:
        logger.stop()
        embedded_postgres.stop(data_dir)


def wait_for(is_true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"pid {os.getpid()} waited {seconds} s"
        time.sleep(0.05)
