"""Ends transactions of LUX's own that somebody began ten minutes ago and forgot: they hold locks and connections."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from extensions import db
from probes.base import TestResult
from repairs.base import Outcome, Repair, RepairFailed, Situation, checked

OURS = (
    "FROM pg_stat_activity WHERE application_name LIKE 'lux%' AND usename = current_user"
    " AND datname = current_database() AND state LIKE 'idle in transaction%'"
    " AND state_change < now() - make_interval(secs => :seconds) AND pid <> pg_backend_pid()"
)


class EndIdleTransactions(Repair):
    """Tier P: what such a transaction had changed is rolled back."""

    id = "end_idle_transactions"
    title = "End our own idle transactions"
    tier = "P"
    changes = "Ends database sessions of LUX that have been idle in a transaction for more than 10 minutes."
    undo_words = "cannot be undone: what they had not committed is rolled back, as if LUX had crashed there"
    daily_limit = 6
    dependencies = ("database",)
    least_idle = timedelta(minutes=10)

    def find_obstacle(self, situation: Situation) -> str | None:
        return None if self._list() else "No session of LUX has been idle in a transaction for 10 minutes."

    def dry_run(self, situation: Situation) -> str:
        rows = [f"end session {pid} ({name}), idle since {since}: {query}" for pid, name, since, query in self._list()]
        return "\n".join(rows) or "No session to end."

    def run(self, situation: Situation) -> Outcome:
        rows = self._list()
        if not rows:
            raise RepairFailed("There is no such session any more.")
        ended = db.session.execute(text("SELECT pid, pg_terminate_backend(pid) " + OURS), self._limit()).all()
        db.session.commit()
        pids = [row[0] for row in ended if row[1]]
        return Outcome(f"{len(pids)} sessions were ended.", {"sessions": [row[0] for row in rows]}, {"ended": pids})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        pids = list(outcome.before.get("sessions", []))
        query = text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:pids) AND state LIKE 'idle in trans%'")
        left = db.session.scalar(query, {"pids": pids})
        db.session.rollback()
        return checked("database", "look for the sessions", "none left", f"{left} left", passed=left == 0)

    def _list(self) -> list[tuple[int, str, str, str]]:
        columns = (
            "pid, application_name, to_char(state_change AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), left(query, 80) "
        )
        rows = db.session.execute(text(f"SELECT {columns}{OURS} ORDER BY pid"), self._limit()).all()
        db.session.rollback()
        return [(int(row[0]), str(row[1]), str(row[2]), " ".join(str(row[3]).split())) for row in rows]

    def _limit(self) -> dict[str, float]:
        return {"seconds": self.least_idle.total_seconds()}


REPAIR = EndIdleTransactions()
