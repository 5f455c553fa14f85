"""A web process that is stuck, stopped or killed becomes one error, told by whoever knows the most."""

from __future__ import annotations

import http.client
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from diagnostics.log_import import import_logs
from diagnostics.worker_deaths import count_oom_kills, death_names, trace_of
from tests.servers import Lux, wait_until

AT = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)


def start(start_lux: Callable[..., Lux], folder: Path) -> Lux:
    """A LUX whose gunicorn loses patience after two seconds and logs into a file of its own."""
    log = folder / "gunicorn.err"
    log.touch()
    arguments = f"--timeout 2 --error-logfile {log}"
    return start_lux(workers=1, WEB_THREADS="2", GUNICORN_CMD_ARGS=arguments, GUNICORN_ERROR_LOG=str(log))


def groups(lux: Lux) -> list[tuple[Any, ...]]:
    with lux.connect() as connection:
        return connection.execute(
            "SELECT g.error_type, g.place, g.count, e.error_stack, e.context FROM error_groups g "
            "JOIN error_log e ON e.group_id = g.id WHERE g.source = 'gunicorn' ORDER BY e.id"
        ).fetchall()


def import_now(lux: Lux) -> None:
    """What the clock does every quarter of a minute, at once."""
    app = lux.make_app()
    with app.app_context():
        import_logs(settle_seconds=0)
        assert app.extensions["lux_errors"].flush_now()


def test_a_process_with_all_threads_stuck_tells_where_and_is_counted_once(
    start_lux: Callable[..., Lux], tmp_path: Path
) -> None:
    lux = start(start_lux, tmp_path)
    (stuck,) = lux.list_web_processes()
    with lux.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        asking = [threading.Thread(target=ask, args=(lux, "/sign-in")) for _ in range(3)]
        for thread in asking:
            thread.start()
        wait_until(lambda: not stuck.is_running(), "the stuck process to be ended")
        connection.execute("ROLLBACK")
    for thread in asking:
        thread.join()
    wait_until(lambda: lux.count("error_groups", "source = 'gunicorn'") == 1, "the error")
    wait_until(lambda: "was sent SIGKILL" in (tmp_path / "gunicorn.err").read_text() or ended(tmp_path), "its log")
    import_now(lux)
    ((error_type, place, count, stack, context),) = groups(lux)
    assert (error_type, place, count) == ("gunicorn.WorkerTimeout", "GET /sign-in", 1)
    assert "psycopg" in stack and "pages" in stack
    assert context["class"] == "timeout"
    assert [thread["request"] for thread in context["threads"]] == ["GET /sign-in"] * 2
    assert any(one.startswith("gunicorn:") for one in context["evidence"])


def test_a_process_that_stands_still_is_told_of_by_the_master(start_lux: Callable[..., Lux], tmp_path: Path) -> None:
    lux = start(start_lux, tmp_path)
    (stopped,) = lux.list_web_processes()
    stopped.send_signal(signal.SIGSTOP)
    wait_until(lambda: lux.count("error_groups", "source = 'gunicorn'") == 1, "the error")
    import_now(lux)
    ((error_type, _, count, stack, context),) = groups(lux)
    assert (error_type, count, stack) == ("gunicorn.WorkerTimeout", 1, None)
    assert (context["class"], context["pid"]) == ("timeout", stopped.pid)
    assert context["evidence"]


def test_a_killed_process_is_one_error_and_an_orderly_end_none(start_lux: Callable[..., Lux], tmp_path: Path) -> None:
    lux = start(start_lux, tmp_path)
    assert lux.web is not None
    lux.web.send_signal(signal.SIGHUP)
    wait_until(lambda: (tmp_path / "gunicorn.err").read_text().count("Booting worker") == 2, "a reload")
    wait_until(lambda: len(lux.list_web_processes()) == 1, "one process again")
    (process,) = lux.list_web_processes()
    wait_until(lambda: lux.count("process_heartbeats", f"kind = 'web' AND name LIKE '%:{process.pid}'") == 1, "it")
    process.kill()
    wait_until(lambda: lux.count("error_groups", "source = 'gunicorn'") == 1, "the error")
    import_now(lux)
    ((error_type, _, count, _, context),) = groups(lux)
    assert (error_type, count) == ("gunicorn.WorkerKilled", 1)
    assert (context["class"], context["pid"]) == ("resource", process.pid)
    assert len(context["evidence"]) == 1


def test_two_who_saw_a_death_within_half_a_minute_call_it_alike() -> None:
    for second in range(0, 120, 7):
        first = set(death_names(7, AT + timedelta(seconds=second)))
        assert first & set(death_names("7", AT + timedelta(seconds=second + 29)))
        assert not first & set(death_names(7, AT + timedelta(seconds=second + 240)))
        assert not first & set(death_names(8, AT + timedelta(seconds=second)))


def test_the_trace_of_a_frame_leads_to_it() -> None:
    trace = trace_of(sys._getframe())
    names = []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-1] == "test_the_trace_of_a_frame_leads_to_it"
    assert len(names) > 5


def test_the_kernels_count_of_kills_is_a_number_everywhere() -> None:
    assert count_oom_kills() >= 0


def ended(folder: Path) -> bool:
    return "exited with code" in (folder / "gunicorn.err").read_text()


def ask(lux: Lux, path: str) -> None:
    try:
        lux.request("GET", path)
    except (OSError, http.client.HTTPException):
        return
