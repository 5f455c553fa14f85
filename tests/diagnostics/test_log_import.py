"""What only the logs know becomes errors: once each, whatever happens between two runs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from diagnostics.log_import import find_troubles, import_logs
from error_logger import error_logger
from log_reader import SourceReading, State, read_text
from tests.nginx_front import running_front
from tests.servers import wait_until

Rows = list[tuple[Any, ...]]
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def logged(make_app: Callable[..., Flask], empty_database: None, tmp_path: Path) -> Flask:
    """An app that reads two logs in a folder of the test's own."""
    for name in ("nginx.log", "gunicorn.err"):
        (tmp_path / name).touch()
    return make_app(
        NGINX_ERROR_LOG=str(tmp_path / "nginx.log"),
        GUNICORN_ERROR_LOG=str(tmp_path / "gunicorn.err"),
        LUX_DATA_DIR=str(tmp_path / "data"),
    )


def run(app: Flask, settle_seconds: float = 0) -> int:
    with app.app_context():
        count = import_logs(settle_seconds)
        assert error_logger().flush_now()
    return count


def groups(database_url: str) -> Rows:
    with psycopg.connect(database_url, autocommit=True) as connection:
        return connection.execute("SELECT error_type, place, count FROM error_groups ORDER BY error_type").fetchall()


def refused(number: int, path: str = "/contacts/7", seconds_ago: float = 60) -> str:
    at = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).strftime("%Y/%m/%d %H:%M:%S")
    return (
        f"{at} [error] 12#12: *{number} connect() failed (111: Connection refused) while connecting to upstream, "
        f'client: 192.0.2.{number}, server: lux.example, request: "GET {path} HTTP/1.1", upstream: '
        f'"http://127.0.0.1:5000{path}", host: "lux.example"\n'
    )


def gunicorn_line(message: str, seconds_ago: float = 60, level: str = "CRITICAL") -> str:
    at = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%d %H:%M:%S +0000")
    return f"[{at}] [4384] [{level}] {message}\n"


def append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(lines)
    # The reader leaves the last record of a file alone that is still being written.
    os.utime(path, (time.time() - 5, time.time() - 5))


def test_what_real_nginx_and_gunicorn_write_becomes_errors_with_class_and_evidence(
    make_app: Callable[..., Flask], empty_database: None, tmp_path: Path, database_url: str
) -> None:
    with running_front(tmp_path) as front:
        statuses = [front.get(path) for path in ("/refused", "/slow", "/die", "/files/nothing", "/forbidden/x")]
        assert statuses == [502, 504, 502, 404, 403]
        hung = front.get("/hang")
        assert hung in (500, 502)
        front.wait_for_line(front.gunicorn_log, "WORKER TIMEOUT")
        app = make_app(
            NGINX_ERROR_LOG=str(front.nginx_log),
            GUNICORN_ERROR_LOG=str(front.gunicorn_log),
            LUX_DATA_DIR=str(tmp_path / "data"),
        )
        wait_until(lambda: run(app) or len(groups(database_url)) == 5, "all five")
        wait_until(lambda: not run(app), "nothing new")
    # While gunicorn started, nginx was refused as often as the test asked whether it is there.
    found = [row if row[0] != "nginx.UpstreamRefused" else (*row[:2], min(row[2], 1)) for row in groups(database_url)]
    assert found == [
        ("gunicorn.WorkerKilled", "gunicorn", 1),
        ("gunicorn.WorkerTimeout", "gunicorn", 1),
        ("nginx.UpstreamClosed", "nginx", 1 if hung == 500 else 2),
        ("nginx.UpstreamRefused", "nginx", 1),
        ("nginx.UpstreamTimedOut", "nginx", 1),
    ]
    with psycopg.connect(database_url, autocommit=True) as connection:
        contexts: dict[str, Any] = dict(connection.execute("SELECT error_type, context FROM error_log").fetchall())
    assert contexts["nginx.UpstreamTimedOut"]["class"] == "timeout"
    assert contexts["gunicorn.WorkerKilled"]["class"] == "resource"

    assert all(one.startswith("nginx:") for one in contexts["nginx.UpstreamRefused"]["evidence"])


def test_a_route_is_named_by_its_rule_and_strangers_paths_are_not(
    logged: Flask, tmp_path: Path, database_url: str
) -> None:
    append(tmp_path / "nginx.log", refused(1), refused(2, "/contacts/8"), refused(3, "/wp-login.php"))
    run(logged)
    assert groups(database_url) == [
        ("nginx.UpstreamRefused", "GET /contacts/<int:contact_id>", 2),
        ("nginx.UpstreamRefused", "nginx", 1),
    ]


