"""Empties tables under servers that are still writing their last line."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psycopg

TRIES = 20


def empty_tables(connection: psycopg.Connection, names: Iterable[str]) -> None:
    """TRUNCATE these tables and what hangs on them; a deadlock with a process that still writes is tried again.

    Raises psycopg.errors.DeadlockDetected after 20 tries. The connection must commit by itself.
    """
    statement = f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE"
    for tried in range(1, TRIES + 1):
        try:
            connection.execute(statement.encode())
        except psycopg.errors.DeadlockDetected:
            if tried == TRIES:
                raise
            time.sleep(0.05 * tried)
        else:
            return
