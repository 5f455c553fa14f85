"""Brings what waits on disk into the database: webhook bodies and errors that came while it was away."""

from __future__ import annotations

import time
from datetime import timedelta

from audience.intake import drain_spool
from audience.intake_spool import intake_spool
from error_logger import error_logger
from probes.base import TestResult
from repairs.base import FINAL, Outcome, Repair, Situation, checked

WAIT_SECONDS = 10.0
LOOK_SECONDS = 0.25


class DrainSpools(Repair):
    """Tier A: it happens by itself anyway, only later."""

    id = "drain_spools"
    title = "Drain the spools"
    tier = "A"
    changes = (
        "Moves waiting webhook bodies into the inbox and waiting errors into the error groups; nothing is deleted."
    )
    undo_words = f"{FINAL}, and need not be: what was on disk is in the database"
    cooldown = timedelta(minutes=5)
    daily_limit = 48
    dependencies = ("database",)

    def dry_run(self, situation: Situation) -> str:
        return f"Drain {intake_spool().count()} webhook bodies, and every error that this process has on disk."

    def run(self, situation: Situation) -> Outcome:
        before = {"bodies": intake_spool().count()}
        moved, deadline = drain_spool(), time.monotonic() + WAIT_SECONDS
        # For a moment after it has found the database away the intake asks for nothing.
        while intake_spool().count() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            moved += drain_spool()
        is_flushed = error_logger().flush_now(WAIT_SECONDS)
        after = {"bodies": intake_spool().count(), "errors_flushed": is_flushed}
        return Outcome(f"{moved} webhook bodies were brought in.", before, after)

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        left, is_flushed = intake_spool().count(), error_logger().flush_now(WAIT_SECONDS)
        seen = f"{left} bodies left, errors {'written' if is_flushed else 'still waiting'}"
        return checked("status", "look into the spools", "both empty", seen, passed=left == 0 and is_flushed)


REPAIR = DrainSpools()
