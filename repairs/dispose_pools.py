"""Closes LUX's idle connections to the database, so that dead ones are made anew and slots become free."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from extensions import db
from probes.base import TestResult
from probes.dependencies import CONNECT_SECONDS, database_url, ping_database
from repairs.base import Outcome, Repair, Situation, checked

# Only the web processes of LUX, only what nobody has used for ten seconds: the pool pings before each use and opens
# another. The clock, the worker and the error logger have other names and stay.
IDLE = (
    " FROM pg_stat_activity WHERE application_name = 'lux' AND usename = current_user AND datname = current_database()"
    " AND state = 'idle' AND state_change < now() - make_interval(secs => %(idle)s) AND pid <> pg_backend_pid()"
)

COUNT_IDLE = "SELECT count(*)" + IDLE
CLOSE_IDLE = "SELECT count(pg_terminate_backend(pid))" + IDLE


class DisposePools(Repair):
    """Tier A: nothing is lost, connections open again when they are needed."""

    id = "dispose_pools"
    title = "Close idle database connections"
    tier = "A"
    changes = "Closes this process's pool of connections, and LUX's web connections that have been idle for 10 s."
    undo_words = "nothing to undo: connections open again when they are needed"
    cooldown = timedelta(minutes=5)
    daily_limit = 24
    dependencies = ("database",)
    works_without_database = True
    least_idle_seconds = 10.0

    def dry_run(self, situation: Situation) -> str:
        return (
            "Dispose the pool of this process once.\nEnd LUX's idle web connections:\nSELECT pg_terminate_backend(pid) "
            + IDLE.replace("%(idle)s", f"{self.least_idle_seconds:g}")
        )

    def run(self, situation: Situation) -> Outcome:
        before = {"pool": db.engine.pool.status(), "idle": self._ask(COUNT_IDLE)}
        db.session.rollback()
        db.engine.dispose()
        closed = self._ask(CLOSE_IDLE) or 0
        after = {"pool": db.engine.pool.status(), "idle": self._ask(COUNT_IDLE)}
        words = f"The pool was disposed and {closed} idle connections were closed."
        return Outcome(words, before, after, undo={})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        seen = ping_database()
        return checked("database", "connect and ping 20 times", "every ping answered", seen.text, passed=seen.passed)

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        return "Nothing had to be undone: LUX opens connections when it needs them."

    def _ask(self, query: str) -> int | None:
        """A number, on a connection beside the pool; None when there is none to be had."""
        try:
            with psycopg.connect(
                database_url(), autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="lux repair"
            ) as connection:
                row = connection.execute(query.encode(), {"idle": self.least_idle_seconds}).fetchone()
                return int(row[0]) if row else None
        except (psycopg.Error, SQLAlchemyError):
            return None


REPAIR = DisposePools()
