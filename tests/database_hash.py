"""One hash over every row of every table: whether anything was written at all."""

from __future__ import annotations

import hashlib

import psycopg

# What processes note about themselves while a test looks.
NOISE = {"process_heartbeats", "job_runs", "error_flushes", "health_results"}


def hash_of(url: str, *, without: frozenset[str] = frozenset()) -> str:
    """The SHA-256 of all rows, table by table."""
    found = hashlib.sha256()
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        for (name,) in names:
            if name in NOISE or name in without:
                continue
            rows = connection.execute(f'SELECT row_to_json(t)::text FROM "{name}" t ORDER BY 1'.encode()).fetchall()
            found.update(f"{name}:{len(rows)}:".encode())
            for (row,) in rows:
                found.update(str(row).encode())
    return found.hexdigest()
