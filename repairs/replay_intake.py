"""Reads webhook bodies that could not be read once more, by the mappings as they are now."""

from __future__ import annotations

from datetime import timedelta

from audience.intake_inbox import count_dead_by_reason
from audience.intake_replay import replay_reason
from extensions import db
from probes.base import TestResult
from repairs.base import FINAL, Outcome, Repair, RepairFailed, Situation, checked

# Reasons that a new mapping or a new release can cure.
CURABLE = ("email_missing_or_invalid", "failed", "unparseable", "too_many_keys")


class ReplayIntake(Repair):
    """Tier P: contacts arrive, and with them what a welcome or a segment does."""

    id = "replay_intake"
    title = "Replay dead webhook bodies"
    tier = "P"
    changes = "Reads every dead body of the named reasons again; contacts arrive as if they had been posted now."
    undo_words = f"{FINAL}: contacts that arrived stay; each body in the inbox says what it became"
    cooldown = timedelta(minutes=15)
    daily_limit = 6
    dependencies = ("database",)

    def find_obstacle(self, situation: Situation) -> str | None:
        return None if self._dead(situation) else "No dead body waits for a replay."

    def dry_run(self, situation: Situation) -> str:
        return "\n".join(
            f"Read {count} bodies again that ended as {reason}." for reason, count in self._dead(situation)
        )

    def run(self, situation: Situation) -> Outcome:
        dead = self._dead(situation)
        if not dead:
            raise RepairFailed("No dead body is there any more.")
        woken = sum(replay_reason(reason)[0] for reason, _ in dead)
        db.session.rollback()
        before, after = dict(dead), dict(self._dead(situation))
        return Outcome(f"{woken} bodies were read again.", {"dead": before}, {"dead": after})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        before = sum(dict(outcome.before.get("dead", {})).values())
        left = sum(count for _, count in self._dead(situation))
        return checked("status", "count dead bodies", f"fewer than {before}", f"{left} left", passed=left < before)

    def _dead(self, situation: Situation) -> list[tuple[str, int]]:
        wanted = situation.fact("reason", "|".join(CURABLE))
        found = [(reason, count) for reason, count in count_dead_by_reason() if reason in CURABLE]
        db.session.rollback()
        return [(reason, count) for reason, count in found if wanted is None or reason == wanted]


REPAIR = ReplayIntake()
