"""Empties the database of a test, also under servers that are still writing their last line."""

from __future__ import annotations

import time

import psycopg
from psycopg.sql import SQL, Identifier

TRIES = 20
# Deleting a few rows costs a twentieth of truncating their table, with its indexes and all tables that refer to it.
LARGE_BYTES = 256 * 1024


def empty_tables(connection: psycopg.Connection, kept: frozenset[str] = frozenset()) -> None:
    """Deletes all rows but those of `kept` and starts the sequences again; tried again after a deadlock.

    Raises psycopg.errors.DeadlockDetected after 20 tries.
    """
    for tried in range(1, TRIES + 1):
        try:
            with connection.transaction():
                _empty(connection, kept)
        except psycopg.errors.DeadlockDetected:
            if tried == TRIES:
                raise
            time.sleep(0.05 * tried)
        else:
            return


def _empty(connection: psycopg.Connection, kept: frozenset[str]) -> None:
    sizes: dict[str, int] = dict(
        connection.execute(
            "SELECT relname::text, pg_relation_size(oid) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'"
        ).fetchall()
    )
    # Tables that only grow refuse this from everybody who does not step aside first; foreign keys need no order.
    connection.execute("SET LOCAL session_replication_role = replica")
    used = [name for name, size in sizes.items() if size and name not in kept]
    for name in used:
        if sizes[name] < LARGE_BYTES:
            connection.execute(SQL("DELETE FROM {}").format(Identifier(name)))
    large = [Identifier(name) for name in used if sizes[name] >= LARGE_BYTES]
    if large:
        connection.execute(SQL("TRUNCATE {} CASCADE").format(SQL(", ").join(large)))
    connection.execute(
        "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences"
        " WHERE schemaname = 'public' AND last_value IS NOT NULL"
    )
