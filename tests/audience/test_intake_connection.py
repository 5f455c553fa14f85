"""The webhook's connections: few and warm, none given on with something open, none believed alive after a death."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import Cursor
from sqlalchemy import text

from audience.intake_connection import with_cursor
from extensions import db


def find_backend(cursor: Cursor[Any]) -> int:
    row = cursor.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def test_threads_one_after_another_use_one_connection(app: Flask) -> None:
    def ask() -> int:
        with app.app_context():
            return with_cursor(find_backend)

    found = set()
    for _ in range(5):
        with ThreadPoolExecutor(1) as thread:
            found.add(thread.submit(ask).result())
    assert len(found) == 1


def test_at_the_same_time_each_has_its_own(app: Flask) -> None:
    def ask_within(cursor: Cursor[Any]) -> tuple[int, int]:
        return find_backend(cursor), with_cursor(find_backend)

    outer, inner = with_cursor(ask_within)
    assert outer != inner


def test_what_was_left_open_goes_to_nobody_else(app: Flask) -> None:
    seen: list[int] = []

    def stumble(cursor: Cursor[Any]) -> None:
        seen.append(find_backend(cursor))
        cursor.execute("BEGIN")
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        with_cursor(stumble)
    assert with_cursor(find_backend) not in seen


def test_a_wrong_statement_costs_no_connection(app: Flask) -> None:
    before = with_cursor(find_backend)
    with pytest.raises(psycopg.errors.UndefinedTable):
        with_cursor(lambda cursor: cursor.execute("SELECT 1 FROM no_such_table"))
    assert with_cursor(find_backend) == before


def test_after_the_death_of_all_that_rested_the_next_one_works(app: Flask) -> None:
    with_cursor(lambda cursor: with_cursor(lambda inner: with_cursor(find_backend)))
    ended = db.session.execute(
        text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'lux-webhook'")
    ).all()
    assert len(ended) >= 3
    assert with_cursor(find_backend)
