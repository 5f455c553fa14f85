"""Shrinks systemd's journal to 200 MB through the service helper, when the disk is full."""

from __future__ import annotations

from datetime import timedelta

from probes.base import TestResult
from probes.dependencies import write_sample
from repairs.base import FINAL, Outcome, Situation, checked
from repairs.unit_verb import UnitVerb


class VacuumJournal(UnitVerb):
    """Tier P: the journal is the whole machine's."""

    id = "vacuum_journal"
    title = "Shrink the journal"
    changes = "journalctl deletes the oldest archived journal files until 200 MB are left."
    undo_words = f"{FINAL}: the oldest journal entries are gone"
    cooldown = timedelta(hours=6)
    daily_limit = 2
    dependencies = ("disk",)
    verb = "vacuum-journal"

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        seen = write_sample()
        return checked(
            "configuration", "write 64 KiB to LUX_DATA_DIR", "the disk takes it", seen.text, passed=seen.passed
        )


REPAIR = VacuumJournal()
