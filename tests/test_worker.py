"""The queue and its worker: in the caller's transaction, carried out once, put back when a worker is killed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import procrastinate
from flask import Flask
from procrastinate.schema import SchemaManager
from sqlalchemy import text

import processes
from extensions import db, defer
from tests.servers import Lux, wait_until
from worker import MOST_TAKEOVERS, TASKS, make_queue


def jobs_of(lux: Lux) -> list[tuple[str, str, int]]:
    """Each job on the queue: task, status, attempts."""
    with lux.connect() as connection:
        rows = connection.execute("SELECT task_name, status::text, attempts FROM procrastinate_jobs ORDER BY id")
        return [(str(row[0]), str(row[1]), int(row[2])) for row in rows]


def put_on_queue(lux: Lux, task: str) -> None:
    """Puts a task on a running LUX's queue, as a request of its own would."""
    app = lux.make_app()
    with app.app_context():
        defer(db.session, task)
        db.session.commit()
        db.session.remove()
        db.engine.dispose()


def test_a_task_is_queued_by_the_commit_and_not_before(app: Flask, count_rows: Callable[[str], int]) -> None:
    defer(db.session, "forget_old_records")
    assert count_rows("procrastinate_jobs") == 0
    db.session.commit()
    assert count_rows("procrastinate_jobs") == 1


def test_a_task_is_forgotten_with_the_transaction_that_asked_for_it(
    app: Flask, count_rows: Callable[[str], int]
) -> None:
    defer(db.session, "forget_old_records")
    db.session.rollback()
    db.session.commit()
    assert count_rows("procrastinate_jobs") == 0


def test_every_task_has_a_name_of_its_own(app: Flask) -> None:
    names = [task.name for task in TASKS]
    assert len(names) == len(set(names))
    queue = make_queue(app, procrastinate.PsycopgConnector())
    assert set(names) <= set(queue.tasks)


def test_the_queue_in_the_database_is_the_one_that_the_library_knows(app: Flask) -> None:
    """When this fails after `make lock`: add a migration that runs the library's own ones (procrastinate/sql)."""
    wanted = set(re.findall(r"^CREATE FUNCTION (\w+)", SchemaManager.get_schema(), re.MULTILINE))
    found = set(db.session.scalars(text("SELECT proname FROM pg_proc WHERE proname LIKE 'procrastinate\\_%'")))
    assert found == wanted
    assert procrastinate.__version__.startswith("3.10.")


def test_a_worker_carries_a_task_out_and_ends_when_asked(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux(has_web=False, has_worker=True)
    put_on_queue(lux, "forget_old_records")
    wait_until(lambda: jobs_of(lux) == [], "the task to be done")
    assert lux.worker is not None
    lux.worker.terminate()
    assert lux.worker.wait(timeout=60) == 0


def test_a_task_whose_worker_was_killed_is_put_back_and_done_by_the_next(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux(has_web=False, has_worker=True)
    with lux.connect() as connection:
        # The task waits for this lock, so that the kill meets it in the middle.
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE job_runs IN ACCESS EXCLUSIVE MODE")
        put_on_queue(lux, "forget_old_records")
        wait_until(lambda: jobs_of(lux) == [("forget_old_records", "doing", 0)], "the task to be under way")
        lux.kill_worker()
        assert jobs_of(lux) == [("forget_old_records", "doing", 0)]
        lux.start_worker()
        wait_until(lambda: jobs_of(lux) == [("forget_old_records", "doing", 1)], "the task to be taken over")
        connection.execute("ROLLBACK")
    wait_until(lambda: jobs_of(lux) == [], "the task to be done")


def test_a_task_that_takes_every_worker_down_is_given_up_in_the_end(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux(has_web=False)
    put_on_queue(lux, "forget_old_records")
    with lux.connect() as connection:
        connection.execute("UPDATE procrastinate_jobs SET status = 'doing', attempts = %s", (MOST_TAKEOVERS,))
    lux.start_worker()
    wait_until(lambda: jobs_of(lux)[0][1] == "failed", "the task to be given up")


def test_a_living_workers_tasks_are_left_alone(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux(has_web=False, has_worker=True)
    with lux.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE job_runs IN ACCESS EXCLUSIVE MODE")
        put_on_queue(lux, "forget_old_records")
        wait_until(lambda: jobs_of(lux) == [("forget_old_records", "doing", 0)], "the task to be under way")
        first = lux.worker
        lux.start_worker()
        second = lux.worker
        looked = datetime.now(UTC)
        wait_until(lambda: lux.count("process_heartbeats", f"seen_at > '{looked}'::timestamptz + '6 s'") == 2, "looks")
        assert jobs_of(lux) == [("forget_old_records", "doing", 0)]
        connection.execute("ROLLBACK")
    wait_until(lambda: jobs_of(lux) == [], "the task to be done")
    for process in (first, second):
        assert process is not None
        process.terminate()
        assert process.wait(timeout=60) == 0


def test_a_worker_without_its_database_ends_with_one_line(start_lux: Callable[..., Lux]) -> None:
    lux = start_lux(has_web=False, has_worker=True)
    with lux.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert lux.worker is not None
    assert lux.worker.wait(timeout=60) != 0
    assert "The worker lost the database" in lux.read_log("worker").splitlines()[-1]


def test_a_process_is_seen_while_it_beats(app: Flask) -> None:
    processes.add_heartbeat("worker", "machine:1", {"a": 1})
    processes.add_heartbeat("worker", "machine:1", {"a": 2})
    assert [(beat.name, beat.detail) for beat in processes.list_heartbeats("worker")] == [("machine:1", {"a": 2})]
    processes.delete_heartbeat("worker", "machine:1")
    assert processes.list_heartbeats("worker") == []