def test_a_timeout_and_the_kill_that_follows_are_one_error_in_whatever_runs_they_come(
    logged: Flask, tmp_path: Path, database_url: str
) -> None:
    log = tmp_path / "gunicorn.err"
    append(log, gunicorn_line("WORKER TIMEOUT (pid:4387)", 62))
    run(logged)
    append(log, gunicorn_line("Worker (pid:4387) was sent SIGKILL! Perhaps out of memory?", 61, "ERROR"))
    run(logged)
    assert groups(database_url) == [("gunicorn.WorkerTimeout", "gunicorn", 1)]
    with psycopg.connect(database_url, autocommit=True) as connection:
        ((context,),) = connection.execute("SELECT context FROM error_log").fetchall()
    assert len(context["evidence"]) == 2


def test_a_young_death_waits_so_that_the_process_can_tell_itself(
    logged: Flask, tmp_path: Path, database_url: str
) -> None:
    append(tmp_path / "gunicorn.err", gunicorn_line("WORKER TIMEOUT (pid:4387)", 1))
    assert run(logged, settle_seconds=3600) == 0
    assert groups(database_url) == []
    assert run(logged) == 1
    assert groups(database_url) == [("gunicorn.WorkerTimeout", "gunicorn", 1)]


@pytest.mark.parametrize("how", ["rotate", "copy and truncate"])
def test_rotation_between_two_runs_loses_and_doubles_nothing(
    logged: Flask, tmp_path: Path, database_url: str, how: str
) -> None:
    log = tmp_path / "nginx.log"
    append(log, *(refused(number) for number in range(1, 4)))
    run(logged)
    append(log, refused(4))
    if how == "rotate":
        log.rename(tmp_path / "nginx.log.1")
        log.touch()
    else:
        shutil.copy(log, tmp_path / "nginx.log.1")
        log.write_text("")
    append(log, refused(5), refused(6))
    run(logged)
    run(logged)
    assert [row[2] for row in groups(database_url)] == [6]


def test_a_run_that_dies_before_it_saves_its_place_doubles_nothing(
    logged: Flask, tmp_path: Path, database_url: str
) -> None:
    append(tmp_path / "nginx.log", refused(1), refused(2))
    for _ in range(3):
        assert run(logged) == 2
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DELETE FROM log_positions")
    assert [row[2] for row in groups(database_url)] == [2]


def test_the_place_is_saved_only_when_what_was_read_is_safe(logged: Flask, tmp_path: Path, database_url: str) -> None:
    spool = tmp_path / "data" / "spool"
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    (spool / "errors").write_text("a file where the folder should be: nothing can be written")
    append(tmp_path / "nginx.log", refused(1))
    with logged.app_context():
        import_logs(0)
        positions = list_positions(database_url)
        assert "nginx" not in positions or error_logger().is_all_safe()
        assert error_logger().flush_now()
        import_logs(0)
        assert error_logger().flush_now()
    assert [row[2] for row in groups(database_url)] == [1]


def test_healthy_logs_bots_and_restarts_are_nothing(logged: Flask, tmp_path: Path, database_url: str) -> None:
    at = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S")
    append(
        tmp_path / "nginx.log",
        f'{at} [error] 1#1: *9 open() "/var/www/x/wp-login.php" failed (2: No such file or directory), client: '
        '192.0.2.1, server: lux.example, request: "GET /wp-login.php HTTP/1.1", host: "lux.example"\n',
        f"{at} [notice] 1#1: signal process started\n",
        f"{at} [info] 1#1: *10 client 192.0.2.1 closed keepalive connection\n",
        f'{at} [error] 1#1: *9 open() "/x/connect() failed (111: Connection refused)" failed (2: No such file or '
        'directory), client: 192.0.2.1, server: lux.example, request: "GET /x HTTP/1.1", host: "lux.example"\n',
    )
    append(
        tmp_path / "gunicorn.err",
        gunicorn_line("Handling signal: hup", level="INFO"),
        gunicorn_line("Booting worker with pid: 7", level="INFO"),
        gunicorn_line("Worker (pid:7) was sent SIGTERM!", level="INFO"),
    )
    run(logged)
    assert groups(database_url) == []


def test_years_of_an_old_log_are_not_imported_at_first(logged: Flask, tmp_path: Path, database_url: str) -> None:
    append(tmp_path / "nginx.log", refused(1, seconds_ago=7200), refused(2, seconds_ago=30))
    run(logged)
    assert [row[2] for row in groups(database_url)] == [1]


def test_a_process_that_the_kernel_killed_is_a_lack_of_memory(app: Flask) -> None:
    text = "Nov 23 09:00:00 lux kernel: Out of memory: Killed process 4390 (python) total-vm:4123456kB\n"
    records = read_text(text)
    (trouble,) = find_troubles(SourceReading("systemd", State.READ, "", records), LONG_AGO)
    assert (trouble.error_type, trouble.kind, trouble.place, trouble.pid) == (
        "gunicorn.OutOfMemory",
        "resource",
        "python",
        "4390",
    )


def list_positions(database_url: str) -> set[str]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        return {row[0] for row in connection.execute("SELECT source FROM log_positions")}
