"""The webhook's own database connections: one per thread, kept open, each statement a transaction of its own.

The session's pool pings before each use and begins a transaction; a webhook that answers a thousand posts a second pays
for both. Here a dead connection is found by using it, and what failed is tried once more on a new one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from flask import current_app
from psycopg import Connection, Cursor

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


class _Kept(threading.local):
    connection: Connection[Any] | None = None
    address: str | None = None


_kept = _Kept()
_away_until: dict[str, float] = {}


def with_cursor(work: Callable[[Cursor[Any]], T]) -> T:
    """Runs `work` with a cursor in autocommit; once more on a new connection when the old one was dead.

    `work` must therefore be safe to repeat. Raises DatabaseGone.
    """
    for is_last in (False, True):
        is_new, connection = _connection()
        try:
            with connection.cursor() as cursor:
                return work(cursor)
        except GONE as error:
            if _is_alive(connection, error):
                raise
            forget_connection()
            if is_new or is_last:
                raise DatabaseGone from error
    raise DatabaseGone


def forget_connection() -> None:
    """Closes this thread's connection, so that the next use makes a new one."""
    if _kept.connection is not None:
        with contextlib.suppress(psycopg.Error):
            _kept.connection.close()
    _kept.connection = None


def _connection() -> tuple[bool, Connection[Any]]:
    address = _address()
    if _kept.connection is not None and not _kept.connection.closed and _kept.address == address:
        return False, _kept.connection
    forget_connection()
    if time.monotonic() < _away_until.get(address, 0.0):
        raise DatabaseGone
    try:
        connection = psycopg.connect(
            address,
            autocommit=True,
            prepare_threshold=2,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="lux-webhook",
            options=SERVER_OPTIONS,
        )
    except psycopg.Error as error:
        _away_until[address] = time.monotonic() + PAUSE_SECONDS
        raise DatabaseGone from error
    _kept.connection, _kept.address = connection, address
    return True, connection


def _address() -> str:
    address: str | None = current_app.extensions.get("lux_intake_address")
    if address is None:
        address = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        current_app.extensions["lux_intake_address"] = address
    return address


def _is_alive(connection: Connection[Any], error: psycopg.Error) -> bool:
    """Whether the server still talks to us, so that the error is about the statement: a lock, a deadlock."""
    return not connection.closed and not connection.broken and error.sqlstate is not None and error.sqlstate[:2] != "57"
