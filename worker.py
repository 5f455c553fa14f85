"""The queue's tasks, and the process that carries them out.

To add a task, write a function in a noun package and add a line to TASKS; `extensions.defer(session, name, …)` puts it
on the queue. A task may run twice (its worker was killed and another took over), so each must be safe to repeat.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import procrastinate
import psycopg
from flask import Flask
from procrastinate.worker import Worker

import processes
from accounts import letters
from agents import runner
from audience import duplicates, import_runs, scores
from campaigns import confirmations, delivery_reports, dry_run, sending
from error_logger import error_logger
from errors import Unavailable
from extensions import db
from lib.shared_counters import counters
from publishing import deliveries

log = logging.getLogger("lux.worker")


@dataclass(frozen=True)
class Task:
    """A task: the name that defer() takes, what it does within the app's context, and how often it may fail."""

    name: str
    function: Callable[..., object]
    tries: int = 3


TASKS: list[Task] = [
    Task("send_due_messages", sending.send_due_messages),
    Task("send_confirmations", confirmations.send_confirmations),
    Task("read_reports", delivery_reports.read_reports, tries=1),
    Task("run_agent", runner.carry_out_run),
    Task("forget_old_records", processes.forget_old_records),
    Task("import_contacts", import_runs.run_import),
    Task("find_duplicates", duplicates.find_duplicates),
    Task("score_contacts", scores.score_contacts),
    Task("dry_run_campaign", dry_run.dry_run_campaign),
    Task("send_webhook_deliveries", deliveries.send_webhook_deliveries),
    Task("send_reset_mail", letters.send_reset_mail),
    Task("send_password_link", letters.send_password_link),
    Task("send_invitation_mail", letters.send_invitation_mail),
    Task("send_address_mail", letters.send_address_mail),
    Task("send_notice_mail", letters.send_notice_mail),
]

CONCURRENCY = 6
HEARTBEAT_SECONDS = 2
# A worker that was killed lets its lock go at once; one whose machine is gone only falls silent.
SILENCE_SECONDS = 30
GRACE_SECONDS = 10
# A task that takes its worker down again and again waits between tries after so many, and is given up after so many.
PATIENT_TAKEOVERS, MOST_TAKEOVERS = 30, 60
# The lock's first number, "LUX" in hexadecimal; the second is the worker's id. (scheduler.py uses another first one.)
WORKER_LOCK = 0x4C5559
# Jobs whose worker has died: it fell silent, or it was registered and its lock is free.
ORPHANS = """
    SELECT job.id, job.task_name, job.attempts FROM procrastinate_jobs AS job
    LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
    WHERE job.status = 'doing' AND (
        worker.id IS NULL
        OR worker.last_heartbeat < now() - make_interval(secs => %(silence)s)
        OR (worker.last_heartbeat < now() - make_interval(secs => %(heartbeat)s * 2) AND NOT EXISTS (
            SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %(lock)s::oid
            AND objid = worker.id::oid AND granted AND database = (SELECT oid FROM pg_database
            WHERE datname = current_database())
        ))
    )
    FOR UPDATE OF job SKIP LOCKED
"""
PUT_BACK = "SELECT procrastinate_retry_job_v2(%s, now() + make_interval(secs => %s), NULL, NULL, NULL)"


def work(app: Flask) -> None:
    """Carries out tasks until SIGTERM or SIGINT; a task under way gets a few seconds to end.

    Raises Unavailable when the database goes away; whoever started the worker starts it again.
    """
    with app.app_context():
        url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        error_logger().start()
    try:
        # The program itself stays: the collector need not walk through it again and again, nor at the end.
        gc.freeze()
        asyncio.run(_work(app, url))
    except (psycopg.Error, procrastinate.exceptions.ConnectorException) as error:
        with app.app_context():
            error_logger().capture(error, place="worker", severity="critical")
        raise Unavailable(f"The worker lost the database: {error.__cause__ or error}") from error


