"""The webhook's own database connections: few, kept open, each statement a transaction of its own.

The session's pool pings before each use and begins a transaction; a webhook that answers a thousand posts a second pays
for both. Here a dead connection is found by using it, and what failed is tried once more on a new one. Who comes gets
the one that was used last: as threads share their statements (lib/batches.py), one or two stay warm, with their plans.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from flask import current_app
from psycopg import Connection, Cursor
from psycopg.pq import TransactionStatus

from extensions import db

T = TypeVar("T")

# While the database is away nobody waits for it twice: within this time the next caller is refused at once.
PAUSE_SECONDS = 0.5
CONNECT_TIMEOUT_SECONDS = 3
# A statement may wait for another's lock on the same contact, never as long as gunicorn waits for a worker.
# The few statements are large and never differ: their plans are made once, perhaps on empty tables, so they must be
# plans that stay good when these have grown.
SERVER_OPTIONS = (
    "-c statement_timeout=15000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=30000"
    " -c plan_cache_mode=force_generic_plan -c jit=off"
    " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off"
)

# What says that the database is not there, or not for us, rather than that a statement is wrong.
GONE = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)


class DatabaseGone(Exception):
    """The database cannot be reached, or broke off in the middle: nothing is known about the statement's fate."""


class _Connections:
    """The connections of one app's process."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._idle: list[Connection[Any]] = []
        self._away_until = float("-inf")

    def take(self) -> tuple[bool, Connection[Any]]:
        """Whether it is new, and a connection that nobody else uses now. Raises DatabaseGone."""
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not connection.closed:
                    return False, connection
        return True, self._connect()

    def give_back(self, connection: Connection[Any]) -> None:
        """For the next one, if nothing is left open on it."""
        if connection.info.transaction_status is TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            _close(connection)

    def forget(self, connection: Connection[Any]) -> None:
        """It is dead, and those that rest are most likely dead with it."""
        _close(connection)
        with contextlib.suppress(IndexError):
            while True:
                _close(self._idle.pop())

    def _connect(self) -> Connection[Any]:
        if time.monotonic() < self._away_until:
            raise DatabaseGone
        try:
            return psycopg.connect(
                self._address,
                autocommit=True,
                # Planning the arrivals takes ten milliseconds and more: once for each connection.
                prepare_threshold=0,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                application_name="lux-webhook",
                options=SERVER_OPTIONS,
            )
        except psycopg.Error as error:
            self._away_until = time.monotonic() + PAUSE_SECONDS
            raise DatabaseGone from error


def with_cursor(work: Callable[[Cursor[Any]], T]) -> T:
    """Runs `work` with a cursor in autocommit; once more on a new connection when the old one was dead.

    `work` must therefore be safe to repeat. Raises DatabaseGone.
    """
    connections = _connections()
    for is_last in (False, True):
        is_new, connection = connections.take()
        try:
            with connection.cursor() as cursor:
                done = work(cursor)
        except GONE as error:
            if _is_alive(connection, error):
                connections.give_back(connection)
                raise
            connections.forget(connection)
            if is_new or is_last:
                raise DatabaseGone from error
        except BaseException:
            connections.give_back(connection)
            raise
        else:
            connections.give_back(connection)
            return done
    raise DatabaseGone


def _connections() -> _Connections:
    found: _Connections | None = current_app.extensions.get("lux_intake_connections")
    if found is None:
        address = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        found = current_app.extensions.setdefault("lux_intake_connections", _Connections(address))
    return found


def _close(connection: Connection[Any]) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.close()


def _is_alive(connection: Connection[Any], error: psycopg.Error) -> bool:
    """Whether the server still talks to us, so that the error is about the statement: a lock, a deadlock."""
    return not connection.closed and not connection.broken and error.sqlstate is not None and error.sqlstate[:2] != "57"
