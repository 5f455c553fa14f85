"""Takes the clock away from a leader that holds its lock and does not move, so that a living process takes over."""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import text

import processes
from extensions import db
from probes.base import TestResult
from repairs.base import FINAL, Outcome, Repair, RepairFailed, Situation, checked

TAKE_OVER_SECONDS = 20.0
HOLDERS = text(
    "SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.classid = CAST(:high AS oid) AND l.objid = CAST(:low AS oid) AND l.granted"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class ReelectClock(Repair):
    """Tier A: leading is handed on every time that a process ends anyway; runs are fenced by their slot."""

    id = "reelect_clock"
    title = "Elect the clock's leader again"
    tier = "A"
    changes = "Ends the database session that holds the clock's lock; within 15 s another web process leads."
    undo_words = f"{FINAL}, and need not be: whoever leads runs the same jobs"
    cooldown = timedelta(minutes=10)
    daily_limit = 12
    dependencies = ("clock",)

    def find_obstacle(self, situation: Situation) -> str | None:
        holders = self._holders()
        leaders = processes.list_leaders()
        db.session.rollback()
        if not holders:
            return "Nobody holds the clock's lock: a web process takes it by itself. Is one running?"
        return "The clock's leader is alive." if leaders else None

    def dry_run(self, situation: Situation) -> str:
        return "\n".join(f"End session {pid} ({name}), which holds the clock's lock." for pid, name in self._holders())

    def run(self, situation: Situation) -> Outcome:
        holders = self._holders()
        if not holders:
            raise RepairFailed("Nobody holds the clock's lock any more.")
        pids = [pid for pid, _ in holders]
        db.session.execute(
            text("SELECT pg_terminate_backend(pid) FROM unnest(CAST(:pids AS int[])) AS pid"), {"pids": pids}
        )
        db.session.commit()
        return Outcome(f"The lock was taken from {len(pids)} sessions.", {"holders": pids}, {"holders": []})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        before = set(outcome.before.get("holders", []))
        deadline = time.monotonic() + TAKE_OVER_SECONDS
        new: list[int] = []
        is_led = False
        while time.monotonic() < deadline and not (new and is_led):
            new = [pid for pid, _ in self._holders() if pid not in before]
            # Whoever takes over shows itself a moment later.
            is_led = bool(processes.list_leaders())
            db.session.rollback()
            time.sleep(0.5)
        is_well = bool(new) and is_led
        seen = f"session {new[0]} leads" if is_well else f"nobody has taken over within {TAKE_OVER_SECONDS:.0f} s"
        return checked("dependency", "look who holds the clock's lock", "another session", seen, passed=is_well)

    def _holders(self) -> list[tuple[int, str]]:
        high, low = processes.CLOCK_LOCK
        rows = db.session.execute(HOLDERS, {"high": high, "low": low}).all()
        db.session.rollback()
        return [(int(row[0]), str(row[1])) for row in rows]


REPAIR = ReelectClock()