def make_queue(app: Flask, connector: procrastinate.BaseConnector) -> procrastinate.App:
    """The queue with every task of TASKS, each within the app's context."""
    queue = procrastinate.App(connector=connector)
    for task in TASKS:
        retry = (
            procrastinate.RetryStrategy(max_attempts=task.tries - 1, exponential_wait=4) if task.tries > 1 else False
        )
        queue.task(name=task.name, retry=retry)(_in_context(app, task.name, task.function))
    return queue


def _in_context(app: Flask, name: str, function: Callable[..., object]) -> Callable[..., None]:
    @functools.wraps(function)
    def run(**arguments: Any) -> None:
        with app.app_context():
            try:
                function(**arguments)
            except Exception as error:
                # The queue logs it too, without saying which task it was; captured here, it is known there.
                error_logger().capture(error, place=f"task {name}")
                counters().count("lux_tasks_total", name, "failed")
                raise
            else:
                counters().count("lux_tasks_total", name, "done")
            finally:
                db.session.remove()

    return run


async def _work(app: Flask, url: str) -> None:
    connector = procrastinate.PsycopgConnector(
        conninfo=url, min_size=2, max_size=6, kwargs={"application_name": "lux worker", "connect_timeout": 5}
    )
    queue = make_queue(app, connector)
    async with queue.open_async():
        worker = Worker(
            queue,
            concurrency=CONCURRENCY,
            fetch_job_polling_interval=HEARTBEAT_SECONDS,
            shutdown_graceful_timeout=GRACE_SECONDS,
            delete_jobs="successful",
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=SILENCE_SECONDS,
            install_signal_handlers=False,
        )
        leaving = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _leave, worker, leaving)
        watch = asyncio.create_task(_watch(app, worker, url, leaving))
        watch.add_done_callback(lambda _: worker.stop())
        try:
            await worker.run()
        finally:
            ended_by_itself = watch.done() and not watch.cancelled()
            watch.cancel()
            if ended_by_itself:
                watch.result()


def _leave(worker: Worker, leaving: asyncio.Event) -> None:
    """Takes no more tasks, and asks long ones to end where they can be taken up again."""
    leaving.set()
    sending.stop_sending()
    worker.stop()


async def _watch(app: Flask, worker: Worker, url: str, leaving: asyncio.Event) -> None:
    """Shows that this worker is alive, by a lock that dies with it, and puts back the jobs of workers that died."""
    while worker.worker_id is None:
        await asyncio.sleep(0.05)
    if leaving.is_set():
        # The worker forgets, when it begins, that it was asked to stop before; its end is this task's end.
        return
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, application_name="lux worker's lock", connect_timeout=5
    ) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s, %s)", (WORKER_LOCK, worker.worker_id))
        log.info("The worker is ready.")
        while True:
            await _put_back_orphans(connection)
            await asyncio.to_thread(_note_heartbeat, app)
            await asyncio.sleep(HEARTBEAT_SECONDS)


async def _put_back_orphans(connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
    values = {"silence": SILENCE_SECONDS, "heartbeat": HEARTBEAT_SECONDS, "lock": WORKER_LOCK}
    async with connection.transaction():
        found = await (await connection.execute(ORPHANS, values)).fetchall()
        for job_id, task, attempts in found:
            if attempts >= MOST_TAKEOVERS:
                log.error("The task %s (job %s) took its worker down %s times and is given up.", task, job_id, attempts)
                await connection.execute("SELECT procrastinate_finish_job_v1(%s, 'failed', false)", (job_id,))
            else:
                log.warning("The task %s (job %s) lost its worker and is put back.", task, job_id)
                wait_seconds = 0 if attempts < PATIENT_TAKEOVERS else 60
                await connection.execute(PUT_BACK, (job_id, wait_seconds))


def _note_heartbeat(app: Flask) -> None:
    with app.app_context():
        processes.add_heartbeat("worker", processes.process_name(), processes.measure())
