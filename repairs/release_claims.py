"""Frees the messages that a dead worker holds, so that a living one sends them."""

from __future__ import annotations

from datetime import timedelta

from campaigns.recovery import count_stale_claims, release_stale_claims
from extensions import db
from probes.base import TestResult
from repairs.base import FINAL, Outcome, Repair, RepairFailed, Situation, checked


class ReleaseClaims(Repair):
    """Tier A: a message that had begun is handled by its campaign's own rule for doubtful ones."""

    id = "release_claims"
    title = "Release stuck claims"
    tier = "A"
    changes = "Messages held by a worker whose lease has ended wait again; those it had begun become doubtful."
    undo_words = f"{FINAL}: their worker is dead; the ledger says of each what became of it"
    cooldown = timedelta(minutes=5)
    daily_limit = 48
    dependencies = ("worker",)

    def find_obstacle(self, situation: Situation) -> str | None:
        return None if count_stale_claims() else "No message is held by a dead worker."

    def dry_run(self, situation: Situation) -> str:
        return f"Release {count_stale_claims()} messages of workers whose lease has ended."

    def run(self, situation: Situation) -> Outcome:
        before = count_stale_claims()
        released = release_stale_claims()
        if before and not released:
            raise RepairFailed("Another process is releasing them just now.")
        db.session.rollback()
        return Outcome(f"{released} messages were released.", {"held": before}, {"held": count_stale_claims()})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        left = count_stale_claims()
        return checked("database", "count messages of dead workers", "none", f"{left} left", passed=left == 0)


REPAIR = ReleaseClaims()
